//! What the canary does, operation by operation. Where it is allowed, as in
//! audit, everything is as it was before when it returns.
#![expect(unsafe_code, reason = "system calls that no safe library has")]

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions, Permissions},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    ptr,
};

use aegisbpf_abi::Operation;
use rustix::{
    mm::{MapFlags, ProtFlags, mmap, munmap},
    net::{AddressFamily, SocketType, bind, listen, socket},
};

use super::{
    COMMAND, CONTENT_NAME, EXEC_NAME, HELD_NAME, LOCAL, OPEN_NAME, OTHER_NAME, PEER, PEER_IPV6,
    PLACE_NAME, Way,
};
use crate::paths;

/// The discard port.
const PORT: u16 = 9;
const PAGE: usize = 4096;
/// Exit status of the child when its kernel has no such system call.
const ABSENT: i32 = 255;

fn state(name: &str) -> PathBuf {
    Path::new(paths::STATE).join(name)
}

/// Try it, or `None` when it cannot be tried here, or not without harm.
pub(super) fn attempt(operation: Operation, way: Way) -> Option<io::Result<()>> {
    let program = match way {
        Way::Content => CONTENT_NAME,
        Way::Usual | Way::Ipv6 => EXEC_NAME,
    };
    let (any, peer, local): (IpAddr, IpAddr, IpAddr) = match way {
        Way::Ipv6 if !has_ipv6() => return None,
        Way::Ipv6 => (
            Ipv6Addr::UNSPECIFIED.into(),
            PEER_IPV6.into(),
            LOCAL.to_ipv6_mapped().into(),
        ),
        Way::Usual | Way::Content => (Ipv4Addr::UNSPECIFIED.into(), PEER.into(), LOCAL.into()),
    };
    let udp = || UdpSocket::bind((any, 0));
    let file = state(OPEN_NAME);
    let place = state(PLACE_NAME);
    Some(match operation {
        Operation::Read => File::open(file).map(drop),
        Operation::Write => OpenOptions::new().append(true).open(file).map(drop),
        Operation::HeldRead => {
            File::open(state(HELD_NAME)).and_then(|file| file.read_at(&mut [0], 0).map(drop))
        }
        // Writes what is there.
        Operation::HeldWrite => OpenOptions::new()
            .write(true)
            .open(state(HELD_NAME))
            .and_then(|file| file.write_all_at(&super::CONTENT.as_bytes()[..1], 0)),
        Operation::Create => File::create_new(&place).and_then(|_| fs::remove_file(place)),
        // Made again before the next time.
        Operation::Delete => fs::remove_file(state(OTHER_NAME)),
        Operation::Rename => fs::rename(&file, state("canary-moved"))
            .and_then(|()| fs::rename(state("canary-moved"), file)),
        Operation::Link => fs::hard_link(file, state("canary-link"))
            .and_then(|()| fs::remove_file(state("canary-link"))),
        Operation::Truncate => truncate(&file),
        Operation::Attributes => fs::set_permissions(file, Permissions::from_mode(0o600)),
        Operation::Exec => Command::new(state(program))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map(drop),
        Operation::MmapExec => {
            File::open(state(program)).and_then(|program| map_executable(&program))
        }
        Operation::Connect => udp().and_then(|socket| socket.connect((peer, PORT))),
        // Nothing is sent: there is nothing to send to without a route, and
        // with one the discard port of nobody takes it.
        Operation::Send => udp().and_then(|socket| socket.send_to(&[], (peer, PORT)).map(drop)),
        Operation::Bind => UdpSocket::bind((local, 0)).map(drop),
        Operation::Listen => listen_locally(),
        Operation::Ptrace
        | Operation::ModuleLoad
        | Operation::Kexec
        | Operation::Bpf
        | Operation::Mount
        | Operation::UserNamespace => return in_child(operation),
        // There may be no such device.
        Operation::RawDevice => return None,
    })
}

/// To the length that it has: by its path, because opening it for writing is
/// another operation.
fn truncate(file: &Path) -> io::Result<()> {
    let path = CString::new(file.as_os_str().as_bytes())?;
    let length = i64::try_from(super::CONTENT.len()).unwrap_or(0);
    // SAFETY: a path that ends with a NUL byte.
    match unsafe { libc::truncate(path.as_ptr(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether the kernel has sockets of that family.
fn has_ipv6() -> bool {
    socket(AddressFamily::INET6, SocketType::DGRAM, None).is_ok()
}

fn map_executable(program: &File) -> io::Result<()> {
    // SAFETY: a new mapping that nothing refers to, taken away at once.
    unsafe {
        let at = mmap(
            ptr::null_mut(),
            PAGE,
            ProtFlags::READ | ProtFlags::EXEC,
            MapFlags::PRIVATE,
            program,
            0,
        )?;
        munmap(at, PAGE)?;
    }
    Ok(())
}

fn listen_locally() -> io::Result<()> {
    let tcp = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    let address = std::net::SocketAddrV4::new(LOCAL, 0);
    // Where binding is denied as well, that says enough.
    bind(&tcp, &address)?;
    Ok(listen(&tcp, 1)?)
}

/// A process of its own with the name of the canary tries it, so that the
/// agent itself is never what the rule is about.
fn in_child(operation: Operation) -> Option<io::Result<()>> {
    let status = Command::new("/proc/self/exe")
        .args(["canary", "--try", operation.name()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status.map(|status| status.code()) {
        Ok(Some(ABSENT)) => None,
        Ok(Some(0)) => Some(Ok(())),
        Ok(Some(errno)) => Some(Err(io::Error::from_raw_os_error(errno))),
        Ok(None) => Some(Err(io::Error::other("the canary's process was killed"))),
        Err(error) => Some(Err(error)),
    }
}

/// What that process does. Its exit status is the errno, 0 when it was
/// allowed.
pub fn as_child(operation: &str) -> i32 {
    let name = CString::new(COMMAND).unwrap_or_default();
    if rustix::thread::set_name(&name).is_err() {
        return ABSENT;
    }
    let operation = Operation::ALL
        .into_iter()
        .find(|one| one.name() == operation);
    let Some(operation) = operation else {
        return ABSENT;
    };
    // Longer than the header of a module, which is looked at first.
    let junk = [0_u8; 256];
    let no_path = c"/".as_ptr();
    let no_type = c"aegisbpf-canary".as_ptr();
    // SAFETY: each call gets valid pointers and asks for something that fails
    // after the hook was asked, or that ends with this process.
    let result = unsafe {
        match operation {
            Operation::Ptrace => libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0),
            Operation::ModuleLoad => libc::syscall(
                libc::SYS_init_module,
                junk.as_ptr(),
                junk.len(),
                c"".as_ptr(),
            ),
            // More segments than there can be.
            Operation::Kexec => libc::syscall(libc::SYS_kexec_load, 0, u32::MAX, junk.as_ptr(), 0),
            // A map of no type.
            Operation::Bpf => libc::syscall(libc::SYS_bpf, 0, junk.as_ptr(), 16),
            // A file system that there is not.
            Operation::Mount => i64::from(libc::mount(no_path, no_path, no_type, 0, ptr::null())),
            Operation::UserNamespace => i64::from(libc::unshare(libc::CLONE_NEWUSER)),
            _ => return ABSENT,
        }
    };
    if result >= 0 {
        return 0;
    }
    match io::Error::last_os_error().raw_os_error() {
        Some(libc::ENOSYS) | None => ABSENT,
        Some(errno) => errno,
    }
}
