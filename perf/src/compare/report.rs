//! Figures and verdicts. The JSON is what `cargo xtask perf compare --json`
//! prints, its schema `docs/schema/perf-compare.schema.json`.

use harness_proto::count::{CountPlan, Counts, Operation, Planned};
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use crate::count::{
    Difference, Figure, ReportError, Subject,
    report::{CalibrationReport, NotCounted, figure_of},
};

/// Raised when a field changes its meaning or goes; new ones do not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// One invocation. All figures are guest instructions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompareReport {
    /// The version of this format.
    pub schema_version: u32,
    /// The commit of the older agent.
    pub base: String,
    /// That of the newer one; `-dirty` after it when the tree differed from it.
    pub head: String,
    /// The agent, in enforce.
    pub agent: String,
    /// Its rules about files, and about addresses as many.
    pub rules: u32,
    /// What an operation may become dearer, in percent of it with the older agent.
    pub threshold_percent: f64,
    /// Every kernel that was counted on, as asked for.
    pub kernels: Vec<KernelComparison>,
    /// Every kernel that was asked for and has no counts.
    pub not_counted: Vec<NotCounted>,
}

/// All that was counted in one boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelComparison {
    /// Its series.
    pub kernel: String,
    /// `uname -r`.
    pub release: String,
    /// The calibrated loop.
    pub calibration: CalibrationReport,
    /// In the order of the plan.
    pub operations: Vec<OperationComparison>,
}

/// One operation on one kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationComparison {
    /// Which.
    pub operation: Operation,
    /// Without any agent.
    pub none: Figure,
    /// With the older agent.
    pub base: Figure,
    /// With the newer agent.
    pub head: Figure,
    /// What the newer one takes above the older one.
    pub change: Difference,
    /// The median of that, in percent of the operation with the older agent.
    pub change_percent: f64,
    /// What of it.
    pub verdict: Verdict,
}

/// What a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Certainly less than the threshold, either way.
    Unchanged,
    /// Certainly beyond the threshold.
    Dearer,
    /// Certainly beyond the threshold, the other way.
    Cheaper,
    /// The rounds are too far apart to say, or the counter is not proven.
    Inconclusive,
}

impl KernelComparison {
    /// Compare what was counted in one boot; each agent was counted several
    /// times.
    pub fn new(
        kernel: &str,
        release: &str,
        plan: &CountPlan,
        counts: &[(Subject, Counts)],
        threshold_percent: f64,
    ) -> Result<Self, ReportError> {
        let calibration = CalibrationReport::new(plan, counts)?;
        let compare =
            |planned: &Planned| compare(*planned, counts, threshold_percent, calibration.proven);
        let operations = plan.operations.iter().map(compare);
        Ok(Self {
            kernel: kernel.to_owned(),
            release: release.to_owned(),
            calibration,
            operations: operations.collect::<Result<_, _>>()?,
        })
    }
}

fn compare(
    planned: Planned,
    counts: &[(Subject, Counts)],
    threshold_percent: f64,
    counter_proven: bool,
) -> Result<OperationComparison, ReportError> {
    let figure = |subject| figure_of(planned, subject, counts);
    let (base, head) = (figure(Subject::Base)?, figure(Subject::Agent)?);
    let change = head.above(&base);
    let threshold = base.median * threshold_percent / 100.0;
    let verdict = if counter_proven {
        verdict(&change, threshold)
    } else {
        Verdict::Inconclusive
    };
    Ok(OperationComparison {
        operation: planned.operation,
        none: figure(Subject::None)?,
        base,
        head,
        change,
        change_percent: change.median / base.median * 100.0,
        verdict,
    })
}

/// Every pair of rounds has a say: none may be on the other side.
fn verdict(change: &Difference, threshold: f64) -> Verdict {
    if change.low > threshold {
        Verdict::Dearer
    } else if change.high < -threshold {
        Verdict::Cheaper
    } else if change.low >= -threshold && change.high <= threshold {
        Verdict::Unchanged
    } else {
        Verdict::Inconclusive
    }
}

impl CompareReport {
    /// Every verdict.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let rows = self.kernels.iter().flat_map(|kernel| &kernel.operations);
        rows.map(|row| row.verdict)
    }
}

/// The schema of the report.
pub fn schema() -> Schema {
    schema_for!(CompareReport)
}

#[cfg(test)]
mod tests;
