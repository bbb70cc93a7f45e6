//! A descriptor that is opened now and used later.

use std::io::BufRead as _;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use harness_proto::probe::{Access, HeldOperation, OpenWay};
use harness_proto::{Hold, Verdict};
use rustix::fs::{CWD, Mode, OFlags};

use super::memory::{self, Mapping};
use super::{broken, copies, open, ring, say, subject, verdict};

/// Open, say how that went, and then for each line of standard input do what
/// it says and say how that went, until there is no more.
pub fn hold(hold: &Hold) {
    if let Err(message) = subject::become_subject(&hold.run_as) {
        return say(&broken(&message));
    }
    let file = match open::open_by(&hold.path, hold.access, OpenWay::Openat) {
        Ok(file) => file,
        Err(verdict) => return say(&verdict),
    };
    say(&Verdict::Allowed);
    let mut held = Held {
        file,
        hold,
        mapping: None,
    };
    for line in std::io::stdin().lock().lines() {
        let operation = line
            .map_err(|error| error.to_string())
            .and_then(|line| serde_json::from_str(&line).map_err(|error| error.to_string()));
        match operation {
            Ok(operation) => say(&held.perform(operation)),
            Err(error) => return say(&broken(&format!("read what to do: {error}"))),
        }
    }
}

struct Held<'a> {
    file: OwnedFd,
    hold: &'a Hold,
    mapping: Option<Mapping>,
}

impl Held<'_> {
    fn perform(&mut self, operation: HeldOperation) -> Verdict {
        let file = &self.file;
        match operation {
            HeldOperation::Read => verdict(rustix::io::pread(file, &mut [0_u8; 1], 0)),
            HeldOperation::Write => verdict(rustix::io::pwrite(file, b"x", 0)),
            HeldOperation::Truncate => verdict(rustix::fs::ftruncate(file, 1)),
            HeldOperation::Mode => verdict(rustix::fs::fchmod(file, Mode::from_raw_mode(0o640))),
            HeldOperation::MapExec if self.hold.access == Access::Write => {
                broken("what was opened only for writing cannot be mapped")
            }
            HeldOperation::MapExec => verdict(memory::map_executable(file.as_fd(), true)),
            HeldOperation::Reopen => verdict(rustix::fs::openat(
                CWD,
                format!("/proc/self/fd/{}", file.as_raw_fd()),
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )),
            HeldOperation::Map => match Mapping::of(file.as_fd(), libc::PROT_READ) {
                Ok(mapping) => {
                    // The page is there from now on.
                    mapping.first_byte();
                    self.mapping = Some(mapping);
                    Verdict::Allowed
                }
                Err(errno) => super::denied(errno),
            },
            HeldOperation::ReadMapped => match &self.mapping {
                Some(mapping) => {
                    mapping.first_byte();
                    Verdict::Allowed
                }
                None => broken("nothing was mapped"),
            },
            HeldOperation::MapRead => verdict(
                Mapping::of(file.as_fd(), libc::PROT_READ).map(|mapping| mapping.first_byte()),
            ),
            HeldOperation::ProtectRead => verdict(
                Mapping::of(file.as_fd(), libc::PROT_NONE)
                    .and_then(|mapping| mapping.protect(libc::PROT_READ).map(|()| mapping))
                    .map(|mapping| mapping.first_byte()),
            ),
            HeldOperation::MapWrite | HeldOperation::ProtectWrite
                if self.hold.access != Access::ReadWrite =>
            {
                broken("only what was opened for reading and writing can be mapped so")
            }
            HeldOperation::MapWrite => verdict(
                Mapping::shared(file.as_fd(), memory::BOTH).map(|mapping| mapping.put(0, b"x")),
            ),
            HeldOperation::ProtectWrite => verdict(
                Mapping::shared(file.as_fd(), libc::PROT_READ)
                    .and_then(|mapping| mapping.protect(memory::BOTH).map(|()| mapping))
                    .map(|mapping| mapping.put(0, b"x")),
            ),
            HeldOperation::ReadPassed => copies::read_passed(file),
            HeldOperation::ReadTaken => copies::read_taken(file),
            HeldOperation::Sendfile => copies::sendfile(file),
            HeldOperation::Splice => copies::splice(file),
            HeldOperation::CopyRange => copies::copy_range(file, &self.hold.path),
            HeldOperation::IoUringRead => match ring::read(file.as_fd(), &mut [0_u8; 1]) {
                Ok(result) => verdict(result),
                Err(error) => ring::unavailable(&error),
            },
        }
    }
}
