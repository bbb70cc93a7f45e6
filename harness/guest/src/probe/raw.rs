//! System calls that no safe wrapper has, each as a function that hands the
//! kernel only memory that outlives the call.
#![expect(unsafe_code, reason = "the subject of this module")]

use std::ffi::{CStr, CString, c_int, c_long, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;

/// A file handle of the size that suits every file system.
#[repr(C)]
pub(super) struct Handle {
    bytes: u32,
    kind: c_int,
    content: [u8; 128],
}

pub(super) fn errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// What libc makes of a result, as rustix does.
pub(super) fn checked(result: c_long) -> rustix::io::Result<c_long> {
    if result == -1 {
        Err(errno())
    } else {
        Ok(result)
    }
}

pub(super) fn descriptor(result: c_long) -> rustix::io::Result<OwnedFd> {
    let fd = c_int::try_from(checked(result)?).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just made it for this caller.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `truncate(2)`.
pub(super) fn truncate(path: &CStr, length: i64) -> rustix::io::Result<()> {
    // SAFETY: the path is read during the call only.
    checked(unsafe { libc::truncate(path.as_ptr(), length) }.into()).map(drop)
}

/// `name_to_handle_at(2)`.
pub(super) fn name_to_handle(path: &CStr) -> rustix::io::Result<Handle> {
    let mut handle = Handle {
        bytes: 128,
        kind: 0,
        content: [0; 128],
    };
    let mut mount_id: c_int = 0;
    // SAFETY: the handle has the room that it says, and both outlive the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw mut handle,
            &raw mut mount_id,
            0,
        )
    })?;
    Ok(handle)
}

/// `open_by_handle_at(2)`; `mount` is anything on the handle's file system.
pub(super) fn open_by_handle(
    mount: BorrowedFd<'_>,
    handle: &Handle,
    flags: c_int,
) -> rustix::io::Result<OwnedFd> {
    // SAFETY: the handle is read during the call only.
    descriptor(unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_raw_fd(),
            ptr::from_ref(handle),
            flags,
        )
    })
}

/// `init_module(2)` without parameters.
pub(super) fn init_module(image: &[u8]) -> rustix::io::Result<()> {
    // SAFETY: image and parameters are read during the call only.
    checked(unsafe {
        libc::syscall(
            libc::SYS_init_module,
            image.as_ptr(),
            image.len(),
            c"".as_ptr(),
        )
    })
    .map(drop)
}

/// `finit_module(2)` without parameters.
pub(super) fn finit_module(file: BorrowedFd<'_>) -> rustix::io::Result<()> {
    // SAFETY: the parameters are read during the call only.
    checked(unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) })
        .map(drop)
}

/// `kexec_load(2)` of more segments than there may be: they are not looked at.
pub(super) fn kexec_load_too_much() -> rustix::io::Result<()> {
    const TOO_MANY: usize = 17;
    // SAFETY: with too many segments nothing is read.
    checked(unsafe {
        libc::syscall(
            libc::SYS_kexec_load,
            0_usize,
            TOO_MANY,
            ptr::null::<c_void>(),
            0_usize,
        )
    })
    .map(drop)
}

/// `kexec_file_load(2)` without an initrd and a command line.
pub(super) fn kexec_file_load(file: BorrowedFd<'_>) -> rustix::io::Result<()> {
    // `KEXEC_FILE_NO_INITRAMFS` of linux/kexec.h.
    const NO_INITRAMFS: usize = 4;
    // SAFETY: the command line is read during the call only.
    checked(unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            file.as_raw_fd(),
            -1,
            1_usize,
            c"".as_ptr(),
            NO_INITRAMFS,
        )
    })
    .map(drop)
}

/// `ptrace(2)` with a request that takes neither address nor data.
pub(super) fn ptrace(request: libc::c_uint, pid: i32) -> rustix::io::Result<()> {
    // SAFETY: requests of this kind touch no memory of the caller.
    checked(unsafe {
        libc::ptrace(
            request,
            pid,
            ptr::null_mut::<c_void>(),
            ptr::null_mut::<c_void>(),
        )
    })
    .map(drop)
}

/// `process_vm_readv(2)` of as much as `room` holds, from the same address in
/// a forked child.
pub(super) fn read_memory(pid: i32, room: &mut [u8]) -> rustix::io::Result<()> {
    let vector = libc::iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    };
    // SAFETY: `room` outlives the call; the other side is the kernel's to check.
    let copied =
        unsafe { libc::process_vm_readv(pid, &raw const vector, 1, &raw const vector, 1, 0) };
    checked(copied as c_long).map(drop)
}

/// `process_vm_writev(2)`, as [`read_memory`] the other way round.
pub(super) fn write_memory(pid: i32, content: &mut [u8]) -> rustix::io::Result<()> {
    let vector = libc::iovec {
        iov_base: content.as_mut_ptr().cast(),
        iov_len: content.len(),
    };
    // SAFETY: `content` outlives the call.
    let copied =
        unsafe { libc::process_vm_writev(pid, &raw const vector, 1, &raw const vector, 1, 0) };
    checked(copied as c_long).map(drop)
}

/// `execveat(2)`, with no environment; returns only when it fails.
pub(super) fn execute_at(
    place: BorrowedFd<'_>,
    name: &CStr,
    flags: c_int,
    arguments: &[CString],
) -> Errno {
    let mut pointers: Vec<*const libc::c_char> =
        arguments.iter().map(|argument| argument.as_ptr()).collect();
    pointers.push(ptr::null());
    let environment = [ptr::null::<libc::c_char>()];
    // SAFETY: both arrays end with a null pointer and outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            place.as_raw_fd(),
            name.as_ptr(),
            pointers.as_ptr(),
            environment.as_ptr(),
            flags,
        )
    };
    errno()
}

/// `sendmmsg(2)` of one datagram.
pub(super) fn send_many(
    socket: BorrowedFd<'_>,
    peer: &rustix::net::SocketAddrAny,
    content: &mut [u8],
) -> rustix::io::Result<()> {
    let mut vector = libc::iovec {
        iov_base: content.as_mut_ptr().cast(),
        iov_len: content.len(),
    };
    // SAFETY: all of it may be zero.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_name = peer.as_ptr().cast_mut().cast();
    message.msg_hdr.msg_namelen = peer.addr_len();
    message.msg_hdr.msg_iov = &raw mut vector;
    message.msg_hdr.msg_iovlen = 1;
    // SAFETY: everything it points to outlives the call.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), &raw mut message, 1, 0) };
    checked(sent.into()).map(drop)
}

/// `fork(2)`: `None` in the child. Only for a process with one thread.
pub(super) fn fork() -> rustix::io::Result<Option<i32>> {
    // SAFETY: with one thread the child may do whatever the parent may.
    let pid = checked(unsafe { libc::fork() }.into())?;
    Ok(i32::try_from(pid).ok().filter(|pid| *pid != 0))
}

/// `clone(2)` with flags: a child that ends at once. Its pid.
pub(super) fn clone_and_exit(flags: c_int) -> rustix::io::Result<i32> {
    // SAFETY: without a stack of its own the child goes on as after fork, and
    // ends before it does anything else.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) };
    if pid == 0 {
        exit(0);
    }
    Ok(i32::try_from(checked(pid)?).unwrap_or_default())
}

/// Of linux/sched.h; libc's own constant is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// `clone3(2)` with `CLONE_INTO_CGROUP`: `None` in the child. Only for a process
/// with one thread.
pub(super) fn clone_into(cgroup: BorrowedFd<'_>) -> rustix::io::Result<Option<i32>> {
    // SAFETY: all of it may be zero.
    let mut wish: libc::clone_args = unsafe { std::mem::zeroed() };
    wish.flags = CLONE_INTO_CGROUP;
    wish.exit_signal = libc::SIGCHLD as u64;
    wish.cgroup = u64::try_from(cgroup.as_raw_fd()).map_err(|_| Errno::BADF)?;
    // SAFETY: without a stack of its own the child goes on as after fork.
    let pid = checked(unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut wish,
            size_of::<libc::clone_args>(),
        )
    })?;
    Ok(i32::try_from(pid).ok().filter(|pid| *pid != 0))
}

/// End without the destructors that belong to the parent.
pub(super) fn exit(status: c_int) -> ! {
    // SAFETY: it ends this process and nothing else.
    unsafe { libc::_exit(status) }
}

/// Sleep until a signal ends this process; it ends with its parent, too.
pub(super) fn sleep_until_killed() -> ! {
    // SAFETY: neither call touches memory.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        loop {
            libc::pause();
        }
    }
}

/// Do something in the child between `fork(2)` and `execve(2)`; an error of it
/// is the error of starting the command.
pub(super) fn in_child(
    command: &mut std::process::Command,
    action: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    use std::os::unix::process::CommandExt;
    // SAFETY: the probe has one thread, so the child may do whatever it may.
    unsafe { command.pre_exec(action) };
}
