//! What a setup makes, as an action of the guest.

use harness_proto::{Action, PROBE_PATH, RAM_DISK, RunAs, Task};
use scenarios::{Expect, Setup};

use crate::expectation::{Blame, Expectation};

const CGROUPS: &str = "/sys/fs/cgroup";
const DISK_MS: u64 = 10_000;
/// Room for what an agent keeps while it runs, and soon full.
const SMALL_DISK_BYTES: u64 = 256 * 1024;

pub(super) fn making(setup: &Setup) -> (Action, Expectation) {
    let write = |path: &String, content: String, mode| Action::WriteFile {
        path: path.clone(),
        content,
        mode,
        blanks: Vec::new(),
    };
    let action = match setup {
        Setup::File {
            path,
            content,
            mode,
        } => write(path, content.clone(), *mode),
        Setup::Script { path, interpreter } => {
            write(path, format!("#!{interpreter} noop\n"), 0o755)
        }
        Setup::Files { folder, count } => Action::MakeFiles {
            folder: folder.clone(),
            count: *count,
        },
        Setup::Folder { path } => Action::Mkdir { path: path.clone() },
        Setup::Cgroup { path } => Action::Mkdir {
            path: format!("{CGROUPS}{path}"),
        },
        Setup::Program { path } => Action::Copy {
            from: PROBE_PATH.into(),
            to: path.clone(),
        },
        Setup::Disk { at } => Action::MountDisk {
            device: RAM_DISK.into(),
            kind: "ext4".into(),
            target: at.clone(),
            deadline_ms: DISK_MS,
        },
        Setup::SmallDisk { at } => Action::MountMemory {
            target: at.clone(),
            bytes: SMALL_DISK_BYTES,
        },
        Setup::Listener { transport, address } => Action::Listen {
            transport: *transport,
            address: *address,
        },
        Setup::Removed { beneath, prefix } => Action::RemoveFiles {
            beneath: beneath.clone(),
            prefix: prefix.clone(),
        },
        Setup::World(world) => Action::MakeWorld(world.clone()),
        Setup::Do(probe) => {
            let task = Task {
                probe: probe.clone(),
                run_as: RunAs::default(),
            };
            return (Action::Probe(task), Expectation::Verdict(Expect::Allowed));
        }
    };
    (action, Expectation::Done(Blame::Harness))
}
