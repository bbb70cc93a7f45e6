//! What the exit status says. Documented in the README; scripts rely on it.

use std::process;

use serde::{Deserialize, Serialize};

/// Every exit status of `aegisbpf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ExitCode {
    /// It did what was asked.
    Ok = 0,
    /// Something failed that should not: an I/O error, a bug.
    Internal = 1,
    /// The command line is wrong.
    Usage = 2,
    /// This kernel, as booted, cannot enforce the policy. Nothing was left
    /// attached.
    CannotEnforce = 3,
    /// The policy is wrong. Whatever was in force still is.
    PolicyRefused = 4,
    /// Another agent is running.
    AlreadyRunning = 5,
    /// Not healthy, or nothing to act on.
    Unhealthy = 6,
    /// The kernel's verifier refused a program; its log is on standard error.
    VerifierRefused = 7,
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
