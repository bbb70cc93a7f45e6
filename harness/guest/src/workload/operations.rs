//! What is counted.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use harness_proto::count::{BENCH_FOLDER, Operation};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

use super::{children, counter, program};
use crate::attempt::{Attempt, AttemptError};
use crate::files;

/// One page.
const BLOCK_BYTES: usize = 4096;
/// Well below what a socket buffers by default, so that none is dropped.
const DATAGRAMS_IN_FLIGHT: u32 = 32;
const DATAGRAM: [u8; 64] = [7; 64];
const DISCARD_PORT: u16 = 9;

/// Everything the operations need, made once.
pub(super) struct Work {
    file: OwnedFd,
    connecting: OwnedFd,
    sending: OwnedFd,
    receiving: OwnedFd,
    receiver: SocketAddrV4,
    block: Box<[u8; BLOCK_BYTES]>,
    /// The file that is renamed has the first of these names.
    names: [&'static str; 2],
}

/// In [`BENCH_FOLDER`].
macro_rules! in_folder {
    ($name:literal) => {
        concat!("/srv/bench/", $name)
    };
}
const FILE: &str = in_folder!("file");
const PROGRAM: &str = in_folder!("program");
const NEW: &str = in_folder!("new");
const NAMES: [&str; 2] = [in_folder!("one-name"), in_folder!("other-name")];

/// Make the files that the operations need.
pub(super) fn make_files() -> Result<(), AttemptError> {
    let content = "x".repeat(BLOCK_BYTES);
    files::make_folder(Path::new(BENCH_FOLDER))?;
    files::write_file(Path::new(FILE), &content, 0o644)?;
    files::write_file(Path::new(NAMES[0]), &content, 0o644)?;
    let program = fs::write(PROGRAM, program::ends_at_once())
        .and_then(|()| fs::set_permissions(PROGRAM, Permissions::from_mode(0o755)));
    program.attempt(|| format!("write {PROGRAM}"))
}

impl Work {
    pub(super) fn open() -> Result<Self, AttemptError> {
        let file = rustix::fs::open(FILE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .attempt(|| format!("open {FILE}"))?;
        let receiving = udp_socket()?;
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        rustix::net::bind(&receiving, &any).attempt(|| format!("bind to {any}"))?;
        let receiver = rustix::net::getsockname(&receiving)
            .and_then(SocketAddrV4::try_from)
            .attempt(|| "ask for the address of the receiver".into())?;
        Ok(Self {
            file,
            connecting: udp_socket()?,
            sending: udp_socket()?,
            receiving,
            receiver,
            block: Box::new([0; BLOCK_BYTES]),
            names: if Path::new(NAMES[0]).exists() {
                NAMES
            } else {
                [NAMES[1], NAMES[0]]
            },
        })
    }

    /// The counter over an operation done so many times. What has to be done
    /// in between, and is no part of the operation, is not counted.
    pub(super) fn count(&mut self, operation: Operation, times: u32) -> Result<u64, AttemptError> {
        let attempt = || format!("do the operation {operation}");
        match operation {
            Operation::Getppid => counted(times, || {
                std::hint::black_box(rustix::process::getppid());
                Ok(())
            }),
            Operation::OpenClose => counted(times, || {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                rustix::fs::openat(CWD, FILE, flags, Mode::empty()).map(drop)
            }),
            Operation::Stat => counted(times, || rustix::fs::stat(FILE).map(drop)),
            Operation::Pread => counted(times, || {
                rustix::io::pread(&self.file, &mut self.block[..], 0).map(drop)
            }),
            Operation::UdpConnect => {
                let peer = SocketAddrV4::new(Ipv4Addr::LOCALHOST, DISCARD_PORT);
                counted(times, || rustix::net::connect(&self.connecting, &peer))
            }
            Operation::UdpSend => self.count_sends(times),
            Operation::Exec => return children::count_execs(PROGRAM, times).attempt(attempt),
            Operation::Fork => return children::count_forks(times).attempt(attempt),
            Operation::CreateUnlink => counted(times, || {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                rustix::fs::openat(CWD, NEW, flags, Mode::from_raw_mode(0o644)).map(drop)?;
                rustix::fs::unlinkat(CWD, NEW, AtFlags::empty())
            }),
            Operation::Rename => counted(times, || {
                let [from, to] = self.names;
                self.names = [to, from];
                rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::empty())
            }),
        }
        .attempt(attempt)
    }

    fn count_sends(&self, times: u32) -> rustix::io::Result<u64> {
        let mut total = 0;
        let mut left = times;
        while left > 0 {
            let now = left.min(DATAGRAMS_IN_FLIGHT);
            total += counted(now, || {
                sendto(&self.sending, &DATAGRAM, SendFlags::empty(), &self.receiver).map(drop)
            })?;
            for _ in 0..now {
                let mut buffer = [0; DATAGRAM.len()];
                recv(&self.receiving, &mut buffer, RecvFlags::DONTWAIT)?;
            }
            left -= now;
        }
        Ok(total)
    }
}

fn counted(
    times: u32,
    mut once: impl FnMut() -> rustix::io::Result<()>,
) -> rustix::io::Result<u64> {
    let before = counter::read();
    for _ in 0..times {
        once()?;
    }
    Ok(counter::read() - before)
}

fn udp_socket() -> Result<OwnedFd, AttemptError> {
    socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .attempt(|| "make a UDP socket".into())
}
