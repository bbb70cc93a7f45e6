//! Two agents, counted in one boot: what did the newer one make dearer?
//!
//! | module | holds |
//! | --- | --- |
//! | [`report`] | figures, verdicts; its JSON is the published one |
//! | [`table`] | the same for people: a terminal, or Markdown |
//!
//! In one boot both have the same kernel at the same addresses. What differs
//! from one start of an agent to the next, the seeds of its hash tables, is in
//! the figures, because each is started twice, in the order base, head, head,
//! base.

pub mod report;
pub mod table;

pub use report::{CompareReport, KernelComparison, Verdict};
