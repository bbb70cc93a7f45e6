//! Checklists: what must be shown before something goes live.
//!
//! | module | holds |
//! | --- | --- |
//! | `file` | the format that people write, with its JSON Schema |
//! | `check` | what the format cannot say: names that exist, tests that can fail |
//! | `origin` | where evidence comes from |
//! | `fit` | whether a test fits its evidence |

mod check;
mod file;
mod fit;
mod origin;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest, moment::Age, predicate::Predicate, rollout::Phase, service::Asked,
    written::Mistake,
};

pub use file::VERSION;

/// A checklist, checked: every name in it leads somewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Checklist {
    /// Its name in files and commands.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// How many items may be waived at a time.
    pub most_waivers: usize,
    /// What evidence is about.
    pub subjects: BTreeMap<String, Subject>,
    /// Where evidence comes from.
    pub evidence: BTreeMap<String, Source>,
    /// What must be shown, in the order of the file.
    pub items: Vec<Item>,
    /// Of the file.
    pub digest: Digest,
}

/// What evidence is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// In words.
    pub what: String,
    /// How the collector finds out which it is.
    pub from: SubjectFrom,
}

/// How the collector finds out which subject it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectFrom {
    /// The content of this file.
    File(String),
    /// The commit that is checked out in this folder.
    CommitOf(String),
    /// What a command prints.
    OutputOf(Vec<String>),
    /// The content of the file of this name whose path a command prints.
    NamedBy {
        /// The command.
        command: Vec<String>,
        /// The last part of the path.
        name: String,
    },
}

/// Where a piece of evidence comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file that something else has made.
    File {
        /// Its path.
        path: String,
        /// The subjects that the collector vouches for; others it must name
        /// itself.
        about: Vec<String>,
    },
    /// What a command prints, or a file that it writes.
    Run {
        /// The command.
        command: Command,
        /// The file, when it is not the standard output.
        output: Option<String>,
    },
    /// How a command ends and what it prints.
    Record(Command),
    /// What a running service answers.
    Service {
        /// What is asked.
        asked: Asked,
        /// How long each question may take.
        timeout: Age,
    },
}

/// A command and what it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Word by word; no shell reads it.
    pub argv: Vec<String>,
    /// How long it may take.
    pub timeout: Age,
    /// How much it may print.
    pub most_bytes: usize,
}

/// One thing that must be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Unique.
    pub id: String,
    /// The part of the checklist.
    pub area: String,
    /// What must be the case.
    pub text: String,
    /// How much it matters; none is as P2.
    pub priority: Option<Priority>,
    /// Who sees to it.
    pub owner: String,
    /// What PASS means.
    pub pass: String,
    /// What FAIL means.
    pub fail: String,
    /// Why it is of no concern here, if it is not.
    pub not_applicable: Option<String>,
    /// The phase of a rollout that it decides, if it does.
    pub phase: Option<Phase>,
    /// What must be shown; all of it.
    pub predicates: Vec<Predicate>,
}

/// How much an item matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Priority {
    /// It must be; no waiver helps.
    P0,
    /// It should be.
    P1,
    /// It is a matter of maturity.
    P2,
}

impl Checklist {
    /// Parse and check a file.
    pub fn parse(file: &str, text: &str) -> Result<Self, Mistake> {
        check::parse(file, text)
    }

    /// The areas, in the order in which they first come.
    pub fn areas(&self) -> Vec<&str> {
        let mut areas: Vec<&str> = Vec::new();
        for item in &self.items {
            if !areas.contains(&item.area.as_str()) {
                areas.push(&item.area);
            }
        }
        areas
    }

    /// The command whose record a piece of evidence is.
    pub(crate) fn command(&self, evidence: &str) -> Option<&[String]> {
        match self.evidence.get(evidence)? {
            Source::Record(command) => Some(&command.argv),
            Source::File { .. } | Source::Run { .. } | Source::Service { .. } => None,
        }
    }

    /// What is asked of a service for a piece of evidence.
    pub(crate) fn asked(&self, evidence: &str) -> Option<&Asked> {
        match self.evidence.get(evidence)? {
            Source::Service { asked, .. } => Some(asked),
            Source::File { .. } | Source::Run { .. } | Source::Record(_) => None,
        }
    }
}

impl Item {
    /// Whether a waiver can help.
    pub fn is_waivable(&self) -> bool {
        self.priority != Some(Priority::P0)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
        })
    }
}

/// The JSON Schema of checklists.
pub fn schema() -> Schema {
    schema_for!(file::ChecklistFile)
}
