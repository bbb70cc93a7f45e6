//! One thing that set-up makes sure of.

use anyhow::Result;

use crate::progress::Stage;

/// Something the project needs on the machine.
pub trait Step {
    /// As people see it.
    fn name(&self) -> &'static str;

    /// Looks, and changes nothing.
    fn check(&self) -> Result<State>;

    /// Puts it there, or says what a person has to do; [`Step::check`] said it
    /// was missing.
    fn install(&self, stage: &Stage) -> Result<State>;
}

/// Whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It can be used.
    Present {
        /// Version and place, for people.
        detail: String,
    },
    /// It is not there, or cannot be trusted.
    Missing {
        /// What was looked at and found wanting.
        why: String,
        /// What a person can do about it, preferably one line to copy.
        remedy: String,
    },
}

impl State {
    /// It is there.
    pub fn present(detail: impl Into<String>) -> Self {
        Self::Present {
            detail: detail.into(),
        }
    }

    /// It is not there.
    pub fn missing(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Missing {
            why: why.into(),
            remedy: remedy.into(),
        }
    }
}
