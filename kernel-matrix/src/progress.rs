//! What is being done, for someone who watches.

/// Watches what is done. Called from the thread that does it.
pub trait Progress: Sync {
    /// `subject` is now at this step.
    fn update(&self, subject: &str, step: &Step<'_>);
}

/// A step of making something available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Another process works on the same thing.
    Waiting,
    /// So many bytes of so many are here; called often.
    Downloading {
        /// Bytes that are here.
        done: u64,
        /// Bytes that there are.
        total: u64,
    },
    /// The download broke off and is tried again.
    Retrying {
        /// Why.
        reason: &'a str,
    },
    /// The digest is computed.
    Verifying,
    /// The package is unpacked.
    Unpacking,
    /// It is there.
    Ready,
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn update(&self, _: &str, _: &Step<'_>) {}
}
