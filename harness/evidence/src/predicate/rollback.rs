//! A drill in which a release was taken back.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, subjects_of};
use crate::{
    cause::Cause,
    digest::Identity,
    moment::{Age, Moment},
};

/// The version of the record that is understood.
const SCHEMA_VERSION: u32 = 1;

/// What must be so of the drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// How long it may take until the old release serves.
    within: Age,
}

/// What a drill writes; see docs/gate.md.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    schema_version: u32,
    commit: Option<String>,
    #[serde(default)]
    subjects: BTreeMap<String, Identity>,
    started: Moment,
    /// The release that was taken back, as the service names it.
    from: String,
    /// The release that should serve again.
    to: String,
    steps: Vec<Step>,
    /// What answered at the end.
    serves: Option<String>,
    /// How long it took until that was healthy.
    healthy_after_milliseconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    ok: bool,
}

impl Rollback {
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Reading, Cause> {
        let record: Record = serde_json::from_slice(bytes).map_err(Cause::unparsable)?;
        if record.schema_version != SCHEMA_VERSION {
            let found = record.schema_version;
            return Err(Cause::unparsable(format!(
                "schema_version {found}; expected {SCHEMA_VERSION}"
            )));
        }
        let mut causes = Vec::new();
        let (from, to) = (&record.from, &record.to);
        if record.steps.is_empty() {
            causes.push(Cause::inconclusive("the drill had no steps"));
        }
        for step in record.steps.iter().filter(|step| !step.ok) {
            causes.push(Cause::failed(format!("the step `{}` failed", step.name)));
        }
        if from == to {
            causes.push(Cause::failed(format!("it went from {from} to the same")));
        }
        match &record.serves {
            Some(serves) if serves == to => {}
            Some(serves) => {
                causes.push(Cause::failed(format!(
                    "at the end {serves} serves, not {to}"
                )));
            }
            None => causes.push(Cause::inconclusive(
                "nobody looked at what serves at the end",
            )),
        }
        let took = record.healthy_after_milliseconds.map(Duration::from_millis);
        match took {
            Some(took) if took > self.within.0 => {
                let (took, most) = (took.as_secs(), self.within);
                causes.push(Cause::failed(format!(
                    "it took {took} s; at most {most} is allowed"
                )));
            }
            Some(_) => {}
            None => causes.push(Cause::failed(format!("{to} did not become healthy"))),
        }
        let seconds = took.unwrap_or_default().as_secs();
        let shown = format!("from {from} back to {to} in {seconds} s");
        let mut stated = subjects_of(record.subjects, record.commit.as_deref());
        stated.at = Some(record.started);
        Ok(Reading::of(stated, causes, shown))
    }
}
