//! An error that says what was tried.

use std::io;

use thiserror::Error;

/// Something that the operating system refused.
#[derive(Debug, Error)]
#[error("{attempt}: {source}")]
pub struct AttemptError {
    /// What was tried, with the file or command.
    pub attempt: String,
    /// What came of it.
    pub source: io::Error,
}

/// Says what was tried when it fails.
pub trait Attempt<T> {
    /// `attempt` is called only on failure.
    fn attempt(self, attempt: impl FnOnce() -> String) -> Result<T, AttemptError>;
}

impl<T, E: Into<io::Error>> Attempt<T> for Result<T, E> {
    fn attempt(self, attempt: impl FnOnce() -> String) -> Result<T, AttemptError> {
        self.map_err(|error| AttemptError {
            attempt: attempt(),
            source: error.into(),
        })
    }
}
