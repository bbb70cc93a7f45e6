//! Counted instructions: what is counted, figures with their spread, bounds, and
//! whether a result may stand.
//!
//! | module | holds |
//! | --- | --- |
//! | [`subject`] | who is in force while operations are counted |
//! | [`plan`] | how often each operation is done |
//! | [`figure`] | from rounds to a figure with its spread |
//! | [`bounds`] | what may be added, and how far rounds may differ |
//! | [`report`] | the whole result; its JSON is the published one |
//! | [`table`] | the same for people |
//!
//! A figure has two halves. The *operation itself* is the median of short
//! windows: no timer interrupt, no other process, so it repeats to the
//! instruction, and it is what bounds hold. *With background* is the mean over
//! everything that ran meanwhile, the agent's own process included: it shows
//! what a median would hide.

pub mod bounds;
pub mod figure;
pub mod plan;
pub mod report;
pub mod subject;
pub mod table;

pub use bounds::{Bound, Bounds, BoundsError};
pub use figure::{Difference, Figure};
pub use plan::{plan, slowed};
pub use report::{CountReport, KernelReport, ReportError, Verdict};
pub use subject::Subject;
