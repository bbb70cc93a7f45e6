//! `report.json`. Its schema is `docs/schema/report.schema.json`.

use std::time::{Duration, SystemTime};

use kernel_matrix::BootMode;
use perf::DurationSummary;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use crate::{
    cell::{Cell, Group},
    outcome::OutcomeKind,
    run::{CellResult, Results},
};

/// Raised when a field changes its meaning or goes; new ones do not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// One run: what was judged and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version of this format.
    pub schema_version: u32,
    /// The run itself.
    pub run: RunReport,
    /// How many cells had which outcome.
    pub totals: Totals,
    /// What things took.
    pub timings: Timings,
    /// Every machine that was booted.
    pub boots: Vec<BootReport>,
    /// Every cell of the plan, in its order.
    pub cells: Vec<CellReport>,
}

/// What a run was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// When it started: RFC 3339, UTC.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// Whether it was interrupted; cells may be `not_run` then.
    pub interrupted: bool,
    /// The tier that was asked for.
    pub tier: String,
    /// `kvm` or `tcg`.
    pub accelerator: String,
    /// How many machines ran at a time.
    pub jobs: usize,
    /// The commit that was tested, if it is known; `-dirty` after it when the
    /// tree differed from it.
    pub commit: Option<String>,
}

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

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BootReport {
    /// The kernel.
    pub kernel: String,
    /// How it was booted.
    pub boot_mode: String,
    /// `uname -r`.
    pub release: Option<String>,
    /// To the first words of the guest's runner.
    pub seconds: Option<f64>,
    /// Why the first attempt was repeated, if it was.
    pub retried: Option<String>,
    /// Why it did not boot.
    pub failure: Option<String>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellReport {
    /// The kernel.
    pub kernel: String,
    /// How it was booted.
    pub boot_mode: String,
    /// The scenario's id.
    pub scenario: String,
    /// The agent.
    pub agent: String,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// The kind of failure, trouble or skip.
    pub code: Option<String>,
    /// The reason in words.
    pub reason: Option<String>,
    /// From the restored snapshot to the outcome.
    pub seconds: Option<f64>,
    /// The command that runs it again.
    pub rerun: String,
}

/// What [`Report::new`] needs to know of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunInfo {
    /// When it started.
    pub started: SystemTime,
    /// How long it took.
    pub seconds: f64,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// The tier that was asked for.
    pub tier: String,
    /// What executed the guests' instructions.
    pub accelerator: String,
    /// How many machines ran at a time.
    pub jobs: usize,
    /// The commit that was tested.
    pub commit: Option<String>,
}

impl Report {
    /// Put a report together.
    pub fn new(info: RunInfo, results: &Results, rerun: &dyn Fn(&Cell) -> String) -> Self {
        let cells: Vec<CellReport> = results
            .cells
            .iter()
            .map(|result| CellReport {
                kernel: result.cell.group.kernel.clone(),
                boot_mode: result.cell.group.boot_mode.to_string(),
                scenario: result.cell.scenario.clone(),
                agent: result.cell.agent.clone(),
                outcome: result.outcome.kind(),
                code: result.outcome.code(),
                reason: result.outcome.reason(),
                seconds: result.took.map(|took| took.as_secs_f64()),
                rerun: rerun(&result.cell),
            })
            .collect();
        let boots = results.boots.iter().map(|boot| BootReport {
            kernel: boot.group.kernel.clone(),
            boot_mode: boot.group.boot_mode.to_string(),
            release: boot.release.clone(),
            seconds: boot.booted_in.map(|took| took.as_secs_f64()),
            retried: boot.retried.clone(),
            failure: boot.failure.clone(),
        });
        Self {
            schema_version: SCHEMA_VERSION,
            run: RunReport {
                started: super::time(info.started),
                seconds: info.seconds,
                interrupted: info.interrupted,
                tier: info.tier,
                accelerator: info.accelerator,
                jobs: info.jobs,
                commit: info.commit,
            },
            totals: Totals::of(cells.iter().map(|cell| cell.outcome)),
            timings: Timings::of(results),
            boots: boots.collect(),
            cells,
        }
    }
}

impl Report {
    /// Kernel and boot mode of each machine, in order.
    pub fn machines(&self) -> Vec<(&str, &str)> {
        distinct(
            self.cells
                .iter()
                .map(|cell| (cell.kernel.as_str(), cell.boot_mode.as_str())),
        )
    }

    /// Each scenario, in order.
    pub fn scenarios(&self) -> Vec<&str> {
        distinct(self.cells.iter().map(|cell| cell.scenario.as_str()))
    }

    /// The cells of a scenario on a machine, one for each agent.
    pub fn at(
        &self,
        kernel: &str,
        boot_mode: &str,
        scenario: &str,
    ) -> impl Iterator<Item = &CellReport> {
        self.cells.iter().filter(move |cell| {
            cell.kernel == kernel && cell.boot_mode == boot_mode && cell.scenario == scenario
        })
    }
}

fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for one in all {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    once
}

impl Totals {
    fn of(outcomes: impl Iterator<Item = OutcomeKind>) -> Self {
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
    fn of(results: &Results) -> Self {
        let passed = |result: &&CellResult| result.outcome.kind() == OutcomeKind::Passed;
        let cells = || results.cells.iter();
        let with_agent = cells()
            .filter(passed)
            .filter(|result| result.starts_agent)
            .filter_map(|result| result.took);
        let boots = results.boots.iter().filter_map(|boot| boot.booted_in);
        Self {
            cells_that_start_the_agent: Seconds::of(with_agent),
            restores: Seconds::of(cells().filter_map(|result| result.restored_in)),
            boots: Seconds::of(boots),
        }
    }
}

impl Seconds {
    fn of(durations: impl Iterator<Item = Duration>) -> Option<Self> {
        DurationSummary::of(durations).map(|summary| Self {
            count: summary.count,
            median_seconds: summary.median.as_secs_f64(),
            p95_seconds: summary.p95.as_secs_f64(),
            max_seconds: summary.max.as_secs_f64(),
        })
    }
}

impl CellReport {
    /// As people write it.
    pub fn id(&self) -> String {
        let Self {
            kernel,
            boot_mode,
            scenario,
            agent,
            ..
        } = self;
        format!("{kernel}/{boot_mode}/{scenario}/{agent}")
    }

    pub(super) fn cell(&self) -> Cell {
        Cell {
            group: Group {
                kernel: self.kernel.clone(),
                // What was written by this program; another's is shown
                // without its logs.
                boot_mode: self.boot_mode.parse().unwrap_or(BootMode::BpfLsm),
            },
            scenario: self.scenario.clone(),
            agent: self.agent.clone(),
        }
    }
}

/// The schema of `report.json`.
pub fn schema() -> Schema {
    schema_for!(Report)
}
