//! The counting bench: one boot in which each agent in turn is in force while
//! the same operations are counted.
//!
//! | module | holds |
//! | --- | --- |
//! | [`program`] | what the guest does, and what must be observed of it |
//! | [`reading`] | the counts in what the guest said |
//! | [`machine`] | the boot |

pub mod machine;
pub mod program;
pub mod reading;

pub use machine::{Boot, CountError, count};
pub use program::{CompareProgram, CountProgram, Request};
pub use reading::{Reading, read, read_counts};

#[cfg(test)]
mod tests;
