//! What can be asked and answered.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    exit_code::ExitCode,
    held::Held,
    hex::Hex,
    history::{Entry, State},
    policy::lint::Finding,
};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Bring a policy into force.
    Apply(Apply),
    /// Keep the policy that waits to be confirmed.
    Confirm,
    /// Go back to a policy that was applied once: by the beginning of its
    /// digest, or else the one before.
    Rollback {
        /// The beginning of its digest.
        to: Option<String>,
    },
    /// Forget the stored policy: the next start reads the policy file.
    Reset,
    /// What is stored.
    Status,
    /// How the daemon is.
    Health,
    /// Every entry.
    History,
    /// The text of the current policy, or of one that was applied once.
    Text {
        /// The beginning of its digest.
        of: Option<String>,
    },
}

/// A policy that is to come into force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// Its text.
    pub text: String,
    /// What the text is called in messages.
    pub name: String,
    /// The signature file.
    pub signature: Option<String>,
    /// The digest it must have.
    pub sha256: Option<Hex<32>>,
    /// Seconds after which it is taken back unless it was confirmed.
    pub confirm_within: Option<u64>,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Response {
    /// It is done, or, for a dry run, would be.
    Applied(Applied),
    /// It is recorded.
    Done(Box<Entry>),
    /// What is stored.
    Status(Box<State>),
    /// How the daemon is.
    Health(Box<DaemonHealth>),
    /// Every entry.
    History(Vec<Entry>),
    /// A text.
    Text(String),
    /// Nothing was changed.
    Refused(Refusal),
}

/// A policy that came into force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// Digest of its canonical form.
    pub policy: Option<Hex<32>>,
    /// The generation that decides; absent when it waits for the next start.
    pub generation: Option<u64>,
    /// What is not quite right with it.
    pub warnings: Vec<Finding>,
    /// Seconds since 1970, after which it is taken back unless confirmed.
    pub confirm_by: Option<u64>,
    /// Descriptors that were open already; absent when it waits for the next
    /// start.
    pub held: Option<Held>,
    /// Of a dry run.
    pub rehearsal: Option<Rehearsal>,
}

/// What only the daemon knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonHealth {
    /// How often it tries its canary; absent for never.
    pub canary_every_ms: Option<u64>,
    /// Why it is degraded.
    pub degraded: Option<String>,
    /// Descriptors that were open when the policy came into force.
    pub held: Held,
}

/// What a dry run found out about a policy that would be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rehearsal {
    /// About so much memory its maps would take, beside that of the policy in
    /// force until the switch.
    pub map_bytes: u64,
    /// The hooks that it needs.
    pub hooks: Vec<String>,
    /// Whether the kernel was asked for its hooks and objects; without a
    /// daemon it is not.
    pub kernel_asked: bool,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The exit status that says it.
    pub code: ExitCode,
    /// For people.
    pub reason: String,
}

impl Refusal {
    /// Because of this.
    pub fn new(code: ExitCode, reason: impl fmt::Display) -> Self {
        let reason = reason.to_string();
        Self { code, reason }
    }

    /// Because of the policy.
    pub fn policy(reason: impl fmt::Display) -> Self {
        Self::new(ExitCode::PolicyRefused, reason)
    }
}
