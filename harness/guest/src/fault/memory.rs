//! The kernel kills a process because its memory cgroup is full.

use std::fs;
use std::path::Path;

use super::{Guard, Scene, not_in_place};
use crate::attempt::{Attempt, AttemptError};
use crate::supervise::{ProcessId, Supervisor};

const ROOT: &str = "/sys/fs/cgroup";
const NAME: &str = "out-of-memory";
/// Small enough that it is full in a moment.
const LIMIT_BYTES: u64 = 8 << 20;
/// What `probe eat` is told to take; it is ended before it has.
const EATEN_BYTES: u64 = 4 * LIMIT_BYTES;
/// The first to be killed, whatever it takes.
const FIRST: &str = "1000";

/// The agent shares a cgroup with a program that eats its memory, and is the one
/// that the kernel is told to kill first.
pub(super) fn run_out(id: ProcessId, scene: &mut Scene<'_>) -> Result<Guard, AttemptError> {
    let group = Path::new(ROOT).join(NAME);
    write(&Path::new(ROOT).join("cgroup.subtree_control"), "+memory")?;
    fs::create_dir(&group).attempt(|| format!("make {}", group.display()))?;
    let folder = group.clone();
    let guard = Guard::new(move || {
        write(&folder.join("cgroup.kill"), "1").or_else(|_| everyone_back(&folder))?;
        fs::remove_dir(&folder).attempt(|| format!("remove {}", folder.display()))
    });
    write(&group.join("memory.max"), &LIMIT_BYTES.to_string())?;
    let pid = scene.supervisor.process(id).pid().as_raw_nonzero();
    write(Path::new(&format!("/proc/{pid}/oom_score_adj")), FIRST)?;
    write(&group.join("cgroup.procs"), &pid.to_string())?;
    let eater = [
        scene.probe.to_string_lossy().into_owned(),
        "eat".into(),
        group.join("cgroup.procs").to_string_lossy().into_owned(),
        EATEN_BYTES.to_string(),
    ];
    let eater = scene.supervisor.spawn(&eater)?;
    let ended = |all: &Supervisor| {
        let one = |id| all.process(id).exit();
        one(id).zip(one(eater))
    };
    let attempt = || "run out of memory".to_owned();
    let ends = scene
        .supervisor
        .wait(scene.deadline, ended)
        .attempt(attempt)?;
    let events = fs::read_to_string(group.join("memory.events")).attempt(attempt)?;
    if ends.is_none() || killed(&events) == 0 {
        let _ = scene.supervisor.process(eater).kill_group();
        let events = events.replace('\n', ", ");
        return Err(not_in_place(attempt(), format!("{ends:?}; {events}")));
    }
    Ok(guard)
}

/// Kernels before 5.14 have no `cgroup.kill`.
fn everyone_back(group: &Path) -> Result<(), AttemptError> {
    let pids = fs::read_to_string(group.join("cgroup.procs"));
    for pid in pids.attempt(|| "read who is left".into())?.lines() {
        write(&Path::new(ROOT).join("cgroup.procs"), pid)?;
    }
    Ok(())
}

/// How many were, by `memory.events`.
fn killed(events: &str) -> u64 {
    let count = |line: &str| line.strip_prefix("oom_kill ")?.parse().ok();
    events.lines().find_map(count).unwrap_or(0)
}

fn write(path: &Path, text: &str) -> Result<(), AttemptError> {
    fs::write(path, text).attempt(|| format!("write {text} to {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::killed;

    #[test]
    fn only_what_was_killed_counts() {
        assert_eq!(killed("low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\n"), 1);
        assert_eq!(killed("oom 2\noom_kill 0\n"), 0);
        assert_eq!(killed(""), 0);
    }
}
