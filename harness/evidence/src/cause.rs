//! Why a claim does not stand. None of these is ever a pass.

use std::fmt;

use serde::Serialize;

use crate::{digest::Identity, moment::Age};

/// Why evidence does not show what it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "cause")]
pub enum Cause {
    /// The bundle has no such evidence.
    Missing {
        /// Why the collector could not have it, if it said so.
        why: Option<String>,
    },
    /// It is older than the checklist lets it be.
    Stale {
        /// Its age.
        age: Age,
        /// What the checklist allows.
        most: Age,
    },
    /// It says that it was made later than now.
    FromTheFuture {
        /// How much later.
        by: Age,
    },
    /// It is about another build, policy, commit …
    OtherDigest {
        /// Of which subject.
        subject: String,
        /// What is to be released.
        expected: Identity,
        /// What the evidence is about.
        found: Identity,
    },
    /// Nothing says which build, policy, commit … it is about.
    Unbound {
        /// Of which subject.
        subject: String,
    },
    /// It is about sources that no commit has.
    Uncommitted {
        /// Which subject.
        subject: String,
    },
    /// It cannot be read as what it should be.
    Unparsable {
        /// Where and why.
        why: String,
    },
    /// It says neither yes nor no.
    Inconclusive {
        /// What is unsure.
        why: String,
    },
    /// It says no.
    Failed {
        /// What failed.
        why: String,
    },
    /// It is not signed as it has to be.
    Untrusted {
        /// What is wrong with the signatures.
        why: String,
    },
    /// The checklist names nothing that would show it.
    NoPredicate,
}

impl Cause {
    /// Its name in reports and in tests.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Stale { .. } => "stale",
            Self::FromTheFuture { .. } => "from-the-future",
            Self::OtherDigest { .. } => "other-digest",
            Self::Unbound { .. } => "unbound",
            Self::Uncommitted { .. } => "uncommitted",
            Self::Unparsable { .. } => "unparsable",
            Self::Inconclusive { .. } => "inconclusive",
            Self::Failed { .. } => "failed",
            Self::Untrusted { .. } => "untrusted",
            Self::NoPredicate => "no-predicate",
        }
    }

    pub(crate) fn unparsable(why: impl fmt::Display) -> Self {
        Self::Unparsable {
            why: why.to_string(),
        }
    }

    pub(crate) fn inconclusive(why: impl Into<String>) -> Self {
        Self::Inconclusive { why: why.into() }
    }

    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into() }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code())?;
        match self {
            Self::Missing { why: Some(why) }
            | Self::Unparsable { why }
            | Self::Inconclusive { why }
            | Self::Failed { why }
            | Self::Untrusted { why } => write!(f, ": {why}"),
            Self::Missing { why: None } => write!(f, ": the bundle does not have it"),
            Self::Stale { age, most } => write!(f, ": {age} old, at most {most} is allowed"),
            Self::FromTheFuture { by } => write!(f, ": made {by} from now"),
            Self::OtherDigest {
                subject,
                expected,
                found,
            } => write!(
                f,
                ": about {subject} {}, but {} is to be released",
                found.short(),
                expected.short()
            ),
            Self::Unbound { subject } => write!(f, ": nothing says which {subject} it is about"),
            Self::Uncommitted { subject } => {
                write!(f, ": {subject} has changes that are not committed")
            }
            Self::NoPredicate => write!(f, ": the checklist names no evidence for it"),
        }
    }
}
