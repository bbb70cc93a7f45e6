//! Random policies and random operations, and a naive oracle of what a kernel
//! must say to them. Pure: what is seen in a machine comes from elsewhere.
//!
//! | module | holds |
//! | --- | --- |
//! | [`case`] | a world, a policy, and what is tried |
//! | [`deed`] | what can be done |
//! | [`generate`] | a case from a seed |
//! | [`oracle`] | what must come of it |
//! | [`compare`] | what was seen, held against that |
//! | [`coverage`] | which kinds of rules have decided |
//! | [`shrink`] | smaller cases of one |
//! | `sound` | whether a case can be made at all |
//! | [`scenario`] | a case as a file of the catalogue |

pub mod case;
pub mod compare;
pub mod coverage;
pub mod deed;
pub mod generate;
pub mod oracle;
pub mod scenario;
pub mod shrink;
mod sound;

pub use case::{Came, Case};
pub use oracle::{Foretold, Spoken, foretell};
