//! What the guest can be told to do.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    batch::{Batch, World},
    fault::Fault,
    probe::{Hold, Task, Transport},
    soak::Soak,
    storm::Storm,
};

/// Everything one cell does, in order. The guest executes all of it and
/// reports one [`crate::Observation`] for each action; it stops early only
/// when it cannot go on, and says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellProgram {
    /// The actions.
    pub actions: Vec<Action>,
}

/// One thing to do. Every action that can wait has a deadline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Make a folder and its parents. → [`crate::Observation::Done`]
    Mkdir {
        /// Absolute path.
        path: String,
    },
    /// Write a file beside its place, flush it and rename it there; parents
    /// are made. → [`crate::Observation::Done`]
    WriteFile {
        /// Absolute path.
        path: String,
        /// Whole content.
        content: String,
        /// Permission bits.
        mode: u32,
        /// What of the content is written over first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        blanks: Vec<Blank>,
    },
    /// Copy a file with its permission bits; parents are made.
    /// → [`crate::Observation::Done`]
    Copy {
        /// Existing file.
        from: String,
        /// New file.
        to: String,
    },
    /// Bind and listen (TCP) or bind (UDP) and keep the socket, accepting
    /// and closing connections, until the cell ends.
    /// → [`crate::Observation::Done`]
    Listen {
        /// Socket type.
        transport: Transport,
        /// Local address.
        address: SocketAddr,
    },
    /// Wait for a disk and mount the file system that is on it; the mount point
    /// is made. → [`crate::Observation::Done`]
    MountDisk {
        /// The device node.
        device: String,
        /// Type of the file system.
        kind: String,
        /// Absolute path.
        target: String,
        /// In milliseconds.
        deadline_ms: u64,
    },
    /// Mount an empty file system in memory with little room; the mount point is
    /// made. → [`crate::Observation::Done`]
    MountMemory {
        /// Absolute path.
        target: String,
        /// How much room.
        bytes: u64,
    },
    /// Make files named 0, 1, 2 … in a folder, which is made too.
    /// → [`crate::Observation::Done`]
    MakeFiles {
        /// Absolute path.
        folder: String,
        /// How many.
        count: u32,
    },
    /// Remove every file beneath a folder whose name begins so.
    /// → [`crate::Observation::Done`]
    RemoveFiles {
        /// Absolute path.
        beneath: String,
        /// The beginning of the names.
        prefix: String,
    },
    /// Run the probe executable. → [`crate::Observation::Probed`]
    Probe(Task),
    /// Run the probe executable, let it open a file and wait for
    /// [`crate::Probe::Held`]. One that holds something under this name
    /// already is ended first. → [`crate::Observation::Probed`], of opening
    Hold {
        /// What later probes call it.
        name: String,
        /// What it opens.
        hold: Hold,
    },
    /// Start a long-running process whose standard output is JSON lines, and
    /// wait until a line matches `ready`, the process exits, or the deadline
    /// passes. → [`crate::Observation::Spawned`]
    Spawn {
        /// What later actions call it. A new process may take the name of
        /// one that has exited; the output of both is kept.
        name: String,
        /// Program and arguments.
        argv: Vec<String>,
        /// Subset that a line must match: see [`matches_subset`].
        ready: Value,
        /// In milliseconds.
        deadline_ms: u64,
    },
    /// Note the end of a process's output so far, for `since_mark`.
    /// → [`crate::Observation::Done`]
    Mark {
        /// The process.
        name: String,
    },
    /// Send a signal. → [`crate::Observation::Done`]
    Signal {
        /// The process.
        name: String,
        /// Signal number.
        signal: i32,
    },
    /// Stop a process (`SIGSTOP`) and wait until the kernel says that it is
    /// stopped. `SIGCONT` makes it go on. → [`crate::Observation::Done`]
    Stop {
        /// The process.
        name: String,
        /// In milliseconds.
        deadline_ms: u64,
    },
    /// Wait for a process to exit. → [`crate::Observation::Exited`]
    AwaitExit {
        /// The process.
        name: String,
        /// In milliseconds.
        deadline_ms: u64,
    },
    /// Wait until at least `count` lines of a process's output match.
    /// → [`crate::Observation::Lines`]
    AwaitLines {
        /// The process.
        name: String,
        /// Subset that a line must match.
        matches: Value,
        /// How many at least. With 0 it does not wait: it only counts.
        count: u64,
        /// Look only at lines after the last [`Action::Mark`].
        since_mark: bool,
        /// In milliseconds.
        deadline_ms: u64,
    },
    /// Wait until the last of some processes can say no more, then count lines of
    /// their output, each number once, and look whether they are numbered without
    /// a gap. → [`crate::Observation::Tally`]
    Tally {
        /// The processes, one after the other.
        names: Vec<String>,
        /// Subset of the lines that are counted.
        matches: Value,
        /// The field of these lines that holds their number.
        number: String,
        /// Subset of the line in which the process sums up.
        summary: Value,
        /// In milliseconds.
        deadline_ms: u64,
    },
    /// Open a file without pause while the agent is given policies or killed.
    /// → [`crate::Observation::Stormed`]
    Storm(Box<Storm>),
    /// Let something go wrong, and wait until it has.
    /// → [`crate::Observation::Done`]
    Inject {
        /// What [`Action::Lift`] calls it.
        name: String,
        /// What.
        fault: Fault,
        /// Whose, when it is of a process.
        process: String,
        /// In milliseconds.
        deadline_ms: u64,
    },
    /// Put right what went wrong. → [`crate::Observation::Done`]
    Lift {
        /// The name given in [`Action::Inject`].
        name: String,
    },
    /// A mixed load for a long time, at whose end the agent is told to stop.
    /// → [`crate::Observation::Soaked`]
    Soak(Box<Soak>),
    /// Tell the host to stop this machine for a while, and wait until it goes on.
    /// → [`crate::Observation::Done`]
    Suspend {
        /// In milliseconds, of the host's time.
        for_ms: u64,
    },
    /// Mount a file system in memory and make a world in it.
    /// → [`crate::Observation::Done`]
    MakeWorld(World),
    /// Unmount a world and all that is mounted in it. One that is not there is
    /// none to unmount. → [`crate::Observation::Done`]
    EndWorld {
        /// Where it is mounted.
        root: String,
    },
    /// Many attempts in a row. → [`crate::Observation::Batched`]
    Batch(Box<Batch>),
    /// Run a command to its end. → [`crate::Observation::Ran`]
    Run {
        /// Program and arguments.
        argv: Vec<String>,
        /// In milliseconds.
        deadline_ms: u64,
    },
    /// Ask the kernel itself, not the agent, which BPF links exist.
    /// → [`crate::Observation::BpfLinks`]
    ListBpfLinks,
}

/// A text that stands for what only the guest can know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blank {
    /// It is written over wherever it is.
    pub text: String,
    /// With this.
    pub lookup: Lookup,
}

/// Something that only the guest can know. Numbers are decimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Lookup {
    /// The number of the inode that has this name.
    InodeOf(String),
    /// The device of the file system of this name: major, colon, minor.
    DeviceOf(String),
    /// The SHA-256 of a file's content, in hex.
    Sha256Of(String),
    /// The number of the mount namespace in [`crate::MOUNT_NAMESPACES_DIR`]
    /// that has this name.
    MountNamespaceOf(String),
}

/// Whether `line` holds all of `subset`: objects match when every key of the
/// subset matches, arrays when they are as long and each element matches the one
/// in its place, scalars when they are equal.
pub fn matches_subset(line: &Value, subset: &Value) -> bool {
    match (line, subset) {
        (Value::Object(line), Value::Object(subset)) => subset
            .iter()
            .all(|(key, wanted)| line.get(key).is_some_and(|got| matches_subset(got, wanted))),
        (Value::Array(line), Value::Array(subset)) => {
            let mut pairs = line.iter().zip(subset);
            line.len() == subset.len() && pairs.all(|(got, wanted)| matches_subset(got, wanted))
        }
        (line, subset) => line == subset,
    }
}

#[cfg(test)]
mod tests {
    use super::matches_subset;
    use serde_json::json;

    #[test]
    fn a_subset_matches_only_when_every_key_of_it_does() {
        let line = json!({"type": "denial", "rule": "a", "object": {"path": "/x", "ino": 4}});
        let check = |subset, expected| assert_eq!(matches_subset(&line, &subset), expected);
        check(json!({}), true);
        check(json!({"type": "denial"}), true);
        check(json!({"object": {"path": "/x"}}), true);
        check(json!({"object": {"path": "/y"}}), false);
        check(json!({"missing": null}), false);
        check(json!("denial"), false);
    }

    #[test]
    fn arrays_match_element_by_element() {
        let line = json!({"held": [{"pid": 1, "rule": "a"}, {"pid": 2, "rule": "b"}]});
        let check = |subset, expected| assert_eq!(matches_subset(&line, &subset), expected);
        check(json!({"held": [{"rule": "a"}, {"rule": "b"}]}), true);
        check(json!({"held": [{"rule": "b"}, {"rule": "a"}]}), false);
        check(json!({"held": [{"rule": "a"}]}), false);
        check(json!({"held": []}), false);
    }
}
