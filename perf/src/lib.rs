//! What things cost, and how sure one can be of it.
//!
//! | module | holds |
//! | --- | --- |
//! | [`compare`] | two agents in one boot: what became dearer |
//! | [`count`] | counted instructions: figures, spread, bounds, tables |
//! | [`slope`] | whether a series grows, and how sure that is |
//! | [`summary`] | the median and percentiles of a set of measurements |

pub mod compare;
pub mod count;
pub mod slope;
pub mod summary;

pub use summary::{DurationSummary, Percent};
