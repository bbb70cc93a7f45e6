//! What is counted.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use harness_proto::count::{BENCH_FOLDER, DENIED_PEER, Operation, rule_file};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

use super::accepting::Accepting;
use super::{children, counter, mapping, program};
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
    program: OwnedFd,
    accepting: Accepting,
    deep: [String; 2],
    listed: String,
    connecting: OwnedFd,
    connecting6: OwnedFd,
    sending: OwnedFd,
    receiving: OwnedFd,
    receiver: SocketAddrV4,
    block: Box<[u8; BLOCK_BYTES]>,
    /// The file that is renamed has the first of these names.
    names: [&'static str; 2],
    /// How often an operation was refused that may be.
    refused: u64,
    /// Passes of the loop that slows an operation down.
    slow_passes: u64,
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
    program.attempt(|| format!("write {PROGRAM}"))?;
    for path in DEPTHS.map(deep_file) {
        files::write_file(Path::new(&path), &content, 0o644)?;
    }
    Ok(())
}

const DEPTHS: [u32; 2] = [8, 32];

/// A file with so many folders above it.
fn deep_file(folders: u32) -> String {
    // The bench's own are two of them.
    let more = folders.saturating_sub(2) as usize;
    format!("{BENCH_FOLDER}/{}file", "d/".repeat(more))
}

impl Work {
    pub(super) fn open() -> Result<Self, AttemptError> {
        let file = rustix::fs::open(FILE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .attempt(|| format!("open {FILE}"))?;
        let program = rustix::fs::open(PROGRAM, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .attempt(|| format!("open {PROGRAM}"))?;
        let receiving = udp_socket(AddressFamily::INET)?;
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        rustix::net::bind(&receiving, &any).attempt(|| format!("bind to {any}"))?;
        let receiver = rustix::net::getsockname(&receiving)
            .and_then(SocketAddrV4::try_from)
            .attempt(|| "ask for the address of the receiver".into())?;
        Ok(Self {
            file,
            program,
            accepting: Accepting::listen()?,
            deep: DEPTHS.map(deep_file),
            listed: rule_file(0),
            connecting: udp_socket(AddressFamily::INET)?,
            connecting6: udp_socket(AddressFamily::INET6)?,
            sending: udp_socket(AddressFamily::INET)?,
            receiving,
            receiver,
            block: Box::new([0; BLOCK_BYTES]),
            names: if Path::new(NAMES[0]).exists() {
                NAMES
            } else {
                [NAMES[1], NAMES[0]]
            },
            refused: 0,
            slow_passes: 0,
        })
    }

    /// How often an operation was refused since this was asked.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// From now on, put a loop of so many passes into each operation.
    pub(super) fn slow_down(&mut self, passes: u64) {
        self.slow_passes = passes;
    }

    /// The counter over an operation done so many times. What has to be done
    /// in between, and is no part of the operation, is not counted.
    pub(super) fn count(&mut self, operation: Operation, times: u32) -> Result<u64, AttemptError> {
        let attempt = || format!("do the operation {operation}");
        let slow = self.slow_passes;
        let counted = |times, mut once: &mut dyn FnMut() -> rustix::io::Result<()>| {
            counted(times, slow, &mut once)
        };
        match operation {
            Operation::Getppid => counted(times, &mut || {
                std::hint::black_box(rustix::process::getppid());
                Ok(())
            }),
            Operation::OpenClose => counted(times, &mut || open(FILE)),
            Operation::OpenDeep8 => counted(times, &mut || open(&self.deep[0])),
            Operation::OpenDeep32 => counted(times, &mut || open(&self.deep[1])),
            Operation::OpenListed => counted(times, &mut || {
                unless_refused(open(&self.listed), &mut self.refused)
            }),
            Operation::Stat => counted(times, &mut || rustix::fs::stat(FILE).map(drop)),
            Operation::Pread => counted(times, &mut || {
                rustix::io::pread(&self.file, &mut self.block[..], 0).map(drop)
            }),
            Operation::UdpConnect => {
                let peer = SocketAddrV4::new(Ipv4Addr::LOCALHOST, DISCARD_PORT);
                counted(times, &mut || rustix::net::connect(&self.connecting, &peer))
            }
            Operation::UdpConnect6 => {
                let peer = SocketAddr::from((Ipv6Addr::LOCALHOST, DISCARD_PORT));
                counted(times, &mut || {
                    rustix::net::connect(&self.connecting6, &peer)
                })
            }
            Operation::UdpConnectListed => {
                let peer = SocketAddrV4::new(DENIED_PEER, DISCARD_PORT);
                counted(times, &mut || {
                    let connected = rustix::net::connect(&self.connecting, &peer);
                    unless_refused(connected, &mut self.refused)
                })
            }
            Operation::UdpSend => self.count_sends(times),
            Operation::Accept => return self.accepting.count(times, slow).attempt(attempt),
            Operation::MmapExec => counted(times, &mut || mapping::map_executable(&self.program)),
            Operation::Exec => {
                return children::count_execs(PROGRAM, times, slow).attempt(attempt);
            }
            Operation::Fork => return children::count_forks(times, slow).attempt(attempt),
            Operation::CreateUnlink => counted(times, &mut || {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                rustix::fs::openat(CWD, NEW, flags, Mode::from_raw_mode(0o644)).map(drop)?;
                rustix::fs::unlinkat(CWD, NEW, AtFlags::empty())
            }),
            Operation::Rename => counted(times, &mut || {
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
            total += counted(now, self.slow_passes, &mut || {
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
    slow: u64,
    once: &mut dyn FnMut() -> rustix::io::Result<()>,
) -> rustix::io::Result<u64> {
    let before = counter::read();
    for _ in 0..times {
        once()?;
        counter::slow_down(slow);
    }
    Ok(counter::read() - before)
}

fn open(path: &str) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map(drop)
}

/// What an agent refuses has been done all the same, and is counted.
fn unless_refused(result: rustix::io::Result<()>, refused: &mut u64) -> rustix::io::Result<()> {
    if result == Err(Errno::PERM) {
        *refused += 1;
        return Ok(());
    }
    result
}

fn udp_socket(family: AddressFamily) -> Result<OwnedFd, AttemptError> {
    socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .attempt(|| "make a UDP socket".into())
}
