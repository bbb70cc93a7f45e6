//! What was decided in a rollout, an event a line. Each names the digest of the
//! line before, so that none can be changed, dropped or put in between unseen;
//! the last digest belongs where others can see it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Answer, Step};
use crate::{
    canonical::{self, CanonicalError},
    digest::Digest,
    evaluate::Decision,
    moment::Moment,
};

/// A decision about a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// By which checklist.
    pub checklist: String,
    /// By which evidence.
    pub evidence_root: Digest,
    /// The phase, by its item.
    pub phase: String,
    /// What its criteria said.
    pub answer: Answer,
    /// What was to be done.
    pub step: Step,
    /// Why.
    pub causes: Vec<String>,
    /// The digest of the line before; none for the first.
    pub previous: Option<Digest>,
}

/// A log that is not what was written.
#[derive(Debug, Error)]
pub enum LogError {
    /// A line is no event.
    #[error("line {line} is no event: {error}")]
    Line {
        /// From 1.
        line: usize,
        /// Why not.
        error: CanonicalError,
    },
    /// Something before it was changed.
    #[error("line {line} does not follow what is before it: a line was changed, dropped or added")]
    Chain {
        /// From 1.
        line: usize,
    },
}

/// Read a log, and check that each event follows the one before.
pub fn read(text: &str) -> Result<Vec<Event>, LogError> {
    let mut previous = None;
    let mut events = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let event: Event = canonical::read(line.as_bytes()).map_err(|error| LogError::Line {
            line: index + 1,
            error,
        })?;
        if event.previous != previous {
            return Err(LogError::Chain { line: index + 1 });
        }
        previous = Some(Digest::of(line.as_bytes()));
        events.push(event);
    }
    Ok(events)
}

/// The log with one more event; as it was when the decision is about no
/// rollout.
pub fn append(text: &str, decision: &Decision) -> Result<String, LogError> {
    let line = text.lines().count() + 1;
    read(text)?;
    let Some(rollout) = &decision.rollout else {
        return Ok(text.to_owned());
    };
    let phase = rollout.phases.iter().find(|phase| phase.item == rollout.at);
    let item = decision.items.iter().find(|item| item.id == rollout.at);
    let causes = item.map(|item| {
        let causes = item.causes().into_iter();
        causes
            .map(|(evidence, cause)| format!("{evidence}: {cause}"))
            .collect()
    });
    let event = Event {
        at: decision.decided,
        checklist: decision.checklist.clone(),
        evidence_root: decision.evidence_root,
        phase: rollout.at.clone(),
        answer: phase.map_or(Answer::Inconclusive, |phase| phase.answer),
        step: rollout.step,
        causes: causes.unwrap_or_default(),
        previous: text.lines().last().map(|last| Digest::of(last.as_bytes())),
    };
    let written = canonical::write(&event).map_err(|error| LogError::Line { line, error })?;
    Ok(format!("{text}{}\n", String::from_utf8_lossy(&written)))
}
