//! What AegisBPF's kernel programs and its agent agree on.
//!
//! | module | holds |
//! | --- | --- |
//! | [`names`] | names of maps, globals and programs |
//! | [`operation`] | what can be tried |
//! | [`file`] | what the agent is told of a file that it asks about |
//! | [`key`] | keys of the rule maps, and the lists found under them |
//! | [`rule`] | rules and subjects |
//! | [`active`] | the word that says which policy decides |
//! | [`verdict`] | the pure functions that decide; both sides and every test use these |
//! | [`event`] | the record a program leaves in a ring buffer |
//! | [`counter`] | what is counted in the kernel |
//!
//! Every type that crosses the boundary is `repr(C)`, made of plain integers
//! without padding, so that any bytes are a valid value and every byte is
//! defined.
#![no_std]
#![expect(
    clippy::cast_possible_truncation,
    reason = "parts are taken out of words that hold several"
)]
#![expect(
    clippy::inline_always,
    reason = "calls between BPF functions are limited and cost more than these bodies"
)]

#[cfg(test)]
extern crate std;

pub mod active;
pub mod counter;
pub mod event;
pub mod file;
pub mod key;
pub mod names;
pub mod operation;
#[cfg(feature = "user")]
mod pod;
pub mod rule;
pub mod verdict;

pub use active::Active;
pub use counter::{Counter, Tenant};
pub use event::{Event, TEXT_LENGTH};
pub use file::FileFacts;
pub use key::{Key, LIST_LENGTH, NAME_LENGTH, NameHash, Reference, Role, RuleList};
pub use operation::{Domain, Operation, Operations};
pub use rule::{Effect, Rule, SUBJECTS, Subject, Subjects};
pub use verdict::Mode;

/// Changes whenever a type here, a map or the meaning of one changes. Stored
/// with the pinned state; an agent adopts only state of its own number.
pub const ABI_VERSION: u32 = 3;

/// What the pinned state is, kept beside it: enough to adopt it after a
/// restart, or to see that it cannot be.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// [`ABI_VERSION`] of the agent that wrote it.
    pub abi: u32,
    /// 1 when it decides in BPF LSM hooks, 2 when it only watches tracepoints.
    pub mechanism: u32,
    /// [`Mode`] of each domain, by its number.
    pub modes: [u32; 4],
    /// Rules of the policy.
    pub rules: u32,
    /// Always 0.
    pub reserved: u32,
    /// The hooks it needs, a bit for each of the loader's table.
    pub hooks: u64,
    /// SHA-256 over the map image: rules, resolved objects, modes.
    pub digest: [u8; 32],
}
