//! Backups: made on schedule, verified, and restored elsewhere and compared.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, some, subjects_of};
use crate::{
    cause::Cause,
    digest::{Digest, Identity},
    moment::{Age, Moment},
};

/// The version of the record that is understood.
const SCHEMA_VERSION: u32 = 1;

/// What must be so of the backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// How far backups may be apart, and how old the last may be.
    every: Age,
    /// How old the last restore may be.
    restored_every: Age,
    /// How long a restore may take.
    within: Age,
    /// How many things must have been compared at least, such as tables.
    compared: usize,
}

/// What a drill writes; see docs/gate.md.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    schema_version: u32,
    commit: Option<String>,
    #[serde(default)]
    subjects: BTreeMap<String, Identity>,
    measured_at: Option<Moment>,
    backups: Vec<OneBackup>,
    restores: Vec<Restored>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneBackup {
    made: Moment,
    sha256: Digest,
    bytes: u64,
    /// Whether it was read back and found whole.
    verified: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restored {
    /// The digest of the backup.
    backup: Digest,
    at: Moment,
    from: String,
    into: String,
    milliseconds: u64,
    compared: Vec<Compared>,
}

/// Contents, by count, digest or whatever tells them apart.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compared {
    what: String,
    original: String,
    restored: String,
}

impl Backup {
    pub(super) fn problem(&self) -> Option<String> {
        (self.compared == 0).then(|| {
            "a restore that nothing was compared of shows nothing: `compared` is 1 or more".into()
        })
    }

    pub(super) fn read(&self, bytes: &[u8], now: Moment) -> Result<Reading, Cause> {
        let record: Record = serde_json::from_slice(bytes).map_err(Cause::unparsable)?;
        if record.schema_version != SCHEMA_VERSION {
            let found = record.schema_version;
            return Err(Cause::unparsable(format!(
                "schema_version {found}; expected {SCHEMA_VERSION}"
            )));
        }
        let mut causes = self.schedule(&record.backups, now);
        let last = record.restores.iter().max_by_key(|one| one.at);
        match last {
            None => causes.push(Cause::inconclusive("no backup was ever restored")),
            Some(restored) => self.restore(restored, &record.backups, now, &mut causes),
        }
        let mut stated = subjects_of(record.subjects, record.commit.as_deref());
        stated.at = record.measured_at;
        let compared = last.map_or(0, |one| one.compared.len());
        let shown = format!(
            "{} backups, the last restored whole elsewhere, {compared} things compared",
            record.backups.len()
        );
        Ok(Reading::of(stated, causes, shown))
    }

    fn schedule(&self, backups: &[OneBackup], now: Moment) -> Vec<Cause> {
        let mut causes = Vec::new();
        let mut sorted: Vec<&OneBackup> = backups.iter().collect();
        sorted.sort_by_key(|one| one.made);
        let Some(last) = sorted.last() else {
            return vec![Cause::failed("there is no backup")];
        };
        let every = self.every;
        let age = now.since(last.made).unwrap_or_default();
        if age > every.0 {
            let age = Age(age);
            causes.push(Cause::failed(format!(
                "the last backup is {age} old; there must be one every {every}"
            )));
        }
        for pair in sorted.windows(2) {
            let apart = pair[1].made.since(pair[0].made).unwrap_or_default();
            if apart > every.0 {
                let (apart, after) = (Age(apart), pair[0].made);
                causes.push(Cause::failed(format!(
                    "after the backup of {after} there was none for {apart}"
                )));
            }
        }
        if !last.verified {
            causes.push(Cause::failed("the last backup was not verified"));
        }
        if last.bytes == 0 {
            causes.push(Cause::failed("the last backup is empty"));
        }
        causes
    }

    fn restore(&self, one: &Restored, backups: &[OneBackup], now: Moment, causes: &mut Vec<Cause>) {
        let age = now.since(one.at).unwrap_or_default();
        if age > self.restored_every.0 {
            let (age, most) = (Age(age), self.restored_every);
            causes.push(Cause::failed(format!(
                "the last restore was {age} ago; there must be one every {most}"
            )));
        }
        if !backups.iter().any(|made| made.sha256 == one.backup) {
            causes.push(Cause::failed("what was restored is none of the backups"));
        }
        if one.from == one.into {
            let place = &one.from;
            causes.push(Cause::failed(format!(
                "it was restored where it came from, into {place}"
            )));
        }
        let took = std::time::Duration::from_millis(one.milliseconds);
        if took > self.within.0 {
            let (took, most) = (took.as_secs(), self.within);
            causes.push(Cause::failed(format!(
                "the restore took {took} s; at most {most} is allowed"
            )));
        }
        let differing = one
            .compared
            .iter()
            .filter(|one| one.original != one.restored);
        let differing: Vec<String> = differing
            .map(|one| {
                format!(
                    "{} was {}, came back as {}",
                    one.what, one.original, one.restored
                )
            })
            .collect();
        if !differing.is_empty() {
            causes.push(Cause::failed(some(&differing)));
        }
        if one.compared.len() < self.compared {
            let (found, least) = (one.compared.len(), self.compared);
            causes.push(Cause::inconclusive(format!(
                "{found} things were compared; {least} must be"
            )));
        }
    }
}
