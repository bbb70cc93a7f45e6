//! What AegisBPF's kernel programs and its agent agree on.
//!
//! | module | holds |
//! | --- | --- |
//! | [`names`] | names of maps, globals and programs |
//! | [`key`] | keys and values of the rule maps |
//! | [`verdict`] | the pure functions that decide; both sides and every test use these |
//! | [`event`] | the record a program leaves in a ring buffer |
//! | [`counter`] | what is counted in the kernel |
//!
//! Every type that crosses the boundary is `repr(C)`, made of plain integers
//! without padding, so that any bytes are a valid value and every byte is
//! defined.
#![no_std]
#![expect(
    clippy::inline_always,
    reason = "calls between BPF functions are limited and cost more than these bodies"
)]

pub mod counter;
pub mod event;
pub mod key;
pub mod names;
#[cfg(feature = "user")]
mod pod;
pub mod verdict;

pub use counter::Counter;
pub use event::{Event, Operation, TEXT_LENGTH};
pub use key::{
    AddressKey, FileRules, Meta, NAME_LENGTH, ObjectKey, PORT_RANGES, PlaceKey, PortRange,
    PortRules, RuleRef,
};
pub use verdict::{Mode, Verdict};

/// Changes whenever a type here, a map or the meaning of one changes. Stored
/// with the pinned state; an agent adopts only state of its own number.
pub const ABI_VERSION: u32 = 1;
