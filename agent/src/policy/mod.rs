//! The policy: text to a model that cannot be wrong.
//!
//! | module | holds |
//! | --- | --- |
//! | [`model`] | rules after every check |
//! | [`network`] | addresses, networks and ports |
//! | [`schema`] | the policy as it is written, and its JSON Schema |
//! | [`parse`] | reading YAML into the model, with limits on the input |
//! | [`canonical`] | the one text of a policy, and its digest |
//! | [`lint`] | what is wrong with a policy that is well formed |

#[cfg(test)]
pub(crate) mod arbitrary;
pub mod canonical;
pub mod lint;
pub mod model;
pub mod network;
pub mod parse;
pub mod schema;

pub use aegisbpf_abi::Domain;
pub use canonical::{canonical, digest};
pub use model::{AbsolutePath, Action, FileObject, Policy, Programs, Rule, Target};
pub(crate) use network::masked;
pub use network::{Network, Ports};
pub use parse::{PolicyError, parse, read};
