//! The policy: text to a model that cannot be wrong.
//!
//! | module | holds |
//! | --- | --- |
//! | [`model`] | rules after every check |
//! | [`network`] | addresses, networks and ports |
//! | [`parse`] | reading YAML, with limits on the input |

pub mod model;
pub mod network;
pub mod parse;

pub use model::{Domain, Policy, Rule, Target};
pub use network::{Network, Ports};
pub use parse::{PolicyError, parse};
