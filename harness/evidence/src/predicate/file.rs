//! A file that must be exactly this one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, Stated};
use crate::{
    cause::Cause,
    digest::{Digest, Identity},
};

/// A content, by its digest: a fixed one, or that of what is to be released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// This digest.
    #[serde(default)]
    sha256: Option<Digest>,
    /// The digest of this subject.
    #[serde(default)]
    same_as: Option<String>,
}

impl File {
    pub(super) fn problem(&self) -> Option<String> {
        (self.sha256.is_some() == self.same_as.is_some())
            .then(|| "say either `sha256` or `same_as`: that a file exists shows nothing".into())
    }

    /// The subject that it must equal.
    pub(crate) fn same_as(&self) -> Option<&str> {
        self.same_as.as_deref()
    }

    pub(super) fn read(&self, bytes: &[u8], subjects: &BTreeMap<String, Identity>) -> Reading {
        let found = Digest::of(bytes);
        let expected = match (&self.sha256, &self.same_as) {
            (Some(digest), _) => Some(Identity::Sha256(*digest)),
            (None, Some(subject)) => subjects.get(subject).cloned(),
            (None, None) => None,
        };
        let causes = match expected {
            Some(expected) if expected == Identity::Sha256(found) => Vec::new(),
            Some(expected) => vec![Cause::failed(format!(
                "the file is sha256:{}, not {}",
                found.short(),
                expected.short()
            ))],
            None => vec![Cause::inconclusive("there is no digest to hold it against")],
        };
        let shown = format!("the file is sha256:{}", found.short());
        Reading::of(Stated::default(), causes, shown)
    }
}
