//! What a report counts and times, from its cells and machines alone, so that
//! reports can be put together.

use std::time::Duration;

use perf::DurationSummary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json::{BootReport, CellReport};
use crate::outcome::OutcomeKind;

/// How many cells had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// All of them.
    pub cells: usize,
    /// Everything that had to be observed was.
    pub passed: usize,
    /// The agent or the kernel did something else.
    pub failed: usize,
    /// Not run, for a reason that the plan gives.
    pub skipped: usize,
    /// Could not be judged.
    pub infra: usize,
    /// The run was interrupted first.
    pub not_run: usize,
}

/// What things took. Absent where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    /// From the restored snapshot to the outcome, for passed cells in which
    /// the agent got ready.
    pub cells_that_start_the_agent: Option<Seconds>,
    /// From the saved state to a running machine.
    pub restores: Option<Seconds>,
    /// From the start of QEMU to the first words of the guest's runner.
    pub boots: Option<Seconds>,
}

/// A set of durations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Seconds {
    /// How many.
    pub count: usize,
    /// Half took less.
    pub median_seconds: f64,
    /// One in twenty took more.
    pub p95_seconds: f64,
    /// The longest.
    pub max_seconds: f64,
}

impl Totals {
    pub(super) fn of(outcomes: impl Iterator<Item = OutcomeKind>) -> Self {
        let mut totals = Self::default();
        for outcome in outcomes {
            totals.cells += 1;
            *match outcome {
                OutcomeKind::Passed => &mut totals.passed,
                OutcomeKind::Failed => &mut totals.failed,
                OutcomeKind::Skipped => &mut totals.skipped,
                OutcomeKind::Infra => &mut totals.infra,
                OutcomeKind::NotRun => &mut totals.not_run,
            } += 1;
        }
        totals
    }
}

impl Timings {
    pub(super) fn of(cells: &[CellReport], boots: &[BootReport]) -> Self {
        let passed = |cell: &&CellReport| cell.outcome == OutcomeKind::Passed;
        let with_agent = cells
            .iter()
            .filter(passed)
            .filter(|cell| cell.starts_agent)
            .filter_map(|cell| cell.seconds);
        Self {
            cells_that_start_the_agent: Seconds::of(with_agent),
            restores: Seconds::of(cells.iter().filter_map(|cell| cell.restore_seconds)),
            boots: Seconds::of(boots.iter().filter_map(|boot| boot.seconds)),
        }
    }
}

impl Seconds {
    fn of(seconds: impl Iterator<Item = f64>) -> Option<Self> {
        // What is read from a file may be no duration.
        let durations = seconds.filter_map(|one| Duration::try_from_secs_f64(one).ok());
        DurationSummary::of(durations).map(|summary| Self {
            count: summary.count,
            median_seconds: summary.median.as_secs_f64(),
            p95_seconds: summary.p95.as_secs_f64(),
            max_seconds: summary.max.as_secs_f64(),
        })
    }
}
