//! Verdicts of counted instructions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, subjects_of};
use crate::{cause::Cause, digest::Identity};

/// The version of the report's format that is understood.
const SCHEMA_VERSION: u32 = 1;

/// Operations that must be certainly within their bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PerfCount {
    /// Operations, as `cargo xtask perf count` names them.
    operations: Vec<String>,
    /// Kernels, by series.
    kernels: Vec<String>,
    /// Whose cost.
    #[serde(default = "aegisbpf")]
    agent: String,
    /// With how many rules of each kind at least.
    #[serde(default)]
    least_rules: u32,
}

fn aegisbpf() -> String {
    "aegisbpf".into()
}

/// What is read of a report; see docs/schema/perf-count.schema.json.
#[derive(Deserialize)]
struct Report {
    schema_version: u32,
    commit: Option<String>,
    #[serde(default)]
    subjects: BTreeMap<String, Identity>,
    agent: String,
    rules: u32,
    kernels: Vec<Kernel>,
    not_counted: Vec<NotCounted>,
}

#[derive(Deserialize)]
struct NotCounted {
    kernel: String,
    reason: String,
}

#[derive(Deserialize)]
struct Kernel {
    #[serde(rename = "kernel")]
    series: String,
    calibration: Calibration,
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
struct Calibration {
    proven: bool,
}

#[derive(Deserialize)]
struct Operation {
    #[serde(rename = "operation")]
    name: String,
    verdict: Verdict,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Unbounded,
    Within,
    Exceeded,
    Inconclusive,
}

impl PerfCount {
    pub(super) fn problem(&self) -> Option<String> {
        (self.operations.is_empty() || self.kernels.is_empty())
            .then(|| "no operation or no kernel, so it would always pass: name some".into())
    }

    pub(super) fn read(&self, bytes: &[u8]) -> Result<Reading, Cause> {
        let report: Report = serde_json::from_slice(bytes).map_err(Cause::unparsable)?;
        if report.schema_version != SCHEMA_VERSION {
            let found = report.schema_version;
            return Err(Cause::unparsable(format!(
                "schema_version {found}; expected {SCHEMA_VERSION}"
            )));
        }
        let stated = subjects_of(report.subjects.clone(), report.commit.as_deref());
        let mut causes = Vec::new();
        if report.agent != self.agent {
            let why = format!("measured {}, not {}", report.agent, self.agent);
            causes.push(Cause::failed(why));
        }
        if report.rules < self.least_rules {
            let (found, least) = (report.rules, self.least_rules);
            let why = format!("measured with {found} rules of each kind; {least} are asked for");
            causes.push(Cause::inconclusive(why));
        }
        for kernel in &self.kernels {
            causes.extend(self.kernel(kernel, &report));
        }
        let (operations, kernels) = (self.operations.join(", "), self.kernels.join(", "));
        let shown = format!("{operations} within their bounds on {kernels}");
        Ok(Reading::of(stated, causes, shown))
    }

    fn kernel(&self, name: &str, report: &Report) -> Vec<Cause> {
        let Some(kernel) = report.kernels.iter().find(|kernel| kernel.series == name) else {
            let mut not_counted = report.not_counted.iter();
            let why = not_counted
                .find(|kernel| kernel.kernel == name)
                .map_or("it was not asked for", |kernel| &kernel.reason);
            return vec![Cause::inconclusive(format!("not counted on {name}: {why}"))];
        };
        if !kernel.calibration.proven {
            let why = format!("the counter was not proven on {name}");
            return vec![Cause::inconclusive(why)];
        }
        let judged = |operation: &String| {
            let mut all = kernel.operations.iter();
            let found = all.find(|counted| counted.name == *operation);
            match found.map(|counted| &counted.verdict) {
                Some(Verdict::Within) => None,
                Some(Verdict::Exceeded) => Some(Cause::failed(format!(
                    "{operation} costs more than its bound on {name}"
                ))),
                Some(Verdict::Unbounded) => Some(Cause::inconclusive(format!(
                    "{operation} has no bound on {name}"
                ))),
                Some(Verdict::Inconclusive) => Some(Cause::inconclusive(format!(
                    "{operation} is too spread to say on {name}"
                ))),
                None => Some(Cause::inconclusive(format!(
                    "{operation} was not counted on {name}"
                ))),
            }
        };
        self.operations.iter().filter_map(judged).collect()
    }
}
