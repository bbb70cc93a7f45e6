//! The counts in what the guest said.

use harness_proto::{
    Observation,
    count::{Counts, LsmHooks},
};
use perf::count::Subject;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::CountProgram;
use crate::session::Transcript;

/// Everything that was counted in one boot.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The hooks of the agent, and of the null programs.
    pub hooks: Vec<String>,
    /// In the order in which they were counted, by process.
    pub counts: Vec<(Subject, Counts)>,
}

/// Why what was said is of no use.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReadingError {
    /// Not what the executables of the guest print.
    #[error("action {index} printed no {what}: {problem}")]
    Foreign {
        /// Index of the action.
        index: usize,
        /// What it should have printed.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The null programs are the agent's floor only on the agent's hooks.
    #[error(
        "the null programs are on other hooks than the agent's: {} instead of {}",
        null.join(", "), agent.join(", ")
    )]
    Hooks {
        /// The agent's.
        agent: Vec<String>,
        /// Those of the null programs.
        null: Vec<String>,
    },
    /// Without hooks there is nothing to compare.
    #[error("the agent denies, but the kernel lists no LSM program of it")]
    NoHooks,
}

/// Read a transcript that has been judged: every action came to what it had to.
pub fn read(program: &CountProgram, transcript: &Transcript) -> Result<Reading, ReadingError> {
    Ok(Reading {
        hooks: listed(transcript, program.agent_hooks, program.null_hooks)?,
        counts: read_counts(&program.counts, transcript)?,
    })
}

/// The agent's hooks, which those of the null programs must be.
pub(super) fn listed(
    transcript: &Transcript,
    agent_hooks: usize,
    null_hooks: usize,
) -> Result<Vec<String>, ReadingError> {
    let agent: LsmHooks = printed(transcript, agent_hooks, "hooks")?;
    let null: LsmHooks = printed(transcript, null_hooks, "hooks")?;
    if agent.hooks.is_empty() {
        return Err(ReadingError::NoHooks);
    }
    if agent.hooks != null.hooks {
        return Err(ReadingError::Hooks {
            agent: agent.hooks,
            null: null.hooks,
        });
    }
    Ok(agent.hooks)
}

/// The counts at these actions of a transcript that has been judged.
pub fn read_counts(
    counts: &[(Subject, usize)],
    transcript: &Transcript,
) -> Result<Vec<(Subject, Counts)>, ReadingError> {
    let read = |&(subject, index): &_| Ok((subject, printed(transcript, index, "counts")?));
    counts.iter().map(read).collect()
}

pub(super) fn printed<T: DeserializeOwned>(
    transcript: &Transcript,
    index: usize,
    what: &'static str,
) -> Result<T, ReadingError> {
    let foreign = |problem: String| ReadingError::Foreign {
        index,
        what,
        problem,
    };
    match transcript.records.get(index).map(|one| &one.observation) {
        Some(Observation::Ran { stdout, .. }) => {
            serde_json::from_str(stdout).map_err(|error| foreign(format!("{error}: {stdout:?}")))
        }
        other => Err(foreign(format!("{other:?}"))),
    }
}
