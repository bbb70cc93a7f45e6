//! The whole result. Its JSON is what `cargo xtask perf run --json` prints, its
//! schema `docs/schema/perf-run.schema.json`.

use std::collections::BTreeMap;

use harness_proto::count::{
    BpfProgram, CountPlan, Counts, Footprint, Metered, Operation, Planned, Round,
};
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Case, Compared, Quantity, quantity};
use crate::count::{
    Bound, Bounds, Difference, Figure, ReportError, Verdict,
    report::{CalibrationReport, NotCounted},
};

/// Raised when a field changes its meaning or goes; new ones do not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// One invocation. All figures about operations are guest instructions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// The version of this format.
    pub schema_version: u32,
    /// The commit that was measured, if it is known; `-dirty` after it when the
    /// tree differed from it.
    pub commit: Option<String>,
    /// What was measured, by what it is known by: `agent`, `sha256:…` of its
    /// executable.
    pub subjects: BTreeMap<String, String>,
    /// The agent that was measured.
    pub agent: String,
    /// Whether everything was asked for, or a choice of it.
    pub whole: bool,
    /// Every kernel that was counted on, as asked for.
    pub kernels: Vec<KernelRun>,
    /// Every kernel that was asked for and has no counts.
    pub not_counted: Vec<NotCounted>,
}

/// All that was counted in one boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelRun {
    /// Its series.
    pub kernel: String,
    /// `uname -r`.
    pub release: String,
    /// Which build of it: its package and version, or its image, with a digest.
    pub build: String,
    /// The LSM hooks with a program of the agent. The null LSM had the same.
    pub hooks: Vec<String>,
    /// The calibrated loop.
    pub calibration: CalibrationReport,
    /// By case, in the order of the plan.
    pub cells: Vec<Cell>,
    /// What is not about one operation.
    pub quantities: Vec<Quantity>,
    /// The agent's BPF programs, with the policy that the hooks are of.
    pub programs: Vec<BpfProgram>,
    /// What it is held against, if it is.
    pub baseline: Compared,
}

/// One operation in one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// What was in force.
    pub case: Case,
    /// What was counted.
    pub operation: Operation,
    /// What it took.
    pub figure: Figure,
    /// What of it is more than without any agent; absent without any.
    pub added: Option<Difference>,
    /// The larger spread of the two figures, in percent.
    pub spread_percent: f64,
    /// How large it may be.
    pub spread_bound_percent: f64,
    /// What may be added, if there is a bound.
    pub bound: Option<Bound>,
    /// What of it.
    pub verdict: Verdict,
}

/// What was said in one boot.
#[derive(Debug, Clone, PartialEq)]
pub struct Surveyed {
    /// Of the agent, in the case that the null LSM has the hooks of.
    pub hooks: Vec<String>,
    /// The BPF programs in that case.
    pub programs: Vec<BpfProgram>,
    /// Each with the plan that it was told.
    pub counts: Vec<(Case, CountPlan, Counts)>,
    /// What the agent occupied.
    pub footprints: Vec<(Case, Footprint)>,
    /// What applying so many rules of each kind took, by their number.
    pub applied: Vec<(u32, Metered)>,
}

/// Why what was said makes no report.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SurveyError {
    /// Too little was counted.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// An operation of a case without its figure.
    #[error("{operation} with {case}: fewer rounds than it takes were counted")]
    Short {
        /// The operation.
        operation: Operation,
        /// What was in force.
        case: Case,
    },
    /// What was to be refused was not, or the other way round.
    #[error(
        "{operation} with {case} was refused {refused} times instead of {expected}: what was \
         counted is not what it is called"
    )]
    Refused {
        /// The operation.
        operation: Operation,
        /// What was in force.
        case: Case,
        /// How often.
        refused: u64,
        /// How often it should have been.
        expected: u64,
    },
}

impl KernelRun {
    /// Make a report of what was said in one boot.
    pub fn new(
        (kernel, release, build): (&str, &str, &str),
        surveyed: &Surveyed,
        bounds: &Bounds,
    ) -> Result<Self, SurveyError> {
        let calibration = calibration(surveyed)?;
        let mut cells = Vec::new();
        let mut seen: Vec<Case> = Vec::new();
        for (case, plan, _) in &surveyed.counts {
            if seen.contains(case) {
                continue;
            }
            seen.push(*case);
            for planned in &plan.operations {
                refusals(*planned, *case, surveyed)?;
                cells.push(cell(
                    kernel,
                    *planned,
                    *case,
                    surveyed,
                    bounds,
                    &calibration,
                )?);
            }
        }
        let mut report = Self {
            kernel: kernel.to_owned(),
            release: release.to_owned(),
            build: build.to_owned(),
            hooks: surveyed.hooks.clone(),
            calibration,
            quantities: quantity::quantities(kernel, surveyed, &cells, bounds),
            cells,
            programs: surveyed.programs.clone(),
            baseline: Compared::NotAsked,
        };
        if !report.calibration.proven {
            for quantity in &mut report.quantities {
                quantity.verdict = Verdict::Inconclusive;
            }
        }
        Ok(report)
    }

    /// Every verdict about a bound.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let cells = self.cells.iter().map(|cell| cell.verdict);
        cells.chain(self.quantities.iter().map(|one| one.verdict))
    }

    /// What was counted in a case, if it was.
    pub fn cell(&self, case: Case, operation: Operation) -> Option<&Cell> {
        let mut cells = self.cells.iter();
        cells.find(|cell| cell.case == case && cell.operation == operation)
    }

    /// The cases, in the order in which they were counted.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for cell in &self.cells {
            if !cases.contains(&cell.case) {
                cases.push(cell.case);
            }
        }
        cases
    }
}

fn calibration(surveyed: &Surveyed) -> Result<CalibrationReport, ReportError> {
    let (_, plan, _) = surveyed.counts.first().ok_or(ReportError::NotCalibrated)?;
    CalibrationReport::of(plan, &surveyed.counts.iter().map(|(_, _, counts)| counts))
}

/// What was said of an operation in a case, by process.
fn said(operation: Operation, case: Case, surveyed: &Surveyed) -> Vec<(&[Round], u64)> {
    let own = surveyed.counts.iter().filter(|(of, ..)| *of == case);
    own.flat_map(|(_, _, counts)| &counts.operations)
        .filter(|counted| counted.operation == operation)
        .map(|counted| (counted.rounds.as_slice(), counted.refused))
        .collect()
}

fn figure(planned: Planned, case: Case, surveyed: &Surveyed) -> Result<Figure, SurveyError> {
    let operation = planned.operation;
    let said = said(operation, case, surveyed);
    let rounds: Vec<&[Round]> = said.iter().map(|(rounds, _)| *rounds).collect();
    Figure::of(planned, &rounds).ok_or(SurveyError::Short { operation, case })
}

fn refusals(planned: Planned, case: Case, surveyed: &Surveyed) -> Result<(), SurveyError> {
    let operation = planned.operation;
    let refuses = case.refuses() && operation.is_listed();
    for (rounds, refused) in said(operation, case, surveyed) {
        let all = rounds.len() as u64 * u64::from(planned.times) * u64::from(planned.windows);
        let expected = if refuses { all } else { 0 };
        if refused != expected {
            return Err(SurveyError::Refused {
                operation,
                case,
                refused,
                expected,
            });
        }
    }
    Ok(())
}

fn cell(
    kernel: &str,
    planned: Planned,
    case: Case,
    surveyed: &Surveyed,
    bounds: &Bounds,
    calibration: &CalibrationReport,
) -> Result<Cell, SurveyError> {
    let operation = planned.operation;
    let own = figure(planned, case, surveyed)?;
    let none = figure(planned, Case::None, surveyed)?;
    let added = (case != Case::None).then(|| own.above(&none));
    let spread_percent = own.spread_percent().max(none.spread_percent());
    let spread_bound_percent = bounds.spread_percent(operation);
    let rules = case.exact_in_enforce();
    let bound = rules.and_then(|rules| bounds.added(kernel, rules, operation));
    let verdict = if !calibration.proven || spread_percent > spread_bound_percent {
        Verdict::Inconclusive
    } else {
        match (bound, added) {
            (Some(bound), Some(added)) => bound.verdict(&added),
            _ => Verdict::Unbounded,
        }
    };
    Ok(Cell {
        case,
        operation,
        figure: own,
        added,
        spread_percent,
        spread_bound_percent,
        bound,
        verdict,
    })
}

/// Why results do not make one.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MergeError {
    /// There is none.
    #[error("there is no result")]
    None,
    /// They are not about the same.
    #[error("one result is of {one}, another of {other}: measure both with the same agent")]
    Differ {
        /// The first one.
        one: String,
        /// Another.
        other: String,
    },
    /// Which of two is right?
    #[error("two results are of the kernel {0}")]
    Twice(String),
}

/// One result of several, which must be of the same agent and of different kernels.
pub fn merged(reports: Vec<RunReport>) -> Result<RunReport, MergeError> {
    let about = |report: &RunReport| {
        let agent = report.subjects.get("agent").map_or("?", String::as_str);
        let commit = report.commit.as_deref().unwrap_or("an unknown commit");
        format!("{} {agent} of {commit}", report.agent)
    };
    let mut reports = reports.into_iter();
    let mut all = reports.next().ok_or(MergeError::None)?;
    for report in reports {
        let (one, other) = (about(&all), about(&report));
        if one != other {
            return Err(MergeError::Differ { one, other });
        }
        all.whole &= report.whole;
        for kernel in report.kernels {
            if all.kernels.iter().any(|own| own.kernel == kernel.kernel) {
                return Err(MergeError::Twice(kernel.kernel));
            }
            all.kernels.push(kernel);
        }
        all.not_counted.extend(report.not_counted);
    }
    Ok(all)
}

/// The schema of the report.
pub fn schema() -> Schema {
    schema_for!(RunReport)
}

#[cfg(test)]
pub(super) mod tests;
