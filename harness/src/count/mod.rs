//! The counting bench: one boot in which each agent in turn is in force while
//! the same operations are counted.
//!
//! | module | holds |
//! | --- | --- |
//! | `builder` | the actions of such programs |
//! | [`program`] | what the guest does, and what must be observed of it |
//! | [`reading`] | the counts in what the guest said |
//! | [`sweep`] | a boot that goes through many policies |
//! | [`trials`] | a boot with comparisons whose answer is known |
//! | [`machine`] | the boot |

mod builder;
pub mod machine;
pub mod program;
pub mod reading;
pub mod sweep;
pub mod trials;

pub use machine::{Boot, CountError, count};
pub use program::{CompareProgram, CountProgram, Request};
pub use reading::{Reading, read, read_counts};

#[cfg(test)]
mod tests;
