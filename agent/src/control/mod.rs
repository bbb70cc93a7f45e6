//! The one writer of policies: the daemon, asked over a Unix socket; or, where
//! none runs, the command line under the daemon's lock, for the next start.
//!
//! | module | holds |
//! | --- | --- |
//! | [`deadline`] | until when a policy must be confirmed |
//! | [`message`] | what can be asked and answered |
//! | [`writer`] | what becomes of it; pure over its file system and enforcer |
//! | [`socket`] | the socket, on both sides |

pub mod deadline;
pub mod message;
pub mod socket;
pub mod writer;

pub use deadline::Deadline;
pub use message::{Applied, Apply, DaemonHealth, Refusal, Rehearsal, Request, Response};
pub use writer::{Enforce, NextStart, Rules, Writer};
