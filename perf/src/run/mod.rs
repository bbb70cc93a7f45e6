//! What an agent costs under every policy that matters: one boot for each kernel
//! goes through them all.
//!
//! | module | holds |
//! | --- | --- |
//! | [`case`] | what is in force while operations are counted |
//! | [`report`] | the whole result; its JSON is the published one |
//! | [`quantity`] | figures that are not about one operation: slopes, memory, applying |
//! | [`baseline`] | what was accepted before, and what differs from it |
//! | [`table`] | the result for people: a terminal, or Markdown |
//! | [`page`] | the same as one HTML page with plots, which needs no network |
//! | [`plot`] | a plot as SVG |

pub mod baseline;
pub mod case;
pub mod page;
pub mod plot;
pub mod quantity;
pub mod report;
pub mod table;

pub use baseline::{Baseline, BaselineError, Change, Compared};
pub use case::{Case, Mode, Policy, Rules};
pub use quantity::{Quantity, Unit};
pub use report::{KernelRun, RunReport, Surveyed};
