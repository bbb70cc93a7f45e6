//! What the harness and its guest say to each other.
//!
//! | module | holds |
//! | --- | --- |
//! | [`probe`] | one action whose verdict is asked for, and the verdict |
//! | [`action`] | what the guest can be told to do |
//! | [`observation`] | what it saw |
//! | [`fault`] | what goes wrong around an agent |
//! | [`soak`] | a mixed load for a long time |
//! | [`batch`] | many attempts in a row |
//! | [`hosted`] | an agent that does not speak these lines itself |
//! | [`storm`] | opening without pause while the agent is busy |
//! | [`message`] | the messages of both directions |
//! | [`count`] | what the counting bench asks for, and what came of it |
//! | [`wire`] | one message as one checked line on a serial port |
//!
//! The guest executes and observes; it never judges. Expectations stay on the
//! host, so a broken guest cannot turn a failure into a pass.

pub mod action;
pub mod batch;
pub mod count;
pub mod fault;
pub mod hosted;
pub mod message;
pub mod observation;
pub mod probe;
pub mod soak;
pub mod storm;
pub mod wire;

pub use action::{Action, Blank, CellProgram, Lookup};
pub use batch::{Attempt, Batch, Batched, Item, World};
pub use fault::Fault;
pub use message::{Facts, Feature, GuestMessage, HostMessage, LogStream};
pub use observation::{BpfLink, Exit, Observation};
pub use probe::{Access, FloodedFile, Hold, Probe, RunAs, Task, Transport, Verdict};
pub use soak::{Soak, Soaked};
pub use storm::{Decided, Opens, Round, Storm, Stormed};

/// Raised whenever a message changes its meaning or shape. Host and guest are
/// built together; a difference means a stale initramfs and is an error.
pub const PROTOCOL_VERSION: u32 = 9;

/// What the guest's disk in memory is to hold.
pub const DISK_IMAGE: &str = "/disk.img";
/// That disk, where the kernel can have one.
pub const RAM_DISK: &str = "/dev/ram0";
/// Where the guest finds the programs of the cells: `<CELLS_DIR>/<cell>.json`.
pub const CELLS_DIR: &str = "/cells";
/// Where the guest finds the probe executable.
pub const PROBE_PATH: &str = "/bin/probe";
/// Where the guest keeps the mount namespaces of a cell, by name.
pub const MOUNT_NAMESPACES_DIR: &str = "/run/mount-namespaces";
/// The serial port that carries the messages; the console is `/dev/ttyS0`.
pub const CONTROL_PORT: &str = "/dev/ttyS1";
/// On the kernel's command line it makes the guest show no type information,
/// as if its kernel were built without.
pub const HIDE_BTF: &str = "aegis.hide_btf";
/// The exit status of `probe noop`: an executed copy of the probe proves with
/// it that it was this program that ran.
pub const NOOP_EXIT_STATUS: i32 = 42;

/// A number that looks random, the same for the same seed: the finaliser of
/// SplitMix64.
pub const fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
