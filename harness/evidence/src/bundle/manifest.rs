//! What the evidence is, and what it is about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    digest::{Digest, Identity},
    moment::Moment,
};

/// Raised when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that the root stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format.
    pub schema_version: u32,
    /// The checklist that the evidence was collected for; its text is a blob.
    pub checklist: Digest,
    /// What is to be released.
    pub subjects: BTreeMap<String, Identity>,
    /// When the last piece was collected.
    pub collected: Moment,
    /// Every piece, by its name in the checklist.
    pub evidence: BTreeMap<String, Entry>,
    /// What could not be collected, and why.
    pub missing: BTreeMap<String, String>,
    /// Signed waivers, as blobs, in order.
    pub waivers: Vec<Digest>,
    /// The place in the chain: 0 for the first bundle.
    pub sequence: u64,
    /// The bundle before this one.
    pub previous: Option<Previous>,
}

/// A piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its content, which is a blob.
    pub digest: Digest,
    /// How long that is.
    pub bytes: u64,
    /// When it was made, for all that the collector knows.
    pub made: Moment,
    /// What it is about, for all that the collector knows.
    pub about: BTreeMap<String, Identity>,
}

/// The bundle before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// Its evidence root.
    pub root: Digest,
}

impl Manifest {
    /// Every blob that it names.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = Digest> {
        let evidence = self.evidence.values().map(|entry| entry.digest);
        let others = self.waivers.iter().copied();
        evidence.chain(others).chain([self.checklist])
    }
}
