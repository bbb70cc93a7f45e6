//! One comparison with a known answer.

use harness_proto::count::{Operation, PerThousand};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compare::{KernelComparison, Verdict};

/// What was done to one side.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Seed {
    /// Nothing: both sides are the same.
    Same,
    /// One operation was slowed down.
    Slowed {
        /// Which.
        operation: Operation,
        /// By what part of it.
        by: PerThousand,
    },
}

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The known one.
    Right,
    /// A change was found where there is none.
    FalseAlarm(Vec<Operation>),
    /// What was slowed down was not found to be.
    Missed,
    /// It could not say about something that was not changed.
    Unclear(Vec<Operation>),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// What was done to the newer side.
    pub seed: Seed,
    /// What was found.
    pub comparison: KernelComparison,
}

impl Trial {
    /// Whether it came to the known answer.
    pub fn answer(&self) -> Answer {
        let slowed = match self.seed {
            Seed::Same => None,
            Seed::Slowed { operation, .. } => Some(operation),
        };
        let others = |verdicts: &[Verdict]| -> Vec<Operation> {
            let rows = self.comparison.operations.iter();
            rows.filter(|row| Some(row.operation) != slowed)
                .filter(|row| verdicts.contains(&row.verdict))
                .map(|row| row.operation)
                .collect()
        };
        let false_alarms = others(&[Verdict::Dearer, Verdict::Cheaper]);
        if !false_alarms.is_empty() {
            return Answer::FalseAlarm(false_alarms);
        }
        if slowed.is_some_and(|operation| self.verdict_on(operation) != Some(Verdict::Dearer)) {
            return Answer::Missed;
        }
        let unclear = others(&[Verdict::Inconclusive]);
        if unclear.is_empty() {
            Answer::Right
        } else {
            Answer::Unclear(unclear)
        }
    }

    fn verdict_on(&self, operation: Operation) -> Option<Verdict> {
        let mut rows = self.comparison.operations.iter();
        let row = rows.find(|row| row.operation == operation)?;
        Some(row.verdict)
    }

    /// By how many percent what was slowed down was found to be dearer, or else what
    /// changed most.
    pub fn change_percent(&self) -> f64 {
        let rows = self.comparison.operations.iter();
        let own = rows.filter(|row| match self.seed {
            Seed::Same => true,
            Seed::Slowed { operation, .. } => row.operation == operation,
        });
        let changes = own.map(|row| row.change_percent);
        changes
            .max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .unwrap_or(f64::NAN)
    }
}
