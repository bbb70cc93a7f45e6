//! Rolling out phase by phase: promote, hold or roll back, by what the items of
//! the phases came to.
//!
//! | module | holds |
//! | --- | --- |
//! | [`log`] | what was decided over time, chained so that it cannot be rewritten unseen |

pub mod log;
#[cfg(test)]
mod tests;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    cause::Cause,
    checklist::Checklist,
    evaluate::{ItemResult, Status},
    moment::Age,
};

/// A phase of a rollout, as an item of a checklist has it. Phases follow each
/// other as their items do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What is done in it.
    #[serde(default)]
    pub tasks: Vec<String>,
    /// How long it lasts at least: every query of Prometheus that decides it
    /// looks back so far.
    #[serde(default)]
    pub duration: Option<Age>,
    /// What is done when its criteria are not met; roll back when it is not
    /// said.
    #[serde(default)]
    pub if_failed: IfFailed,
}

/// What is done when the criteria of a phase are not met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IfFailed {
    /// Back to the phase before.
    #[default]
    Rollback,
    /// Stay and mend it.
    Hold,
}

/// What the criteria of a phase say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// All are met.
    Successful,
    /// One is not.
    Failed,
    /// Nobody knows: something is missing, too old, or too little.
    Inconclusive,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// On to the next phase.
    Promote,
    /// Stay.
    Hold,
    /// Back.
    Rollback,
    /// It is not this phase's turn.
    NotReached,
}

/// What became of a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PhaseResult {
    /// The item.
    pub item: String,
    /// What its criteria say.
    pub answer: Answer,
    /// What is to be done.
    pub step: Step,
    /// What is done in it.
    pub tasks: Vec<String>,
}

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rollout {
    /// Every phase, in order.
    pub phases: Vec<PhaseResult>,
    /// The phase that it is the turn of; the last when all are over.
    pub at: String,
    /// What is to be done there.
    pub step: Step,
}

/// Decide where a rollout stands; none when the checklist has no phases.
pub fn decide(checklist: &Checklist, items: &[ItemResult]) -> Option<Rollout> {
    let mut phases = Vec::new();
    let mut reached = true;
    for (item, result) in checklist.items.iter().zip(items) {
        let Some(phase) = &item.phase else { continue };
        let answer = answer(result);
        let step = match answer {
            _ if !reached => Step::NotReached,
            Answer::Successful => Step::Promote,
            Answer::Inconclusive => Step::Hold,
            Answer::Failed => match phase.if_failed {
                IfFailed::Rollback => Step::Rollback,
                IfFailed::Hold => Step::Hold,
            },
        };
        reached = reached && step == Step::Promote;
        phases.push(PhaseResult {
            item: item.id.clone(),
            answer,
            step,
            tasks: phase.tasks.clone(),
        });
    }
    let open = phases.iter().find(|phase| phase.step != Step::Promote);
    let at = open.or(phases.last())?;
    Some(Rollout {
        at: at.item.clone(),
        step: at.step,
        phases,
    })
}

/// A criterion that is certainly not met outweighs others that nobody knows.
fn answer(item: &ItemResult) -> Answer {
    let failed = |(_, cause): &(&str, &Cause)| matches!(cause, Cause::Failed { .. });
    match item.status {
        Status::Pass | Status::NotApplicable => Answer::Successful,
        Status::Fail | Status::Waived if item.causes().iter().any(failed) => Answer::Failed,
        Status::Fail | Status::Waived => Answer::Inconclusive,
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promote => "promote",
            Self::Hold => "hold",
            Self::Rollback => "roll back",
            Self::NotReached => "not reached",
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
        })
    }
}
