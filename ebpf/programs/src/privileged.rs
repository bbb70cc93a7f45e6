//! The kernel itself: tracing, modules, other kernels, BPF, mounts, user
//! namespaces.

use aegisbpf_abi::Operation;
use aya_ebpf::{macros::lsm, programs::LsmContext};

use crate::{ALLOW, DENY, config, decide, file, kernel::argument};

/// Of `mode` in `ptrace_access_check`: more than looking at `/proc`.
const PTRACE_MODE_ATTACH: u64 = 2;

/// Tracing another process, reading its memory, taking its descriptors.
#[lsm(hook = "ptrace_access_check")]
pub fn ptrace_access_check(context: LsmContext) -> i32 {
    if argument(&context, &config::ARG_PTRACE_MODE) & PTRACE_MODE_ATTACH == 0 {
        return ALLOW;
    }
    decide::domain(Operation::Ptrace)
}

/// Asking to be traced.
#[lsm(hook = "ptrace_traceme")]
pub fn ptrace_traceme(_context: LsmContext) -> i32 {
    decide::domain(Operation::Ptrace)
}

/// Reading a module or kernel from a file. Identifiers that this kernel does
/// not have are 0, which is no file of either kind.
#[lsm(hook = "kernel_read_file")]
pub fn kernel_read_file(context: LsmContext) -> i32 {
    let id = argument(&context, &config::ARG_READ_FILE_ID) & 0xffff_ffff;
    if id == 0 {
        ALLOW
    } else if id == config::ID_READING_MODULE.load()
        || id == config::ID_READING_MODULE_COMPRESSED.load()
    {
        decide::domain(Operation::ModuleLoad)
    } else if id == config::ID_READING_KEXEC.load() {
        decide::domain(Operation::Kexec)
    } else {
        ALLOW
    }
}

/// Loading a module or kernel from memory.
#[lsm(hook = "kernel_load_data")]
pub fn kernel_load_data(context: LsmContext) -> i32 {
    let id = argument(&context, &config::ARG_LOAD_DATA_ID) & 0xffff_ffff;
    if id == 0 {
        ALLOW
    } else if id == config::ID_LOADING_MODULE.load() {
        decide::domain(Operation::ModuleLoad)
    } else if id == config::ID_LOADING_KEXEC.load() {
        decide::domain(Operation::Kexec)
    } else {
        ALLOW
    }
}

/// The kernel asking for a module on behalf of a process.
#[lsm(hook = "kernel_module_request")]
pub fn kernel_module_request(_context: LsmContext) -> i32 {
    decide::domain(Operation::ModuleLoad)
}

/// `bpf(2)`.
#[lsm(hook = "bpf")]
pub fn bpf(_context: LsmContext) -> i32 {
    decide::domain(Operation::Bpf)
}

/// Mounting, bind mounts and remounts included.
#[lsm(hook = "sb_mount")]
pub fn sb_mount(context: LsmContext) -> i32 {
    if decide::domain(Operation::Mount) != ALLOW {
        return DENY;
    }
    file::mounted_over(&context, &config::ARG_MOUNT_PATH)
}

/// Moving a mount, and attaching one that was made by the newer calls.
#[lsm(hook = "move_mount")]
pub fn move_mount(context: LsmContext) -> i32 {
    if decide::domain(Operation::Mount) != ALLOW {
        return DENY;
    }
    file::mounted_over(&context, &config::ARG_MOVE_MOUNT_TO)
}

/// Unmounting.
#[lsm(hook = "sb_umount")]
pub fn sb_umount(_context: LsmContext) -> i32 {
    decide::domain(Operation::Mount)
}

/// Changing the root.
#[lsm(hook = "sb_pivotroot")]
pub fn sb_pivotroot(_context: LsmContext) -> i32 {
    decide::domain(Operation::Mount)
}

/// Making a user namespace; kernels before 6.1 do not ask.
#[lsm(hook = "userns_create")]
pub fn userns_create(_context: LsmContext) -> i32 {
    decide::domain(Operation::UserNamespace)
}
