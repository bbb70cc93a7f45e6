//! Cells of an end-to-end run: which must have passed, on which kernels.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, bad_pattern, glob, some, subjects_of};
use crate::{cause::Cause, digest::Identity, moment::Moment};

/// The version of the report's format that is understood.
const SCHEMA_VERSION: u32 = 1;

/// Cells that must have run and passed. No other cell of these scenarios on
/// these kernels may have come to anything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct E2e {
    /// Scenarios, by id or pattern such as `open-*`; each must have a cell on
    /// each kernel.
    scenarios: Vec<String>,
    /// Kernels, by series.
    kernels: Vec<String>,
    /// How they are booted.
    #[serde(default = "bpf_lsm")]
    boot_mode: String,
    /// Whose cells.
    #[serde(default = "aegisbpf")]
    agent: String,
    /// Codes with which a cell may be skipped, such as `missing-capability`,
    /// as long as the scenario passed on some of the kernels.
    #[serde(default)]
    may_skip: Vec<String>,
    /// How many cells must have passed at least.
    #[serde(default = "one")]
    at_least: usize,
}

fn bpf_lsm() -> String {
    "bpf-lsm".into()
}

fn aegisbpf() -> String {
    "aegisbpf".into()
}

const fn one() -> usize {
    1
}

/// What is read of a report; see docs/schema/report.schema.json.
#[derive(Deserialize)]
struct Report {
    schema_version: u32,
    run: Run,
    totals: Totals,
    cells: Vec<Cell>,
}

#[derive(Deserialize)]
struct Run {
    started: Moment,
    interrupted: bool,
    commit: Option<String>,
    #[serde(default)]
    subjects: BTreeMap<String, Identity>,
}

#[derive(Deserialize)]
struct Totals {
    cells: usize,
}

#[derive(Deserialize)]
struct Cell {
    kernel: String,
    boot_mode: String,
    scenario: String,
    agent: String,
    outcome: Outcome,
    code: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Passed,
    Failed,
    Skipped,
    Infra,
    NotRun,
}

impl E2e {
    pub(super) fn problem(&self) -> Option<String> {
        if self.scenarios.is_empty() || self.kernels.is_empty() {
            return Some("no scenario or no kernel, so it would always pass: name some".into());
        }
        bad_pattern(&self.scenarios)
    }

    pub(super) fn read(&self, bytes: &[u8]) -> Result<Reading, Cause> {
        let report: Report = serde_json::from_slice(bytes).map_err(Cause::unparsable)?;
        if report.schema_version != SCHEMA_VERSION {
            let found = report.schema_version;
            return Err(Cause::unparsable(format!(
                "schema_version {found}; expected {SCHEMA_VERSION}"
            )));
        }
        if report.totals.cells != report.cells.len() {
            return Err(Cause::unparsable(format!(
                "{} cells, but the totals say {}",
                report.cells.len(),
                report.totals.cells
            )));
        }
        let mut stated = subjects_of(report.run.subjects, report.run.commit.as_deref());
        stated.at = Some(report.run.started);
        let mut causes = Vec::new();
        if report.run.interrupted {
            causes.push(Cause::inconclusive("the run was interrupted"));
        }
        let mut passed = 0;
        for scenario in &self.scenarios {
            passed += self.scenario(scenario, &report.cells, &mut causes);
        }
        if causes.is_empty() && passed < self.at_least {
            let least = self.at_least;
            causes.push(Cause::failed(format!(
                "{passed} cells passed; {least} must"
            )));
        }
        let shown = format!("{passed} cells passed on {}", self.kernels.join(", "));
        Ok(Reading::of(stated, causes, shown))
    }

    /// How many of its cells passed.
    fn scenario(&self, pattern: &str, cells: &[Cell], causes: &mut Vec<Cause>) -> usize {
        let matcher = glob(pattern);
        let own = |cell: &&Cell| {
            cell.agent == self.agent
                && cell.boot_mode == self.boot_mode
                && matcher
                    .as_ref()
                    .is_some_and(|glob| glob.is_match(&cell.scenario))
        };
        let cells: Vec<&Cell> = cells.iter().filter(own).collect();
        let (mut passed, mut absent) = (0, Vec::new());
        let (mut failed, mut skipped, mut unsure) = (Vec::new(), Vec::new(), Vec::new());
        for kernel in &self.kernels {
            let mut here = cells
                .iter()
                .filter(|cell| cell.kernel == *kernel)
                .peekable();
            if here.peek().is_none() {
                absent.push(kernel.clone());
            }
            for cell in here {
                let code = cell.code.as_deref().unwrap_or("no code");
                let said = format!("{} on {kernel} ({code})", cell.scenario);
                match cell.outcome {
                    Outcome::Passed => passed += 1,
                    Outcome::Failed => failed.push(said),
                    Outcome::Skipped if self.may_skip.iter().any(|may| may == code) => {}
                    Outcome::Skipped => skipped.push(said),
                    Outcome::Infra | Outcome::NotRun => unsure.push(said),
                }
            }
        }
        if !failed.is_empty() {
            causes.push(Cause::failed(some(&failed)));
        }
        if !skipped.is_empty() {
            causes.push(Cause::failed(format!("skipped: {}", some(&skipped))));
        }
        if !unsure.is_empty() {
            causes.push(Cause::inconclusive(format!(
                "not judged: {}",
                some(&unsure)
            )));
        }
        if !absent.is_empty() {
            let why = format!("no cell of {pattern} on {}", absent.join(", "));
            causes.push(Cause::inconclusive(why));
        } else if passed == 0 && failed.is_empty() && skipped.is_empty() && unsure.is_empty() {
            causes.push(Cause::inconclusive(format!("no cell of {pattern} was run")));
        }
        passed
    }
}
