//! Changing a file without writing to it, and making names.

use harness_proto::Verdict;
use harness_proto::probe::{Access, Attribute, MapWay, NodeKind, OpenWay};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timestamps, Uid, XattrFlags};
use rustix::time::Timespec;
use std::os::fd::AsFd;

use super::{broken, memory, open, raw, verdict};

/// What no rule of a setup has.
const MODE: u32 = 0o640;
const OWNER: u32 = 12_345;

pub(super) fn change(path: &str, attribute: Attribute) -> Verdict {
    match attribute {
        Attribute::Mode => verdict(rustix::fs::chmodat(
            CWD,
            path,
            Mode::from_raw_mode(MODE),
            AtFlags::empty(),
        )),
        Attribute::ModeOfDescriptor => match opened(path) {
            Err(broken) => broken,
            Ok(file) => verdict(rustix::fs::fchmod(file, Mode::from_raw_mode(MODE))),
        },
        Attribute::Owner => verdict(rustix::fs::chownat(
            CWD,
            path,
            Some(Uid::from_raw(OWNER)),
            Some(Gid::from_raw(OWNER)),
            AtFlags::empty(),
        )),
        Attribute::Times => {
            let time = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            verdict(rustix::fs::utimensat(CWD, path, &times, AtFlags::empty()))
        }
        Attribute::Xattr => verdict(rustix::fs::setxattr(
            path,
            "trusted.probe",
            b"x",
            XattrFlags::empty(),
        )),
        Attribute::AbsentXattr => verdict(rustix::fs::removexattr(path, "trusted.absent")),
    }
}

pub(super) fn make_node(path: &str, kind: NodeKind) -> Verdict {
    let (kind, device) = match kind {
        NodeKind::Pipe => (FileType::Fifo, 0),
        NodeKind::NullDevice => (FileType::CharacterDevice, rustix::fs::makedev(1, 3)),
        NodeKind::File => (FileType::RegularFile, 0),
    };
    let mode = Mode::from_raw_mode(MODE);
    verdict(rustix::fs::mknodat(CWD, path, kind, mode, device))
}

pub(super) fn truncate(path: &str) -> Verdict {
    match open::text(path) {
        Err(broken) => broken,
        Ok(path) => verdict(raw::truncate(&path, 1)),
    }
}

pub(super) fn map_executable(path: &str, by: MapWay) -> Verdict {
    match opened(path) {
        Err(broken) => broken,
        Ok(file) => match by {
            MapWay::Mmap | MapWay::Mprotect => {
                verdict(memory::map_executable(file.as_fd(), by == MapWay::Mmap))
            }
            MapWay::Anonymous => {
                let mut content = [0_u8; 4096];
                match rustix::io::read(&file, &mut content) {
                    Ok(_) => verdict(memory::copy_executable(&content)),
                    Err(error) => broken(&format!("read {path}: {error}")),
                }
            }
        },
    }
}

/// A file whose opening is not what is asked about.
fn opened(path: &str) -> Result<std::os::fd::OwnedFd, Verdict> {
    open::open_by(path, Access::Read, OpenWay::Openat)
        .map_err(|verdict| broken(&format!("open {path}: {verdict:?}")))
}
