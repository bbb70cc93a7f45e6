//! What must be observed of one action. It stays on the host: the guest is
//! told what to do, never what should come of it.

use std::fmt;

use harness_proto::{Action, CellProgram, Exit};
use scenarios::{
    Expect,
    schema::{Errno, LinksExpect, Lost},
};
use serde::Serialize;
use serde_json::Value;

use crate::{ability::Ability, adapter::Ledger, outcome::FailCode};

/// A scenario as a program, with what must be observed of each action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Program {
    /// In order.
    pub actions: Vec<PlannedAction>,
    /// What of the scenario is not looked at, because the agent has no such
    /// thing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// No agent is held against the scenario: whatever one must refuse has to be
    /// allowed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub idle: bool,
}

/// A step, or a part of one, that an agent cannot be held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Index of the step.
    pub step: usize,
    /// What the agent lacks for it.
    pub lacks: Ability,
    /// The fields of an event that are not looked at; all, if none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// As in "without …".
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}", self.step + 1, self.lacks)?;
        if !self.fields.is_empty() {
            write!(f, " ({})", self.fields.join(", "))?;
        }
        Ok(())
    }
}

impl Program {
    /// With nothing left out.
    pub const fn of(actions: Vec<PlannedAction>) -> Self {
        Self {
            actions,
            left_out: Vec::new(),
            idle: false,
        }
    }

    /// About how many seconds it takes on a slow host, for sharing cells out.
    pub fn cost(&self) -> u64 {
        let storms = self.actions.iter().map(|planned| match &planned.action {
            Action::Storm(storm) => storm.deadline_ms / 6_000,
            _ => 0,
        });
        2 + storms.sum::<u64>()
    }
}

/// One action and what must be observed of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedAction {
    /// What the guest does.
    pub action: Action,
    /// What must come of it.
    pub expectation: Expectation,
    /// Why it is done.
    pub phase: Phase,
    /// Index of the scenario's step that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
}

/// Why an action is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Makes what the scenario needs.
    Setup,
    /// Shows that a probe is allowed without the agent.
    Control,
    /// A step of the scenario.
    Steps,
    /// Shows that a probe is allowed again without its rule.
    Negative,
    /// Shows that nothing of the agent stays behind.
    Release,
}

/// What must be observed of one action.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// It was done; if not, this is to blame.
    Done(Blame),
    /// The kernel's verdict.
    Verdict(Expect),
    /// The kernel refuses with one of these errnos.
    DeniedWith(Vec<Errno>),
    /// The agent is ready.
    Ready {
        /// The exit status that tells of the verifier.
        verifier_exit: Option<i32>,
    },
    /// The agent exits before it is ready.
    Refused {
        /// With this status.
        exit: i32,
        /// Having said this on standard error.
        says: String,
    },
    /// The process ended.
    Ended {
        /// Like this.
        exit: Exit,
        /// Having said this on standard error.
        says: Option<String>,
    },
    /// So many events matched.
    Events {
        /// At least.
        at_least: u64,
        /// At most.
        at_most: Option<u64>,
    },
    /// The last line that matched holds this.
    Answer(Value),
    /// The command ended like this.
    Ran {
        /// With this status.
        exit: i32,
        /// Its output is JSON that holds this.
        prints: Option<Value>,
        /// It says this on standard error.
        says: String,
        /// What it is otherwise.
        otherwise: FailCode,
    },
    /// These fields are as the same command printed them before.
    Unchanged(Vec<String>),
    /// The agent's account of its events adds up.
    Account {
        /// Where it is.
        ledger: Ledger,
        /// How many processes gave it, one after the other.
        processes: usize,
        /// How many events there should have been.
        attempts: u64,
        /// Whether some were lost.
        lost: Lost,
    },
    /// Every open of a storm was refused, in every round.
    Storm {
        /// With this errno.
        errno: Errno,
        /// The storm has so many rounds.
        rounds: u32,
        /// The denials that were reported name at least so many policies.
        generations: u64,
    },
    /// Every probe of a soak came to what it had to, and every event is accounted
    /// for.
    Soak {
        /// Of each probe of the load, whether it must be denied.
        denied: Vec<bool>,
        /// How many were denied before.
        before: u64,
        /// Where the agent accounts for them.
        ledger: Ledger,
    },
    /// So many attempts came to something: the model says to what they had to.
    Batched {
        /// How many.
        attempts: usize,
    },
    /// Of the kernel's BPF links.
    Links(LinksExpect),
}

/// Who is to blame when something that must be done cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The proving ground or the scenario.
    Harness,
    /// The agent: it is not there to be signalled, for instance.
    Agent,
}

impl Program {
    /// What the guest is given.
    pub fn for_guest(&self) -> CellProgram {
        CellProgram {
            actions: self
                .actions
                .iter()
                .map(|planned| planned.action.clone())
                .collect(),
        }
    }

    /// Whether the agent is started and expected to get ready: such cells are
    /// the ones whose duration is summarised.
    pub fn starts_agent(&self) -> bool {
        self.actions
            .iter()
            .any(|planned| matches!(planned.expectation, Expectation::Ready { .. }))
    }
}
