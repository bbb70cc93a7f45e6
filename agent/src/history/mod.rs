//! Every policy that was ever applied here, and the record of it.
//!
//! ```text
//! /var/lib/aegisbpf/history/
//!   policies/SHA256      the text of a policy, by its digest
//!   entries/0000000001   one event each, chained by hashes
//! ```
//!
//! Both are only ever added to, in the one way that power loss cannot break: write
//! under another name, wait for the disk, rename, wait for the folder. An
//! entry is written when the text it names is on the disk; it is the moment at
//! which a policy becomes the current one. Nothing else says which one is.
//!
//! | module | holds |
//! | --- | --- |
//! | [`entry`] | one entry and its hash |
//! | [`files`] | what is asked of a file system |

pub mod entry;
#[cfg(test)]
pub(crate) mod fake;
pub mod files;

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use entry::{Entry, Event, Kept, Operator};
pub use files::{Disk, Files};

use crate::{hex::Hex, signature::Floor};

/// Where names begin that an interrupted write leaves.
const UNFINISHED: &str = ".";

/// Why the history cannot be used.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It was changed by something else.
    #[error("the history is broken at {}: {problem}; nothing after it is believed", path.display())]
    Broken {
        /// The entry or the policy.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No policy is kept under this digest.
    #[error(
        "no policy with a digest that begins with {0:?} was applied here; `aegisbpf policy history` lists them"
    )]
    Unknown(String),
}

/// What follows from all entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The policy that is, or will be, in force.
    pub current: Option<Kept>,
    /// It has yet to be confirmed.
    pub pending: Option<Pending>,
    /// The highest counter of a signed policy.
    pub floor: Option<Floor>,
}

/// A policy that is taken back unless it is confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Seconds since 1970.
    pub confirm_by: u64,
    /// What was in force before; nothing when absent.
    pub back_to: Option<Kept>,
}

impl State {
    fn follow(&mut self, event: &Event) {
        match event {
            Event::Applied {
                policy, confirm_by, ..
            } => {
                // Of several unconfirmed policies, all are taken back.
                let confirmed = match self.pending.take() {
                    Some(pending) => pending.back_to,
                    None => self.current.take(),
                };
                self.pending = confirm_by.map(|confirm_by| Pending {
                    confirm_by,
                    back_to: confirmed,
                });
                if let Some(signed) = &policy.signed {
                    let floor = Floor {
                        counter: signed.statement.counter,
                        text: policy.text,
                    };
                    if self.floor.is_none_or(|old| old.counter <= floor.counter) {
                        self.floor = Some(floor);
                    }
                }
                self.current = Some(policy.clone());
            }
            Event::Confirmed => self.pending = None,
            Event::RolledBack { policy, .. } => {
                self.pending = None;
                self.current = Some(policy.clone());
            }
            Event::Reset { .. } => {
                self.pending = None;
                self.current = None;
            }
            Event::Refused { .. } => {}
        }
    }
}

/// The history of a host. One at a time: the daemon's, or, holding its lock,
/// the command line's.
#[derive(Debug)]
pub struct History<F> {
    files: F,
    root: PathBuf,
    sequence: u64,
    last: Hex<32>,
    state: State,
}

impl<F: Files> History<F> {
    /// Open the history in a folder, or begin one. Reads and checks the whole
    /// chain.
    pub fn open(mut files: F, root: &Path) -> Result<Self, HistoryError> {
        let parts = ["policies", "entries"].map(|part| root.join(part));
        for folder in &parts {
            at(folder, files.make_folder(folder))?;
        }
        // The agent's own folder may be new too.
        for folder in root.ancestors().take(3) {
            at(folder, files.sync(folder))?;
        }
        for folder in &parts {
            for name in at(folder, files.list(folder))? {
                if name.starts_with(UNFINISHED) {
                    let path = folder.join(name);
                    at(&path, files.remove(&path))?;
                }
            }
        }
        let mut history = Self {
            files,
            root: root.to_owned(),
            sequence: 0,
            last: Hex([0; 32]),
            state: State::default(),
        };
        for entry in history.entries()? {
            history.advance(&entry);
        }
        Ok(history)
    }

    /// What follows from all entries.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Every entry, after checking that it follows the one before.
    pub fn entries(&self) -> Result<Vec<Entry>, HistoryError> {
        let folder = self.root.join("entries");
        let mut entries: Vec<Entry> = Vec::new();
        let mut last = Hex([0; 32]);
        for (number, name) in (1..).zip(at(&folder, self.files.list(&folder))?) {
            let path = folder.join(&name);
            let broken = |problem: String| HistoryError::Broken {
                path: path.clone(),
                problem,
            };
            if name != file_name(number) {
                return Err(broken(format!("entry {number} is missing")));
            }
            let entry = Entry::from_bytes(&at(&path, self.files.read(&path))?).map_err(&broken)?;
            if entry.sequence != number || entry.previous != last {
                return Err(broken("it does not follow the entry before".into()));
            }
            last = entry.hash();
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Check the chain and every text it names; returns how many entries.
    pub fn verify(&self) -> Result<usize, HistoryError> {
        let entries = self.entries()?;
        for entry in &entries {
            if let Event::Applied { policy, .. } | Event::RolledBack { policy, .. } = &entry.event {
                self.text(policy.text)?;
            }
        }
        Ok(entries.len())
    }

    /// Keep a policy's text, so that an entry can name it.
    pub fn keep(&mut self, text: &str) -> Result<Hex<32>, HistoryError> {
        let digest = Hex(Sha256::digest(text).into());
        if self.text(digest).is_err() {
            self.add("policies", &digest.to_string(), text.as_bytes())?;
        }
        Ok(digest)
    }

    /// The text of a policy that was applied once.
    pub fn text(&self, digest: Hex<32>) -> Result<String, HistoryError> {
        let path = self.root.join("policies").join(digest.to_string());
        let content = at(&path, self.files.read(&path))?;
        let changed = || HistoryError::Broken {
            path: path.clone(),
            problem: "its content is not what was applied".into(),
        };
        if Sha256::digest(&content)[..] != digest.0 {
            return Err(changed());
        }
        String::from_utf8(content).map_err(|_| changed())
    }

    /// The policy last applied under a digest, of which the beginning is
    /// enough.
    pub fn find(&self, digest: &str) -> Result<Kept, HistoryError> {
        let names = |kept: &Kept| [kept.policy, kept.text].map(|digest| digest.to_string());
        let named = |kept: &Kept| names(kept).iter().any(|name| name.starts_with(digest));
        self.last_applied(named)?
            .filter(|_| digest.len() >= 8)
            .ok_or_else(|| HistoryError::Unknown(digest.to_owned()))
    }

    /// The policy last applied with another text.
    pub fn before(&self, current: Option<&Kept>) -> Result<Option<Kept>, HistoryError> {
        self.last_applied(|kept| current.is_none_or(|current| current.text != kept.text))
    }

    fn last_applied(&self, wanted: impl Fn(&Kept) -> bool) -> Result<Option<Kept>, HistoryError> {
        let kept = self
            .entries()?
            .into_iter()
            .rev()
            .filter_map(|entry| match entry.event {
                Event::Applied { policy, .. } | Event::RolledBack { policy, .. } => Some(policy),
                _ => None,
            });
        Ok(kept.into_iter().find(wanted))
    }

    /// Add an entry. When this returns, it is on the disk; when it fails, it
    /// may be all the same, and the next entry takes its place.
    pub fn record(
        &mut self,
        time: u64,
        operator: Operator,
        event: Event,
    ) -> Result<Entry, HistoryError> {
        let entry = Entry {
            sequence: self.sequence + 1,
            previous: self.last,
            time,
            operator,
            event,
        };
        self.add("entries", &file_name(entry.sequence), &entry.to_bytes())?;
        self.advance(&entry);
        Ok(entry)
    }

    fn advance(&mut self, entry: &Entry) {
        self.sequence = entry.sequence;
        self.last = entry.hash();
        self.state.follow(&entry.event);
    }

    fn add(&mut self, folder: &str, name: &str, content: &[u8]) -> Result<(), HistoryError> {
        let folder = self.root.join(folder);
        let unfinished = folder.join(format!("{UNFINISHED}{name}"));
        let path = folder.join(name);
        at(&unfinished, self.files.write(&unfinished, content))?;
        at(&unfinished, self.files.sync(&unfinished))?;
        at(&path, self.files.rename(&unfinished, &path))?;
        at(&folder, self.files.sync(&folder))
    }
}

fn file_name(sequence: u64) -> String {
    format!("{sequence:010}")
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, HistoryError> {
    result.map_err(|source| HistoryError::Io {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
