//! What things cost, and how sure one can be of it.
//!
//! | module | holds |
//! | --- | --- |
//! | [`check`] | whether a comparison finds what it should, and nothing else |
//! | [`compare`] | two agents in one boot: what became dearer |
//! | [`count`] | counted instructions: figures, spread, bounds, tables |
//! | [`run`] | what an agent costs under every policy, and against a baseline |
//! | [`slope`] | whether a series grows, and how sure that is |
//! | [`summary`] | the median and percentiles of a set of measurements |

pub mod check;
pub mod compare;
pub mod count;
pub mod run;
pub mod slope;
pub mod summary;

pub use summary::{DurationSummary, Percent};
