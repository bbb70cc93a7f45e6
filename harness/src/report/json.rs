//! `report.json`. Its schema is `docs/schema/report.schema.json`.

use std::{collections::BTreeMap, time::SystemTime};

use kernel_matrix::BootMode;
use scenarios::{Mode, Scenario, Step};
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use super::{
    figures::{Timings, Totals},
    problem::{self, ProblemReport},
    technique::{self, TechniqueReport},
};
use crate::{
    ability::{Ability, abilities},
    cell::{Cell, Group},
    outcome::OutcomeKind,
    plan::Shard,
    run::{BootResult, CellResult},
};

/// Raised when a field changes its meaning or goes; new ones do not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// One run: what was judged and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version of this format.
    pub schema_version: u32,
    /// The run itself.
    pub run: RunReport,
    /// How many cells had which outcome.
    pub totals: Totals,
    /// What things took.
    pub timings: Timings,
    /// Every machine that was booted.
    pub boots: Vec<BootReport>,
    /// Bad cells by their cause, the most frequent first.
    #[serde(default)]
    pub problems: Vec<ProblemReport>,
    /// Every cell of the plan, in its order.
    pub cells: Vec<CellReport>,
    /// Every scenario of the plan.
    pub catalogue: Vec<ScenarioReport>,
    /// Every way round a rule that was tried, and what came of it.
    pub techniques: Vec<TechniqueReport>,
}

/// One scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioReport {
    /// Its id.
    pub id: String,
    /// What is true when it passes.
    pub title: String,
    /// What it is about.
    pub suite: String,
    /// What its rules are about, such as `file read`.
    pub operations: Vec<String>,
    /// The modes that its agent is started in.
    pub modes: Vec<String>,
    /// The way round a rule that it tries.
    pub bypass: Option<BypassReport>,
}

/// A way round a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BypassReport {
    /// In a few words.
    pub technique: String,
    /// Where it is described.
    pub reference: String,
    /// Why it is known to be open.
    pub gap: Option<String>,
}

/// What a run was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// When it started: RFC 3339, UTC.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// Whether it was interrupted; cells may be `not_run` then.
    pub interrupted: bool,
    /// The tier that was asked for.
    pub tier: String,
    /// `kvm` or `tcg`.
    pub accelerator: String,
    /// How many machines ran at a time.
    pub jobs: usize,
    /// The commit that was tested, if it is known; `-dirty` after it when the
    /// tree differed from it.
    pub commit: Option<String>,
    /// From which every cell's seed follows, with its name.
    pub seed: u64,
    /// All that was planned, of which this may be a shard.
    pub plan: PlanReport,
    /// Which part of the plan this is, such as `2/3`; absent when it is all.
    pub shard: Option<String>,
    /// What was tested, by what it is known by: `agent`, `sha256:…` of its
    /// executable.
    #[serde(default)]
    pub subjects: BTreeMap<String, String>,
}

/// What a run was to be, whichever shard of it was run: two runs with equal
/// plans put the same cells to the same tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanReport {
    /// How many cells it has.
    pub cells: usize,
    /// SHA-256 of the cells' names, a line each, in order.
    pub digest: String,
    /// SHA-256 of what is done and expected in them.
    pub programs: String,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BootReport {
    /// The kernel.
    pub kernel: String,
    /// How it was booted.
    pub boot_mode: String,
    /// `uname -r`.
    pub release: Option<String>,
    /// To the first words of the guest's runner.
    pub seconds: Option<f64>,
    /// Why the first attempt was repeated, if it was.
    pub retried: Option<String>,
    /// Why it did not boot.
    pub failure: Option<String>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellReport {
    /// The kernel.
    pub kernel: String,
    /// How it was booted.
    pub boot_mode: String,
    /// The scenario's id.
    pub scenario: String,
    /// The agent.
    pub agent: String,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// The kind of failure, trouble or skip.
    pub code: Option<String>,
    /// The reason in words.
    pub reason: Option<String>,
    /// From the restored snapshot to the outcome.
    pub seconds: Option<f64>,
    /// From the saved state to a running machine.
    pub restore_seconds: Option<f64>,
    /// Whether its agent had to get ready.
    pub starts_agent: bool,
    /// Splats of its kernel that are known, with why they are let pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub let_pass: Vec<String>,
    /// What of its scenario was not looked at, because the agent has no such
    /// thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// No agent was held against the scenario: whatever one must refuse had to
    /// be allowed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idle: bool,
    /// The command that runs it again.
    pub rerun: String,
}

/// What [`Report::new`] needs to know of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunInfo {
    /// When it started.
    pub started: SystemTime,
    /// How long it took.
    pub seconds: f64,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// The tier that was asked for.
    pub tier: String,
    /// What executed the guests' instructions.
    pub accelerator: String,
    /// How many machines ran at a time.
    pub jobs: usize,
    /// The commit that was tested.
    pub commit: Option<String>,
    /// From which every cell's seed follows.
    pub seed: u64,
    /// All that was planned.
    pub plan: PlanReport,
    /// Which part of it this is.
    pub shard: Option<Shard>,
    /// What was tested, by what it is known by.
    pub subjects: BTreeMap<String, String>,
}

impl Report {
    /// Put a report together.
    pub fn new(
        info: RunInfo,
        cells: Vec<CellReport>,
        boots: Vec<BootReport>,
        catalogue: Vec<ScenarioReport>,
    ) -> Self {
        let run = RunReport {
            started: super::time(info.started),
            seconds: info.seconds,
            interrupted: info.interrupted,
            tier: info.tier,
            accelerator: info.accelerator,
            jobs: info.jobs,
            commit: info.commit,
            seed: info.seed,
            plan: info.plan,
            shard: info.shard.map(String::from),
            subjects: info.subjects,
        };
        Self::of_parts(run, cells, boots, catalogue)
    }

    /// Everything else follows from these.
    pub(super) fn of_parts(
        run: RunReport,
        cells: Vec<CellReport>,
        mut boots: Vec<BootReport>,
        catalogue: Vec<ScenarioReport>,
    ) -> Self {
        boots.sort_by(|a, b| (&a.kernel, &a.boot_mode).cmp(&(&b.kernel, &b.boot_mode)));
        Self {
            schema_version: SCHEMA_VERSION,
            run,
            totals: Totals::of(cells.iter().map(|cell| cell.outcome)),
            timings: Timings::of(&cells, &boots),
            problems: problem::of(&cells),
            techniques: technique::of(&catalogue, &cells),
            boots,
            cells,
            catalogue,
        }
    }
}

impl Report {
    /// Kernel and boot mode of each machine, in order.
    pub fn machines(&self) -> Vec<(&str, &str)> {
        distinct(
            self.cells
                .iter()
                .map(|cell| (cell.kernel.as_str(), cell.boot_mode.as_str())),
        )
    }

    /// Each scenario, in order.
    pub fn scenarios(&self) -> Vec<&str> {
        distinct(self.cells.iter().map(|cell| cell.scenario.as_str()))
    }

    /// The cells of a scenario on a machine, one for each agent.
    pub fn at(
        &self,
        kernel: &str,
        boot_mode: &str,
        scenario: &str,
    ) -> impl Iterator<Item = &CellReport> {
        self.cells.iter().filter(move |cell| {
            cell.kernel == kernel && cell.boot_mode == boot_mode && cell.scenario == scenario
        })
    }
}

fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for one in all {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    once
}

impl ScenarioReport {
    /// What a report says of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        let mut modes: Vec<String> = Vec::new();
        for step in &scenario.steps {
            let mode = match step {
                Step::Start {
                    mode: Mode::Enforce,
                    ..
                } => "enforce",
                Step::Start {
                    mode: Mode::Audit, ..
                } => "audit",
                _ => continue,
            };
            if !modes.iter().any(|known| known == mode) {
                modes.push(mode.into());
            }
        }
        Self {
            id: scenario.id.clone(),
            title: scenario.title.clone(),
            suite: scenario.suite.name().into(),
            operations: operations(scenario),
            modes,
            bypass: scenario.bypass.as_ref().map(|bypass| BypassReport {
                technique: bypass.technique.clone(),
                reference: bypass.reference.clone(),
                gap: bypass.gap.clone(),
            }),
        }
    }
}

/// Each once, by domain and name.
fn operations(scenario: &Scenario) -> Vec<String> {
    let named = |ability| match ability {
        Ability::File(Some(operation)) => Some(format!("file {operation}")),
        Ability::File(None) => Some("file (default)".into()),
        Ability::Exec => Some("exec".into()),
        Ability::Network(Some(operation)) => Some(format!("network {operation}")),
        Ability::Network(None) => Some("network (default)".into()),
        Ability::Kernel(operation) => Some(format!("kernel {operation}")),
        _ => None,
    };
    abilities(scenario).into_iter().filter_map(named).collect()
}

impl BootReport {
    /// What became of a machine.
    pub fn of(boot: &BootResult) -> Self {
        Self {
            kernel: boot.group.kernel.clone(),
            boot_mode: boot.group.boot_mode.to_string(),
            release: boot.release.clone(),
            seconds: boot.booted_in.map(|took| took.as_secs_f64()),
            retried: boot.retried.clone(),
            failure: boot.failure.clone(),
        }
    }
}

impl CellReport {
    /// What became of a cell.
    pub fn of(result: &CellResult, rerun: String) -> Self {
        Self {
            kernel: result.cell.group.kernel.clone(),
            boot_mode: result.cell.group.boot_mode.to_string(),
            scenario: result.cell.scenario.clone(),
            agent: result.cell.agent.clone(),
            outcome: result.outcome.kind(),
            code: result.outcome.code(),
            reason: result.outcome.reason(),
            seconds: result.took.map(|took| took.as_secs_f64()),
            restore_seconds: result.restored_in.map(|took| took.as_secs_f64()),
            starts_agent: result.starts_agent,
            let_pass: result.let_pass.clone(),
            left_out: result.left_out.clone(),
            idle: result.idle,
            rerun,
        }
    }

    /// As people write it.
    pub fn id(&self) -> String {
        let Self {
            kernel,
            boot_mode,
            scenario,
            agent,
            ..
        } = self;
        format!("{kernel}/{boot_mode}/{scenario}/{agent}")
    }

    pub(crate) fn cell(&self) -> Cell {
        Cell {
            group: Group {
                kernel: self.kernel.clone(),
                // What was written by this program; another's is shown
                // without its logs.
                boot_mode: self.boot_mode.parse().unwrap_or(BootMode::BpfLsm),
            },
            scenario: self.scenario.clone(),
            agent: self.agent.clone(),
        }
    }
}

/// The schema of `report.json`.
pub fn schema() -> Schema {
    schema_for!(Report)
}
