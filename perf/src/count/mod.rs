//! Counted instructions: from rounds to figures, and whether they may stand.

mod subject;

pub use subject::Subject;
