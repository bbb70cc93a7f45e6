//! The power is cut while a policy is applied: QEMU is killed at a random
//! instant, and booted again with the same disk.
//!
//! What the guest has handed to its disk is kept; what its kernel had in memory
//! is lost. That is a disk without a cache of its own: one that also forgets
//! what it has acknowledged and not flushed would be worse.
//!
//! | module | holds | pure |
//! | --- | --- | --- |
//! | [`program`] | what the guest does in each boot | yes |
//! | [`ledger`] | whether what is found after a cut follows from before | yes |
//! | [`series`] | one disk, cut after cut | |
//! | [`moment`] | when to cut | yes |

pub mod ledger;
mod moment;
pub mod program;
pub mod series;

pub use ledger::Survivor;
pub use series::{Cut, Series, SeriesError, mke2fs};
