//! The guest side of the harness: static executables in the initramfs.
//!
//! `guest-runner` is PID 1. It has one thread: whatever it waits for, it
//! waits in one `poll(2)` that also drains its children's output, so no child
//! ever blocks on a full pipe and no lock or race decides what was seen.
//!
//! | module | holds |
//! | --- | --- |
//! | [`boot`] | from the kernel's hand-over to a machine that is ready |
//! | [`port`] | the serial port that carries the messages |
//! | [`session`] | Hello, Start, one cell, Final |
//! | [`fresh`] | clock and randomness of a restored machine |
//! | [`execute`] | one action, one observation |
//! | [`fault`] | what goes wrong around an agent, and is put right |
//! | [`schedule`] | who gets the processor first |
//! | [`supervise`] | child processes, their output and their end |
//! | [`disk`] | mounting a disk that the kernel finds in its own time |
//! | [`files`] | making files and folders |
//! | [`world`] | the worlds that batches of attempts work in |
//! | [`lookup`] | what only this machine can know |
//! | [`listen`] | sockets that peers of a cell connect to |
//! | [`bpf`] | what the kernel itself says about BPF |
//! | [`probe`] | the work of the `probe` executable |
//! | [`workload`] | the work of the `workload` executable, which is counted |
//! | [`footprint`] | what an agent occupies |
//! | [`null_lsm`] | the work of the `null-lsm` executable: programs that do nothing |
//! | [`agent_host`] | the work of the `agent-host` executable: agents by their own commands |
//! | [`attempt`] | an error that says what was tried |

pub mod agent_host;
pub mod attempt;
pub mod boot;
pub mod bpf;
pub mod disk;
#[cfg(test)]
mod executable;
pub mod execute;
pub mod fault;
pub mod files;
pub mod footprint;
pub mod fresh;
pub mod listen;
pub mod lookup;
pub mod null_lsm;
pub mod port;
pub mod probe;
pub mod schedule;
pub mod session;
pub mod supervise;
pub mod workload;
pub mod world;
