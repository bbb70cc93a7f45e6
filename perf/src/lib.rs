//! What things cost, and how sure one can be of it.
//!
//! | module | holds |
//! | --- | --- |
//! | [`summary`] | the median and percentiles of a set of measurements |

pub mod summary;

pub use summary::{DurationSummary, Percent};
