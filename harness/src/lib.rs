//! Boots kernels in QEMU and judges what an agent does in them.
//!
//! The flow, in the order of the modules:
//!
//! | module | holds | pure |
//! | --- | --- | --- |
//! | [`cell`] | scenario × kernel × boot mode × agent, and its names | yes |
//! | [`plan`] | which cells run and which are skipped, and why | yes |
//! | [`ability`] | what agents differ in | yes |
//! | [`adapter`] | how an agent is configured, started and asked | yes |
//! | [`expand`] | a scenario as a program for the guest, with its teeth | yes |
//! | [`initramfs`] | the archive that the guest boots from | |
//! | [`accel`] | KVM where it really works, else TCG | |
//! | [`vm`] | machines: QEMU, and what a machine is to the rest | |
//! | [`boot`] | from a kernel to a snapshot that is ready for cells | over [`vm`] |
//! | [`shell`] | a shell in the guest, for a person | over [`expectation`] |
//! | [`session`] | one cell's conversation with the guest | over [`vm`] |
//! | [`judge`] | the outcome of a cell | yes |
//! | [`outcome`] | what can become of a cell | yes |
//! | [`run`] | all cells on several workers, written down as they end | |
//! | [`report`] | what people and machines read afterwards | yes |
//! | [`count`] | the counting bench: one boot, each agent in turn | but for the boot |
//! | [`capacity`] | as many rules as an agent takes, and one more | yes |
//! | [`model`] | many cases of the model in one machine | yes |
//! | [`powercut`] | the power is cut while a policy is applied | but for the boots |
//! | [`soak`] | a mixed load for a long time | yes |
//! | [`atomic`] | files that exist whole or not at all | |
//! | [`room`] | what to do when there is no room to write | yes |
//! | [`interrupt`] | Ctrl-C | |

pub mod ability;
pub mod accel;
pub mod adapter;
pub mod atomic;
pub mod boot;
pub mod capacity;
pub mod cell;
pub mod count;
pub mod expand;
pub mod expectation;
pub mod initramfs;
pub mod interrupt;
pub mod judge;
pub mod model;
pub mod outcome;
pub mod plan;
pub mod powercut;
pub mod report;
pub mod room;
pub mod run;
pub mod session;
pub mod shell;
pub mod soak;
pub mod vm;

#[cfg(test)]
mod fake;

pub use adapter::{Adapter, AegisBpf, Null};
pub use cell::{Cell, Group};
pub use outcome::{FailCode, InfraCode, Outcome, SkipReason};
pub use plan::{Decision, Plan, PlannedCell};
