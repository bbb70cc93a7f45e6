//! Tracepoints for kernels without BPF LSM, and without BTF. They report and
//! can deny nothing.
//!
//! They see names, not objects: a path is compared by its last component
//! here, and wholly by the agent. A path is read when the call returns,
//! because the page that holds it may not be present before.

use aegisbpf_abi::{
    Active, Counter, Effect, Event, Key, Operation, Reference, TEXT_LENGTH, event::PathHash,
    verdict::Decision,
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_probe_read_user_str},
    },
    macros::tracepoint,
    programs::TracePointContext,
};

use crate::{
    emit,
    maps::{IN_FLIGHT, InFlight, active, count, list},
    network::{SocketAddress, watch},
};

/// Offset of the arguments in `sys_enter` records; stable ABI of the kernel.
const ARGUMENTS: usize = 16;
/// Offset of `__data_loc filename` in `sched_process_exec` records.
const EXEC_FILE_NAME: usize = 8;
const AT_FDCWD: i64 = -100;

/// Aligned, so that it is copied by words.
#[repr(align(8))]
struct Path([u8; TEXT_LENGTH]);

impl Path {
    const EMPTY: Self = Self([0; TEXT_LENGTH]);
}

/// `open(2)`.
#[tracepoint]
pub fn enter_open(context: TracePointContext) -> u32 {
    remember(AT_FDCWD, syscall_argument(&context, 0));
    0
}

/// `openat(2)` and `openat2(2)`, which share their first two arguments.
#[tracepoint]
pub fn enter_openat(context: TracePointContext) -> u32 {
    let folder_fd = i64::from(syscall_argument(&context, 0) as i32);
    remember(folder_fd, syscall_argument(&context, 1));
    0
}

/// The return of any of them.
#[tracepoint]
pub fn exit_open(_context: TracePointContext) -> u32 {
    let task = bpf_get_current_pid_tgid();
    // SAFETY: copied before the entry is removed; only this task writes it.
    let Some(call) = (unsafe { IN_FLIGHT.get(task).copied() }) else {
        return 0;
    };
    let _ = IN_FLIGHT.remove(task);
    let mut path = Path::EMPTY;
    // SAFETY: the helper writes at most the bytes of the buffer and copes
    // with any address.
    let length = unsafe {
        bpf_probe_read_user_str(
            path.0.as_mut_ptr().cast(),
            path.0.len() as u32,
            call.path as *const _,
        )
    };
    if length < 0 {
        count(Counter::Unreadable);
        return 0;
    }
    if let Some(active) = active() {
        report_candidate(active, Operation::Read, call.folder_fd as i32, &path);
    }
    0
}

/// A successful `execve(2)` or `execveat(2)`.
#[tracepoint]
pub fn process_exec(context: TracePointContext) -> u32 {
    let Some(active) = active() else { return 0 };
    // SAFETY: within the record.
    let Ok(location) = (unsafe { context.read_at::<u32>(EXEC_FILE_NAME) }) else {
        count(Counter::Unreadable);
        return 0;
    };
    let mut path = Path::EMPTY;
    // SAFETY: the helper writes at most the bytes of the buffer; the lower
    // half of the location is an offset into the record.
    let length = unsafe {
        bpf_probe_read_kernel_str(
            path.0.as_mut_ptr().cast(),
            path.0.len() as u32,
            context.as_ptr().byte_add((location & 0xffff) as usize),
        )
    };
    if length < 0 {
        count(Counter::Unreadable);
        return 0;
    }
    report_candidate(active, Operation::Exec, AT_FDCWD as i32, &path);
    0
}

/// `connect(2)`.
#[tracepoint]
pub fn enter_connect(context: TracePointContext) -> u32 {
    let Some(active) = active() else { return 0 };
    let source = syscall_argument(&context, 1);
    let length = syscall_argument(&context, 2) as u32;
    let mut socket_address = SocketAddress::EMPTY;
    let size = if length < size_of::<SocketAddress>() as u32 {
        // An IPv4 address; anything shorter is no IP address.
        16
    } else {
        size_of::<SocketAddress>() as u32
    };
    // SAFETY: the helper writes `size` bytes, at most those of the buffer.
    let read =
        unsafe { bpf_probe_read_user((&raw mut socket_address).cast(), size, source as *const _) };
    if read != 0 {
        count(Counter::Unreadable);
        return 0;
    }
    if let Some(end) = socket_address.end(length, false) {
        watch(active, &end);
    }
    0
}

#[inline(always)]
fn syscall_argument(context: &TracePointContext, index: usize) -> u64 {
    // SAFETY: within the record; a fault reads as 0.
    unsafe { context.read_at(ARGUMENTS + index * 8) }.unwrap_or(0)
}

#[inline(always)]
fn remember(folder_fd: i64, path: u64) {
    if active().is_none() {
        return;
    }
    let call = InFlight { path, folder_fd };
    if IN_FLIGHT
        .insert(bpf_get_current_pid_tgid(), call, 0)
        .is_err()
    {
        count(Counter::InFlightLost);
    }
}

/// Report a path whose last component some rule names; the agent finds the
/// rule, or that there is none.
#[inline(always)]
fn report_candidate(active: Active, operation: Operation, folder_fd: i32, path: &Path) {
    let mut hash = PathHash::EMPTY;
    for byte in &path.0 {
        if *byte == 0 {
            break;
        }
        hash = hash.with(*byte);
    }
    if list(active.slot(), &Key::path_name(hash.key())).is_none() {
        return;
    }
    let decision = Decision::new(Effect::WouldDeny as u32, Reference::NONE, operation.alone());
    emit::report(active, decision, |event: &mut Event| {
        emit::by_helpers(event);
        event.folder_fd = folder_fd;
        event.text = path.0;
    });
}
