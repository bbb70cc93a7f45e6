//! What this command line's exit codes mean.
//!
//! A task returns `anyhow::Result<ExitCode>`. An error exits with
//! [`ExitCode::Failed`] unless somewhere in its chain a code was attached:
//!
//! ```
//! use xtask::exit_code::{ExitCode, OrExit};
//!
//! fn read() -> anyhow::Result<String> {
//!     std::fs::read_to_string("/no/such/file").or_exit(ExitCode::Infrastructure)
//! }
//! assert_eq!(ExitCode::of(&read().unwrap_err()), ExitCode::Infrastructure);
//! ```

use std::error::Error;
use std::fmt;

/// The exit codes of every `cargo xtask` command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All that was asked for was done and, where something was judged, passed.
    Ok = 0,
    /// Something that was judged failed: a cell, a test, a check.
    Failed = 1,
    /// The command line or a file given by the user makes no sense.
    Usage = 2,
    /// Nothing was judged, or not all of it, because a download, a tool, a
    /// virtual machine or the disk failed.
    Infrastructure = 3,
    /// Something was measured, but not surely enough to judge it.
    Inconclusive = 4,
    /// Interrupted by the user; what was finished is on disk.
    Interrupted = 130,
}

impl ExitCode {
    /// The code an error asks for: the outermost attached one.
    pub fn of(error: &anyhow::Error) -> Self {
        error
            .chain()
            .find_map(|cause| cause.downcast_ref::<Coded>())
            .map_or(Self::Failed, |coded| coded.code)
    }

    /// The code for several stages together. A failure outranks what is
    /// inconclusive and trouble with the infrastructure, because it is a
    /// result; an interruption outranks all, because the rest is unknown.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let rank = |code| match code {
            Self::Ok => 0,
            Self::Infrastructure => 1,
            Self::Inconclusive => 2,
            Self::Failed => 3,
            Self::Usage => 4,
            Self::Interrupted => 5,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// Attaches an exit code to whatever went wrong.
pub trait OrExit<T> {
    /// The same error with `code` attached; its text does not change.
    fn or_exit(self, code: ExitCode) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, code: ExitCode) -> anyhow::Result<T> {
        self.map_err(|error| {
            Coded {
                code,
                error: error.into(),
            }
            .into()
        })
    }
}

/// An error that knows its exit code and otherwise looks like itself.
#[derive(Debug)]
struct Coded {
    code: ExitCode,
    error: anyhow::Error,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Coded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Skips the wrapped error itself: `Display` has already shown it.
        self.error.source()
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn an_error_without_a_code_is_a_failure() {
        assert_eq!(ExitCode::of(&anyhow!("x")), ExitCode::Failed);
    }

    #[test]
    fn the_outermost_code_wins_and_survives_context() {
        let inner: anyhow::Result<()> = Err(anyhow!("inner")).or_exit(ExitCode::Infrastructure);
        let outer = inner
            .context("middle")
            .or_exit(ExitCode::Usage)
            .context("outer")
            .unwrap_err();
        assert_eq!(ExitCode::of(&outer), ExitCode::Usage);
    }

    #[test]
    fn attaching_a_code_does_not_change_the_text() {
        let plain = || anyhow!("root").context("top");
        let coded = Err::<(), _>(plain()).or_exit(ExitCode::Usage).unwrap_err();
        assert_eq!(format!("{coded:#}"), format!("{:#}", plain()));
    }

    #[test]
    fn a_failure_outranks_infrastructure_in_any_order() {
        let (failed, infra) = (ExitCode::Failed, ExitCode::Infrastructure);
        assert_eq!(failed.and(infra), failed);
        assert_eq!(infra.and(failed), failed);
        assert_eq!(ExitCode::Ok.and(infra), infra);
        let unsure = ExitCode::Inconclusive;
        assert_eq!((unsure.and(failed), infra.and(unsure)), (failed, unsure));
    }
}
