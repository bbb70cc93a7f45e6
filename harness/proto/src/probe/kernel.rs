//! What is done to the kernel and to other processes.
//!
//! Where a success would change the machine, what is asked for is nonsense:
//! an undisturbed kernel refuses it with an errno of its own, which the
//! documentation names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something to the kernel or to another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KernelProbe {
    /// `PTRACE_ATTACH` to a process of the probe's.
    PtraceAttach,
    /// `PTRACE_SEIZE` of one.
    PtraceSeize,
    /// `PTRACE_TRACEME` by one.
    PtraceTraceme,
    /// `process_vm_readv(2)` of one.
    ProcessVmRead,
    /// `process_vm_writev(2)` of one.
    ProcessVmWrite,
    /// Opening `/proc/PID/mem` of one.
    ProcessMemory,
    /// `pidfd_getfd(2)` of its standard input.
    PidfdGetfd,
    /// `init_module(2)` of no module: `ENOEXEC`.
    InitModule,
    /// `finit_module(2)` of no module: `ENOEXEC`.
    FinitModule,
    /// `kexec_load(2)` of too many segments: `EINVAL`.
    KexecLoad,
    /// `kexec_file_load(2)` of no kernel: `ENOEXEC`.
    KexecFileLoad,
    /// `bpf(2)`: make a map.
    BpfMap,
    /// `bpf(2)`: load a program.
    BpfProgram,
    /// `unshare(2)` with `CLONE_NEWUSER`.
    UnshareUser,
    /// `clone(2)` with `CLONE_NEWUSER`.
    CloneUser,
}
