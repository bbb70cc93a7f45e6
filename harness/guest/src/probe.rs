//! The work of the `probe` executable: one action, one verdict.
//!
//! What the kernel answered is the verdict; what the probe itself could not
//! do is [`Verdict::Broken`], so that a broken probe never looks like a
//! denial.
//!
//! | module | holds |
//! | --- | --- |
//! | `open`, `change`, `execute`, `connect`, `socket`, `kernel`, `mount` | the actions |
//! | `churn` | things that come and go |
//! | `flood` | one action again and again |
//! | `burden` | taking memory or a processor from others |
//! | `load` | a mixed load until it is told to stop |
//! | `storm` | opening without pause until it is told to stop |
//! | `serve` | one action after another, as they are asked for |
//! | `held`, `copies` | a descriptor that is opened now and used later, and by others |
//! | `odd` | opening by way of something that is made first |
//! | `datagram`, `compat` | packets by hand, and the calls of 32-bit programs |
//! | `subject` | becoming somebody else first |
//! | `raw`, `ring` | system calls, and io_uring |

mod burden;
mod change;
mod churn;
mod compat;
mod connect;
mod copies;
mod datagram;
mod execute;
mod flood;
mod held;
mod kernel;
mod load;
mod memory;
mod mount;
mod odd;
mod open;
mod raw;
mod ring;
mod serve;
mod socket;
mod storm;
mod subject;

use std::io::Write as _;

use harness_proto::probe::{Access, CreateWay, OpenWay};
use harness_proto::{Probe, Task, Verdict};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

pub use burden::{eat, spin};
pub use held::hold;
pub use load::load;
pub use serve::serve;
pub use storm::storm;

/// Do it, in this process, and say what came of it.
pub fn run(task: &Task) {
    say(&subject::perform(task, perform));
}

/// One line on standard output.
fn say(verdict: &Verdict) {
    let mut stdout = std::io::stdout();
    // Without anyone who reads it there is nobody to tell.
    let _ = serde_json::to_writer(&mut stdout, verdict);
    let _ = stdout.write_all(b"\n").and_then(|()| stdout.flush());
}

fn perform(probe: &Probe) -> Verdict {
    match probe {
        Probe::Open {
            path,
            access,
            by,
            cwd,
        } => open::open(path, *access, *by, cwd.as_deref()),
        Probe::Exec { path, by } => execute::execute(path, *by),
        Probe::Connect {
            transport,
            address,
            by,
        } => connect::connect(*transport, *address, *by),
        Probe::Send { address, by } => socket::send(*address, *by),
        Probe::Bind { transport, address } => socket::bind(*transport, *address),
        Probe::Listen { address } => socket::listen(*address),
        Probe::Rename { from, to, exchange } => {
            let flags = if *exchange {
                RenameFlags::EXCHANGE
            } else {
                RenameFlags::empty()
            };
            verdict(rustix::fs::renameat_with(CWD, from, CWD, to, flags))
        }
        Probe::Link { from, to } => {
            verdict(rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty()))
        }
        Probe::Symlink { target, path } => verdict(rustix::fs::symlinkat(target, CWD, path)),
        Probe::Unlink { path } => verdict(rustix::fs::unlinkat(CWD, path, AtFlags::empty())),
        Probe::Rmdir { path } => verdict(rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR)),
        Probe::Create { path, by } => create(path, *by),
        Probe::Mkdir { path } => {
            verdict(rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(0o755)))
        }
        Probe::Mknod { path, kind } => change::make_node(path, *kind),
        Probe::Truncate { path } => change::truncate(path),
        Probe::Change { path, attribute } => change::change(path, *attribute),
        Probe::MapExec { path, by } => change::map_executable(path, *by),
        Probe::Flood { open: file, times } => flood::flood(*times, || {
            open::open(&file.path, Access::Read, OpenWay::Openat, None)
        }),
        Probe::Churn { of, times } => flood::flood(*times, churn::once(of)),
        Probe::Held { name, .. } => broken(&format!("what {name} holds is its own to use")),
        Probe::Kernel(probe) => kernel::perform(*probe),
        Probe::Mount(probe) => mount::perform(probe),
    }
}

fn verdict<T>(result: rustix::io::Result<T>) -> Verdict {
    result.map_or_else(denied, |_| Verdict::Allowed)
}

fn denied(errno: Errno) -> Verdict {
    Verdict::Denied {
        errno: errno.raw_os_error(),
    }
}

fn broken(message: &str) -> Verdict {
    Verdict::Broken {
        message: message.to_owned(),
    }
}

fn create(path: &str, by: CreateWay) -> Verdict {
    if by == CreateWay::Tmpfile {
        return odd::link_nameless(path);
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    verdict(rustix::fs::openat(CWD, path, flags, mode))
}
