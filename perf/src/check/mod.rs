//! Does the comparison find what it should, and nothing else? Trials with a known
//! answer: the same agent on both sides, and one operation slowed down by a known part
//! of it.
//!
//! | module | holds |
//! | --- | --- |
//! | [`trial`] | one comparison, and whether it came to the known answer |
//! | [`report`] | all of them; its JSON is the published one |

pub mod report;
pub mod trial;

pub use report::{CheckReport, CheckVerdict, Group};
pub use trial::{Answer, Seed, Trial};

/// The parts by which operations are slowed down.
pub const SLOWED_BY: [harness_proto::count::PerThousand; 3] = [
    harness_proto::count::PerThousand(5),
    harness_proto::count::PerThousand(10),
    harness_proto::count::PerThousand(20),
];
/// So many comparisons of each kind prove something.
pub const TRIALS: usize = 20;
/// Of which so many may miss what is there.
pub const MAY_MISS: usize = 1;
