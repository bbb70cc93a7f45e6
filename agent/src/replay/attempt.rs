//! What is known of an attempt, and of who tried.

use std::collections::BTreeSet;

use aegisbpf_abi::{
    Key, Operation, Operations, Subject, Subjects,
    rule::EVERYONE,
    verdict::{self, differs},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A fact that would be needed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// Which file it was.
    Object,
    /// In which folder the file was.
    Folder,
    /// What the file held.
    Content,
    /// What else the same call asked for: opening can be reading and writing.
    Operations,
    /// Of which protocol the socket was.
    Protocol,
    /// The program of the process.
    Program,
    /// The user.
    Uid,
    /// Below which cgroup the process's own was, which is gone.
    Cgroup,
    /// The mount namespace of the process.
    MountNamespace,
    /// The kernel's programs could not look (`too-deep`, `unreadable`).
    Sight,
}

/// An attempt, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What the call may have asked for: each is all that one call does.
    pub operations: Vec<Operations>,
    /// What it was about.
    pub what: What,
    /// Who tried.
    pub who: Who,
}

impl Attempt {
    /// Every operation that it may be.
    pub fn all(&self) -> Operations {
        let calls = self.operations.iter();
        calls.fold(Operations::NONE, |all, one| all.with(*one))
    }
}

/// What an attempt is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file, or a place where nothing is.
    File {
        /// The file; `None` for a place where nothing is.
        object: Option<Key>,
        /// Where it is.
        location: Location,
        /// SHA-256 of its content, when it is known.
        content: Option<[u8; 32]>,
    },
    /// Some file.
    SomeFile,
    /// An address.
    Peer {
        /// IPv4 in its IPv4-mapped form.
        address: [u8; 16],
        /// Port.
        port: u16,
        /// IANA number, 0 for neither TCP nor UDP; when it is known.
        protocol: Option<u8>,
    },
    /// The kernel itself.
    Kernel,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// At this place, below these folders.
    Known {
        /// The key of the place.
        place: Key,
        /// The folders above.
        above: BTreeSet<Key>,
    },
    /// In some folder.
    Somewhere {
        /// Its name there.
        name: String,
        /// Some of the folders above, if any are known.
        above: BTreeSet<Key>,
    },
}

/// Who tries, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// Object of the program.
    pub program: Option<Key>,
    /// Programs that it is not: whom the rule that was recorded leaves alone.
    pub not: BTreeSet<Key>,
    /// Real user.
    pub uid: Option<u32>,
    /// Inode number of the mount namespace.
    pub mount_namespace: Option<u32>,
    /// Its cgroup.
    pub cgroup: Cgroup,
}

/// The cgroup of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cgroup {
    /// Nobody knows.
    #[default]
    Unknown,
    /// Its id, and nothing of those above it.
    Own(u64),
    /// The ids of all from the root to its own.
    Path(Vec<u64>),
}

/// The subjects of a policy that somebody is.
#[derive(Debug, Clone)]
pub struct Known {
    /// A bit for each that it is.
    pub surely: u64,
    /// A bit for each that it is or may be.
    pub possibly: u64,
    missing: Vec<BTreeSet<Missing>>,
}

impl Known {
    /// What would tell whether it is one of these subjects.
    pub fn missing(&self, bits: u64) -> impl Iterator<Item = Missing> {
        let unknown = bits & self.possibly & !self.surely;
        let numbered = self.missing.iter().enumerate();
        numbered
            .filter(move |(index, _)| unknown >> index & 1 == 1)
            .flat_map(|(_, missing)| missing.iter().copied())
    }
}

impl Who {
    /// Which subjects of a policy it is.
    pub fn subjects(&self, subjects: &Subjects) -> Known {
        let mut known = Known {
            surely: EVERYONE,
            possibly: EVERYONE,
            missing: Vec::new(),
        };
        for (index, subject) in subjects.list[..subjects.count as usize].iter().enumerate() {
            let (asked, missing) = self.askable(subject);
            let who = verdict::Who {
                program: self.program.unwrap_or_default(),
                uid: self.uid.unwrap_or_default(),
                mount_namespace: self.mount_namespace.unwrap_or_default(),
                ..verdict::Who::default()
            };
            let cgroup = self.cgroup.at(&asked);
            let is_not = subject.program_mask != 0 && self.not.contains(&subject.program);
            if differs(&asked, &who, cgroup) == 0 && !is_not {
                known.possibly |= 1 << index;
                known.surely |= u64::from(missing.is_empty()) << index;
            }
            known.missing.push(missing);
        }
        known
    }

    /// A subject with only the fields about which something is known.
    fn askable(&self, subject: &Subject) -> (Subject, BTreeSet<Missing>) {
        let mut asked = *subject;
        let mut missing = BTreeSet::new();
        if self.program.is_none() && asked.program_mask != 0 {
            (asked.program, asked.program_mask) = (Key::default(), 0);
            missing.insert(Missing::Program);
        }
        if self.uid.is_none() && (asked.first_uid, asked.last_uid) != (0, u32::MAX) {
            (asked.first_uid, asked.last_uid) = (0, u32::MAX);
            missing.insert(Missing::Uid);
        }
        if self.mount_namespace.is_none() && asked.mount_namespace_mask != 0 {
            asked.mount_namespace_mask = 0;
            missing.insert(Missing::MountNamespace);
        }
        let told = match &self.cgroup {
            Cgroup::Path(_) => true,
            Cgroup::Own(id) => *id == asked.cgroup,
            Cgroup::Unknown => false,
        };
        if !told && asked.cgroup_mask != 0 {
            asked.cgroup_mask = 0;
            missing.insert(Missing::Cgroup);
        }
        (asked, missing)
    }
}

impl Cgroup {
    /// The one at the level of a subject's; 0 when its own is higher up.
    fn at(&self, subject: &Subject) -> u64 {
        match self {
            Self::Path(ids) => {
                let level = usize::try_from(subject.cgroup_level).unwrap_or(usize::MAX);
                ids.get(level).copied().unwrap_or(0)
            }
            Self::Own(id) => *id,
            Self::Unknown => 0,
        }
    }
}

/// What a call may have asked for of which an event names this operation, the
/// first of which the rule speaks. As the hooks ask, in
/// `ebpf/programs/src/file.rs` and `network.rs`.
pub fn of_event(named: Operation) -> Vec<Operations> {
    use Operation::{Connect, Create, Delete, RawDevice, Read, Rename, Send, Write};
    let calls: &[&[Operation]] = &[
        &[Read],
        &[Write],
        &[Read, Write],
        &[Create],
        &[Delete],
        &[Rename, Delete],
        &[Rename, Create],
        &[Rename, Create, Delete],
        &[Connect],
        &[Send],
        &[Send, Connect],
        &[RawDevice, Read],
        &[RawDevice, Write],
        &[RawDevice, Read, Write],
    ];
    let set = |call: &[Operation]| {
        let one = call.iter().map(|operation| operation.alone());
        one.fold(Operations::NONE, Operations::with)
    };
    let mut possible: Vec<Operations> = calls.iter().map(|call| set(call)).collect();
    possible.retain(|call| {
        // A device is no file that reading is usually about.
        call.has(named) && (named == RawDevice || !call.has(RawDevice))
    });
    if possible.is_empty() {
        possible.push(named.alone());
    }
    possible
}
