//! What can become of a cell. Never a bool: a cell that could not be judged
//! must not look like one that was.

use std::fmt;

use kernel_matrix::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ability::Ability;

/// What became of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// Everything that had to be observed was, and the guest finished.
    Passed,
    /// The agent or the kernel did something else than the scenario says.
    Failed {
        /// Which kind of failure.
        code: FailCode,
        /// What was expected and what was seen.
        reason: String,
    },
    /// Decided in the plan, before anything booted.
    Skipped {
        /// What is missing.
        reason: SkipReason,
    },
    /// Could not be judged.
    Infra {
        /// What failed instead.
        code: InfraCode,
        /// How, and what to do.
        reason: String,
    },
    /// The run was interrupted before it ended.
    NotRun,
}

/// The names of the outcomes in reports.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// See [`Outcome::Passed`].
    Passed,
    /// See [`Outcome::Failed`].
    Failed,
    /// See [`Outcome::Skipped`].
    Skipped,
    /// See [`Outcome::Infra`].
    Infra,
    /// See [`Outcome::NotRun`].
    NotRun,
}

/// The kinds of failure.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FailCode {
    /// A probe was allowed that must be denied.
    NotDenied,
    /// A probe was denied, but not as the scenario says.
    WrongErrno,
    /// A probe was denied that must be allowed.
    UnexpectedDeny,
    /// A probe that must be denied was not even allowed without the agent.
    ControlFailed,
    /// A probe was still denied after its rule was removed.
    NegativeFailed,
    /// A probe could not do its work.
    ProbeBroken,
    /// The agent, or a command of it, ended when or how it should not have.
    AgentExit,
    /// The agent did not get ready in time.
    AgentNotReady,
    /// The kernel's verifier refused a program of the agent.
    Verifier,
    /// An event that must be reported was not.
    EventMissing,
    /// An event was reported that must not be.
    EventUnexpected,
    /// What the agent says of its events does not add up: something was
    /// neither delivered nor counted as lost.
    Accounting,
    /// Something of the agent grows with time.
    Growth,
    /// The agent says something else of its state than is the case.
    StateMismatch,
    /// BPF links were left behind.
    LeftoverLinks,
    /// A restarted agent did not take over what was in force.
    Adoption,
    /// A new policy was not treated as the scenario says.
    Reload,
    /// The kernel died.
    KernelPanic,
    /// The kernel reported a bug of its own.
    KernelSplat,
    /// Something took longer than its deadline.
    Timeout,
    /// The machine ended before the cell did.
    GuestDied,
    /// The guest's account of the cell is incomplete or of another cell.
    BadFinal,
    /// The kernel can do more or less than the matrix says.
    CapabilityMismatch,
    /// A cell that must run would have been skipped.
    UnexpectedSkip,
}

/// What can fail instead of a cell.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum InfraCode {
    /// QEMU could not be started.
    QemuStart,
    /// The kernel did not get to user space, or the guest not to its runner.
    Boot,
    /// QEMU crashed, or something on the host ended it, as the system does when
    /// memory is short.
    QemuDied,
    /// The machine could not be saved or restored.
    Snapshot,
    /// A file for the guest is missing or unusable.
    Artefact,
    /// The kernel's image could not be had.
    KernelImage,
    /// Something could not be written.
    Disk,
    /// The proving ground's own mistake, or a scenario's.
    Harness,
}

/// Why a cell is not run. Always something missing, of the kernel or of the
/// agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "code", content = "what")]
pub enum SkipReason {
    /// The kernel, booted this way, cannot do what the scenario needs.
    MissingCapability(Capability),
    /// The scenario is about the absence of what this kernel can do.
    CapabilityPresent(Capability),
    /// The agent has no such thing.
    AgentCannot(Ability),
}

impl Outcome {
    /// Which of the five it is.
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Passed => OutcomeKind::Passed,
            Self::Failed { .. } => OutcomeKind::Failed,
            Self::Skipped { .. } => OutcomeKind::Skipped,
            Self::Infra { .. } => OutcomeKind::Infra,
            Self::NotRun => OutcomeKind::NotRun,
        }
    }

    /// The kind of failure, trouble or skip.
    pub fn code(&self) -> Option<String> {
        match self {
            Self::Passed | Self::NotRun => None,
            Self::Failed { code, .. } => Some(code.to_string()),
            Self::Infra { code, .. } => Some(code.to_string()),
            Self::Skipped { reason } => Some(reason.code().into()),
        }
    }

    /// The reason in words.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Passed | Self::NotRun => None,
            Self::Failed { reason, .. } | Self::Infra { reason, .. } => Some(reason.clone()),
            Self::Skipped { reason } => Some(reason.to_string()),
        }
    }

    /// Shorthand.
    pub fn failed(code: FailCode, reason: impl Into<String>) -> Self {
        Self::Failed {
            code,
            reason: reason.into(),
        }
    }

    /// Shorthand.
    pub(crate) fn infra(code: InfraCode, reason: impl Into<String>) -> Self {
        Self::Infra {
            code,
            reason: reason.into(),
        }
    }
}

impl SkipReason {
    /// The code of [`Self::AgentCannot`].
    pub const NOT_EXPRESSIBLE: &'static str = "not-expressible";

    /// The kind of reason in reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingCapability(_) => "missing-capability",
            Self::CapabilityPresent(_) => "capability-present",
            Self::AgentCannot(_) => Self::NOT_EXPRESSIBLE,
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingCapability(what) => write!(f, "the kernel lacks {what}"),
            Self::CapabilityPresent(what) => {
                write!(f, "about the absence of {what}, which the kernel has")
            }
            Self::AgentCannot(what) => write!(f, "not expressible: the agent has no {what}"),
        }
    }
}

/// Shown as in reports: a unit variant serialises into a formatter as its name.
macro_rules! display_as_serialised {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        }
    )*};
}
display_as_serialised!(OutcomeKind, FailCode, InfraCode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_text_and_in_json_are_the_same() {
        assert_eq!(FailCode::UnexpectedSkip.to_string(), "unexpected-skip");
        assert_eq!(OutcomeKind::NotRun.to_string(), "not_run");
        let skip = SkipReason::MissingCapability(Capability::BpfLsm);
        let json = serde_json::to_value(skip).unwrap();
        assert_eq!(json["code"], skip.code());
        let outcome = Outcome::Skipped { reason: skip };
        let json = serde_json::to_value(&outcome).unwrap();
        assert_eq!(json["outcome"], outcome.kind().to_string());
        assert_eq!(serde_json::from_value::<Outcome>(json).unwrap(), outcome);
    }
}
