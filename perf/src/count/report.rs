//! The whole result. Its JSON is what `cargo xtask perf count --json` prints, its
//! schema `docs/schema/perf-count.schema.json`.

use std::collections::BTreeMap;

use harness_proto::count::{CountPlan, Counts, LOOP_INSTRUCTIONS, Operation, Planned, Round};
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Bound, Bounds, Difference, Figure, Subject,
    figure::{LEAST_ROUNDS, WARM_UP_ROUNDS, whole},
};

/// Raised when a field changes its meaning or goes; new ones do not raise it.
pub const SCHEMA_VERSION: u32 = 1;
/// How far the calibrated loop may be from its known length, in percent.
pub const CALIBRATION_PERCENT: f64 = 0.1;

/// One invocation. All figures are guest instructions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CountReport {
    /// The version of this format.
    pub schema_version: u32,
    /// The commit that was measured, if it is known; `-dirty` after it when the
    /// tree differed from it.
    pub commit: Option<String>,
    /// What was measured, by what it is known by: `agent`, `sha256:…` of its
    /// executable.
    #[serde(default)]
    pub subjects: BTreeMap<String, String>,
    /// The agent that was measured, in enforce.
    pub agent: String,
    /// Its rules about files, and about addresses as many.
    pub rules: u32,
    /// How many processes counted without an agent and with each, twice as many
    /// without.
    pub processes: u32,
    /// Rounds of each process; the first is dropped.
    pub rounds: u32,
    /// Every kernel that was counted on, as asked for.
    pub kernels: Vec<KernelReport>,
    /// Every kernel that was asked for and has no counts.
    pub not_counted: Vec<NotCounted>,
}

/// A kernel that has no counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotCounted {
    /// Its series.
    pub kernel: String,
    /// Why.
    pub reason: String,
}

/// All that was counted in one boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelReport {
    /// Its series.
    pub kernel: String,
    /// `uname -r`.
    pub release: String,
    /// The LSM hooks with a program of the agent, one for each program, as the
    /// kernel lists them. The null LSM had the same.
    pub hooks: Vec<String>,
    /// The calibrated loop.
    pub calibration: CalibrationReport,
    /// In the order of the plan.
    pub operations: Vec<OperationReport>,
}

/// What the counter said of a loop of known length, in the rounds that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationReport {
    /// The loop's length.
    pub instructions: u64,
    /// The lowest count.
    pub low: u64,
    /// The highest count.
    pub high: u64,
    /// Both are within 0.1 % of the length. If not, nothing here may stand.
    pub proven: bool,
}

/// One operation on one kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationReport {
    /// Which.
    pub operation: Operation,
    /// Without any agent.
    pub none: Figure,
    /// With programs that do nothing on the agent's hooks.
    pub null_lsm: Figure,
    /// With the agent.
    pub agent: Figure,
    /// What the programs that do nothing add.
    pub null_added: Difference,
    /// What the agent adds.
    pub agent_added: Difference,
    /// The largest spread of the three figures, in percent.
    pub spread_percent: f64,
    /// How large it may be.
    pub spread_bound_percent: f64,
    /// What the agent may add, if there is a bound.
    pub bound: Option<Bound>,
    /// What of it.
    pub verdict: Verdict,
}

/// What a figure is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is certain, and nothing bounds it.
    Unbounded,
    /// It is certainly within its bound.
    Within,
    /// It is certainly beyond its bound.
    Exceeded,
    /// The rounds are too far apart to say, or the counter is not proven.
    Inconclusive,
}

/// Why counts make no report.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReportError {
    /// An operation of the plan that was not counted, or not often enough.
    #[error("{operation} with {subject}: fewer than {LEAST_ROUNDS} rounds were counted")]
    Short {
        /// The operation.
        operation: Operation,
        /// Who was in force.
        subject: Subject,
    },
    /// The calibrated loop was not counted.
    #[error("the calibrated loop was counted in fewer than {LEAST_ROUNDS} rounds")]
    NotCalibrated,
}

impl KernelReport {
    /// Make a report of what was counted in one boot; a subject may have been
    /// counted several times. `rules` is the number of each kind.
    pub fn new(
        kernel: &str,
        release: &str,
        hooks: &[String],
        (plan, rules): (&CountPlan, u32),
        counts: &[(Subject, Counts)],
        bounds: &Bounds,
    ) -> Result<Self, ReportError> {
        let calibration = CalibrationReport::new(plan, counts)?;
        let operations = plan
            .operations
            .iter()
            .map(|&planned| {
                let operation = planned.operation;
                let limits = Limits {
                    counter_proven: calibration.proven,
                    spread_percent: bounds.spread_percent(operation),
                    added: bounds.added(kernel, rules, operation),
                };
                OperationReport::new(planned, counts, &limits)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            kernel: kernel.to_owned(),
            release: release.to_owned(),
            hooks: hooks.to_vec(),
            calibration,
            operations,
        })
    }
}

impl CalibrationReport {
    /// Of all counts of one boot.
    pub(crate) fn new(plan: &CountPlan, counts: &[(Subject, Counts)]) -> Result<Self, ReportError> {
        Self::of(plan, &counts.iter().map(|(_, counts)| counts))
    }

    /// The same without who was in force.
    pub(crate) fn of<'a>(
        plan: &CountPlan,
        counts: &(impl Iterator<Item = &'a Counts> + Clone),
    ) -> Result<Self, ReportError> {
        let all = || counts.clone().map(|counts| &counts.loop_rounds);
        if all().any(|rounds| rounds.len() < LEAST_ROUNDS) {
            return Err(ReportError::NotCalibrated);
        }
        let kept = || all().flat_map(|rounds| &rounds[WARM_UP_ROUNDS..]);
        let low = kept().map(|round| round.itself).min();
        let high = kept().map(|round| round.itself).max();
        let (Some(low), Some(high)) = (low, high) else {
            return Err(ReportError::NotCalibrated);
        };
        let instructions = plan.calibration.passes * LOOP_INSTRUCTIONS;
        let within = |count: u64| {
            whole(count.abs_diff(instructions))
                <= whole(instructions) * (CALIBRATION_PERCENT / 100.0)
        };
        Ok(Self {
            instructions,
            low,
            high,
            proven: within(low) && within(high),
        })
    }
}

/// What one operation is held against.
struct Limits {
    counter_proven: bool,
    spread_percent: f64,
    added: Option<Bound>,
}

impl OperationReport {
    fn new(
        planned: Planned,
        counts: &[(Subject, Counts)],
        limits: &Limits,
    ) -> Result<Self, ReportError> {
        let figure = |subject| figure_of(planned, subject, counts);
        let none = figure(Subject::None)?;
        let null_lsm = figure(Subject::NullLsm)?;
        let agent = figure(Subject::Agent)?;
        let spread_percent = [none, null_lsm, agent]
            .iter()
            .map(Figure::spread_percent)
            .fold(0.0, f64::max);
        let agent_added = agent.above(&none);
        Ok(Self {
            operation: planned.operation,
            none,
            null_lsm,
            agent,
            null_added: null_lsm.above(&none),
            agent_added,
            spread_percent,
            spread_bound_percent: limits.spread_percent,
            bound: limits.added,
            verdict: verdict(&agent_added, spread_percent, limits),
        })
    }
}

/// What an operation took while a subject was in force.
pub(crate) fn figure_of(
    planned: Planned,
    subject: Subject,
    counts: &[(Subject, Counts)],
) -> Result<Figure, ReportError> {
    let rounds: Vec<&[Round]> = counts
        .iter()
        .filter(|(counted, _)| *counted == subject)
        .map(|(_, counts)| rounds_of(planned.operation, counts))
        .collect();
    Figure::of(planned, &rounds).ok_or(ReportError::Short {
        operation: planned.operation,
        subject,
    })
}

/// None when it was not counted.
fn rounds_of(operation: Operation, counts: &Counts) -> &[Round] {
    let counted = counts.operations.iter();
    let mut own = counted.filter(|counted| counted.operation == operation);
    own.next().map_or(&[], |counted| &counted.rounds)
}

fn verdict(added: &Difference, spread_percent: f64, limits: &Limits) -> Verdict {
    if !limits.counter_proven || spread_percent > limits.spread_percent {
        return Verdict::Inconclusive;
    }
    limits
        .added
        .map_or(Verdict::Unbounded, |bound| bound.verdict(added))
}

impl CountReport {
    /// Every verdict.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let rows = self.kernels.iter().flat_map(|kernel| &kernel.operations);
        rows.map(|row| row.verdict)
    }
}

/// The schema of the report.
pub fn schema() -> Schema {
    schema_for!(CountReport)
}

#[cfg(test)]
mod tests;
