//! Which descriptors were open already that a policy would not let be opened:
//! it goes on, unless a rule revokes, and the operator is told.
//!
//! They are looked for right after the policy came into force: what is opened
//! later is denied.

mod process;

use std::{collections::BTreeMap, fs, io, path::Path};

use aegisbpf_abi::{
    Domain, FileFacts, Key, Mode, Operation, Operations, Reference, Role, RuleList,
    active::flag,
    verdict::{Request, decide, speaks_of},
};
use rustix::{
    fs::{AtFlags, CWD, FileType, Statx, StatxFlags, statx},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use crate::{
    image::{Image, Origin},
    kernel::identify::IdentifyError,
    policy::{Policy, model},
};

/// What a descriptor lets do without opening anything.
const OPENING: Operations = Operation::Read.alone().with(Operation::Write.alone());
/// Descriptors that are listed; all are counted.
const LISTED: usize = 100;

/// What was held when a policy came into force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Descriptors that a rule would not let be opened, once for each rule.
    pub found: u64,
    /// Of these, those through which the rule denies reading or writing.
    pub revoked: u64,
    /// Processes and descriptors that could not be looked into.
    pub unseen: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<Descriptor>,
}

impl Held {
    /// Only how many; which, `health` and the answer to `apply` say.
    pub const fn count(&self) -> Self {
        Self {
            listed: Vec::new(),
            ..*self
        }
    }
}

/// A descriptor that is held against a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// Whose.
    pub pid: u32,
    /// Its number.
    pub fd: u32,
    /// Name of that process.
    pub command: String,
    /// Id of the rule.
    pub rule: String,
    /// What it was opened for that the rule denies: `read`, `write`.
    pub operations: Vec<String>,
    /// Whether the rule denies it through the descriptor as well.
    pub held: model::Held,
}

/// Asks the kernel about a file, and, if told so, about the folders above.
pub type Ask<'a> = dyn FnMut(&Path, bool) -> Result<Option<FileFacts>, IdentifyError> + 'a;

/// Look through the descriptors of every process but this one. `proc` is
/// where these are found.
pub fn look(image: &Image, policy: &Policy, proc: &Path, ask: &mut Ask<'_>) -> Held {
    let mut search = Search {
        image,
        policy,
        ask,
        known: BTreeMap::new(),
        held: Held::default(),
    };
    if image.modes.of(Domain::File) == Mode::Enforce {
        for pid in numbers(proc).unwrap_or_default() {
            if pid != std::process::id() {
                let folder = proc.join(pid.to_string());
                let looked = search.process(pid, &folder);
                search.count(&looked);
            }
        }
    }
    search.held
}

struct Search<'a> {
    image: &'a Image,
    policy: &'a Policy,
    ask: &'a mut Ask<'a>,
    /// What was found out about files that have one name, by device and inode.
    known: BTreeMap<(u32, u32, u64), Vec<Entry>>,
    held: Held,
}

/// An entry of a list that may deny reading or writing.
#[derive(Debug, Clone, Copy)]
struct Entry {
    reference: Reference,
    /// Only rules about everything beneath matter.
    beneath: bool,
}

/// Why something was not looked into.
enum Trouble {
    /// It has ended, which is no mistake.
    Gone,
    /// The system refuses.
    Refused,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::SRCH) => Self::Gone,
            _ => Self::Refused,
        }
    }
}

impl From<IdentifyError> for Trouble {
    fn from(error: IdentifyError) -> Self {
        match error {
            IdentifyError::Io(error) => error.into(),
            _ => Self::Refused,
        }
    }
}

impl Search<'_> {
    fn count(&mut self, looked: &Result<(), Trouble>) {
        self.held.unseen += u64::from(matches!(looked, Err(Trouble::Refused)));
    }

    fn process(&mut self, pid: u32, folder: &Path) -> Result<(), Trouble> {
        let mut subjects = None;
        for fd in numbers(&folder.join("fd"))? {
            let looked = self.descriptor(pid, fd, folder, &mut subjects);
            self.count(&looked);
        }
        Ok(())
    }

    fn descriptor(
        &mut self,
        pid: u32,
        fd: u32,
        folder: &Path,
        subjects: &mut Option<u64>,
    ) -> Result<(), Trouble> {
        let path = folder.join("fd").join(fd.to_string());
        let opened_for = opened_for(&path)?;
        let entries = self.entries(&path, opened_for)?;
        if entries.is_empty() {
            return Ok(());
        }
        let subjects = match *subjects {
            Some(known) => known,
            None => *subjects.insert(process::subjects(self.image, folder, self.ask)?),
        };
        for entry in entries {
            let index = entry.reference.index();
            let rule = &self.image.rules[index as usize];
            let denied = |operations| {
                let mut request = Request::new(operations);
                if entry.beneath {
                    request = request.beneath();
                }
                let decision = decide(0, entry.reference, rule, request, subjects);
                let operations = decision.operations();
                decision.denies().then_some(operations)
            };
            let origin = self.image.origins[index as usize];
            let (Some(operations), Origin::Policy(origin)) = (denied(opened_for), origin) else {
                continue;
            };
            let revoked = denied(Operations::HELD)
                .is_some_and(|held| !held.and(through_descriptors(operations)).is_empty());
            self.held.found += 1;
            self.held.revoked += u64::from(revoked);
            if self.held.listed.len() < LISTED {
                let command = fs::read_to_string(folder.join("comm")).unwrap_or_default();
                self.held.listed.push(Descriptor {
                    pid,
                    fd,
                    command: command.trim_end().to_owned(),
                    rule: self.policy.rules[origin].id.clone(),
                    operations: operations.iter().map(|one| one.name().to_owned()).collect(),
                    held: if revoked {
                        model::Held::Revoke
                    } else {
                        model::Held::Keep
                    },
                });
            }
        }
        Ok(())
    }

    /// What may speak of a file or folder. Other descriptors are not files of
    /// rules; one that can neither be read nor written is no harm.
    fn entries(&mut self, path: &Path, opened_for: Operations) -> Result<Vec<Entry>, Trouble> {
        if opened_for.is_empty() {
            return Ok(Vec::new());
        }
        let status = status(path, AtFlags::empty())?;
        let kind = FileType::from_raw_mode(status.stx_mode.into());
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Ok(Vec::new());
        }
        let file = (status.stx_dev_major, status.stx_dev_minor, status.stx_ino);
        if let Some(known) = self.known.get(&file) {
            return Ok(known.clone());
        }
        let Some(facts) = (self.ask)(path, true)? else {
            return Err(Trouble::Gone);
        };
        let entries = entries_about(self.image, &facts);
        // What has several names is at several places.
        if status.stx_nlink <= 1 || kind == FileType::Directory {
            self.known.insert(file, entries.clone());
        }
        Ok(entries)
    }
}

/// The entries of the lists that the hooks find for a file.
fn entries_about(image: &Image, facts: &FileFacts) -> Vec<Entry> {
    let index = |key: Key| {
        let by_number = || {
            let numbers = image.flags & flag::INODE_NUMBERS != 0;
            numbers.then(|| image.index.get(&key.inode_number()))?
        };
        image.index.get(&key).or_else(by_number)
    };
    let [folder, ..] = facts.folders;
    let place = index(folder)
        .filter(|list| list.has(RuleList::FOLDER))
        .and_then(|_| image.index.get(&folder.place(facts.name)));
    let mut folders = facts.folders.iter().filter_map(|folder| index(*folder));
    let subtree = folders.find(|list| list.has(RuleList::SUBTREE));
    [
        (index(facts.object), false),
        (place, false),
        (subtree, true),
    ]
    .into_iter()
    .flat_map(|(list, beneath)| {
        let entries = list.map_or(&[][..], |list| &list.entries).iter();
        let speaks = move |entry: &&Reference| {
            let opening = !speaks_of(entry.role(), OPENING).is_empty();
            !entry.is_none() && opening && (!beneath || entry.is(Role::Beneath))
        };
        entries.filter(speaks).map(move |reference| Entry {
            reference: *reference,
            beneath,
        })
    })
    .fold(Vec::new(), |mut all: Vec<Entry>, entry| {
        // A rule about a path is in the list of its object and in that of its place.
        if all
            .iter()
            .all(|one| one.reference.rule() != entry.reference.rule())
        {
            all.push(entry);
        }
        all
    })
}

/// What a descriptor was opened for: the permissions of its link tell.
fn opened_for(path: &Path) -> Result<Operations, Trouble> {
    let mode = status(path, AtFlags::SYMLINK_NOFOLLOW)?.stx_mode;
    let when = |bit, operation: Operation| match mode & bit {
        0 => Operations::NONE,
        _ => operation.alone(),
    };
    Ok(when(0o400, Operation::Read).with(when(0o200, Operation::Write)))
}

/// The same operations through a descriptor.
fn through_descriptors(operations: Operations) -> Operations {
    let when = |operation, held: Operation| {
        if operations.has(operation) {
            held.alone()
        } else {
            Operations::NONE
        }
    };
    when(Operation::Read, Operation::HeldRead).with(when(Operation::Write, Operation::HeldWrite))
}

/// Without asking a server that may not answer.
fn status(path: &Path, flags: AtFlags) -> Result<Statx, Trouble> {
    let flags = flags | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    Ok(statx(CWD, path, flags, StatxFlags::BASIC_STATS).map_err(io::Error::from)?)
}

/// The numbers among the names in a folder of `/proc`.
fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let names = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.file_name());
    let mut numbers: Vec<u32> = names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests;
