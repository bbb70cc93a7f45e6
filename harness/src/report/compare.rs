//! Agents side by side, each by a run of its own: what became of the same cell,
//! and of the same way round a rule.
//!
//! | module | holds |
//! | --- | --- |
//! | `text` | as Markdown |
//! | `page` | as HTML |

mod page;
mod text;

use std::{collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    json::{CellReport, ScenarioReport},
    merge::ShardReport,
    technique::{self, Answer},
};
use crate::outcome::{OutcomeKind, SkipReason};

/// Raised whenever a field changes its meaning or goes.
pub(super) const COMPARISON_VERSION: u32 = 1;

/// Several runs, side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// [`COMPARISON_VERSION`].
    pub schema_version: u32,
    /// The runs, in the order given.
    pub runs: Vec<ComparedRun>,
    /// What stands side by side.
    pub columns: Vec<Column>,
    /// One row for each scenario of any run.
    pub scenarios: Vec<ScenarioRow>,
    /// One row for each way round a rule.
    pub techniques: Vec<TechniqueRow>,
}

/// A run of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedRun {
    /// Its folder, as it was given.
    pub name: String,
    /// When it started.
    pub started: String,
    /// What was tested.
    pub commit: Option<String>,
    /// From which its cells' randomness followed.
    pub seed: u64,
    /// What its agents are known by.
    pub subjects: BTreeMap<String, String>,
}

/// An agent on a machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// The kernel's name.
    pub kernel: String,
    /// How it was booted.
    pub boot_mode: String,
    /// The agent's name.
    pub agent: String,
}

/// What became of a scenario, by column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioRow {
    /// Its id.
    pub id: String,
    /// What is true when it passes.
    pub title: String,
    /// What it is about.
    pub suite: String,
    /// In the order of the columns.
    pub results: Vec<Standing>,
}

/// What became of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Standing {
    /// In one word.
    pub is: Word,
    /// Why, where it is not plainly passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What of the scenario was not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// What became of a cell, in one word.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// All of it was as the scenario says.
    Passed,
    /// What the kernel did was; what the agent says of it was not looked at, or
    /// not all of it.
    PassedInPart,
    /// No agent was held against it, and everything was allowed.
    Allowed,
    /// Something was not.
    Failed,
    /// The agent has nothing that could be asked for it.
    NotExpressible,
    /// The kernel lacks what it is about.
    Skipped,
    /// It was not judged.
    Unknown,
    /// The run of this agent does not have it.
    Absent,
}

/// What became of a way round a rule, by column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TechniqueRow {
    /// Its name.
    pub technique: String,
    /// The scenario that tries it.
    pub scenario: String,
    /// Why the reference agent leaves it open, if it does.
    pub gap: Option<String>,
    /// In the order of the columns; nothing where the run does not have it.
    pub answers: Vec<Option<Answer>>,
}

/// Why runs cannot stand side by side.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CompareError {
    /// The same cell twice.
    #[error("{first} and {second} both have the cell {cell}: compare runs of different agents")]
    Twice {
        /// A run.
        first: String,
        /// Another.
        second: String,
        /// The cell.
        cell: String,
    },
    /// Different scenarios under one name.
    #[error(
        "the scenario {scenario} is not the same in {first} and {second}: compare runs of one \
         catalogue"
    )]
    Scenario {
        /// Its id.
        scenario: String,
        /// A run.
        first: String,
        /// Another.
        second: String,
    },
}

/// Put runs side by side.
pub fn compare(runs: &[ShardReport]) -> Result<Comparison, CompareError> {
    let mut cells: BTreeMap<String, (&str, &CellReport)> = BTreeMap::new();
    let mut scenarios: BTreeMap<&str, (&str, &ScenarioReport)> = BTreeMap::new();
    let mut columns: Vec<Column> = Vec::new();
    for run in runs {
        for scenario in &run.report.catalogue {
            let known = scenarios.insert(&scenario.id, (&run.name, scenario));
            if let Some((first, known)) = known.filter(|(_, known)| *known != scenario) {
                return Err(CompareError::Scenario {
                    scenario: known.id.clone(),
                    first: first.into(),
                    second: run.name.clone(),
                });
            }
        }
        for cell in &run.report.cells {
            if let Some((first, _)) = cells.insert(cell.id(), (&run.name, cell)) {
                return Err(CompareError::Twice {
                    first: first.into(),
                    second: run.name.clone(),
                    cell: cell.id(),
                });
            }
            let column = Column::of(cell);
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
    }
    // By machine, and there in the order of the runs.
    columns.sort_by(|a, b| (&a.kernel, &a.boot_mode).cmp(&(&b.kernel, &b.boot_mode)));
    let at =
        |scenario: &str, column: &Column| cells.get(&column.cell(scenario)).map(|(_, cell)| *cell);
    let rows = scenarios.values().map(|(_, scenario)| ScenarioRow {
        id: scenario.id.clone(),
        title: scenario.title.clone(),
        suite: scenario.suite.clone(),
        results: columns
            .iter()
            .map(|column| Standing::of(at(&scenario.id, column)))
            .collect(),
    });
    let techniques = scenarios.values().filter_map(|(_, scenario)| {
        let bypass = scenario.bypass.as_ref()?;
        Some(TechniqueRow {
            technique: bypass.technique.clone(),
            scenario: scenario.id.clone(),
            gap: bypass.gap.clone(),
            answers: columns
                .iter()
                .map(|column| {
                    let cell = at(&scenario.id, column)?;
                    Some(technique::answer(cell, bypass.gap.is_some()))
                })
                .collect(),
        })
    });
    let (scenarios, techniques) = (rows.collect(), techniques.collect());
    Ok(Comparison {
        schema_version: COMPARISON_VERSION,
        runs: runs.iter().map(ComparedRun::of).collect(),
        scenarios,
        techniques,
        columns,
    })
}

impl ComparedRun {
    fn of(run: &ShardReport) -> Self {
        let report = &run.report.run;
        Self {
            name: run.name.clone(),
            started: report.started.clone(),
            commit: report.commit.clone(),
            seed: report.seed,
            subjects: report.subjects.clone(),
        }
    }
}

impl Column {
    fn of(cell: &CellReport) -> Self {
        Self {
            kernel: cell.kernel.clone(),
            boot_mode: cell.boot_mode.clone(),
            agent: cell.agent.clone(),
        }
    }

    /// As [`CellReport::id`] has it.
    fn cell(&self, scenario: &str) -> String {
        let Self {
            kernel,
            boot_mode,
            agent,
        } = self;
        format!("{kernel}/{boot_mode}/{scenario}/{agent}")
    }
}

impl Standing {
    fn of(cell: Option<&CellReport>) -> Self {
        let Some(cell) = cell else {
            return Self {
                is: Word::Absent,
                reason: None,
                left_out: Vec::new(),
            };
        };
        let inexpressible = cell.code.as_deref() == Some(SkipReason::NOT_EXPRESSIBLE);
        let is = match cell.outcome {
            OutcomeKind::Passed if cell.idle => Word::Allowed,
            OutcomeKind::Passed if !cell.left_out.is_empty() => Word::PassedInPart,
            OutcomeKind::Passed => Word::Passed,
            OutcomeKind::Failed => Word::Failed,
            OutcomeKind::Skipped if inexpressible => Word::NotExpressible,
            OutcomeKind::Skipped => Word::Skipped,
            OutcomeKind::Infra | OutcomeKind::NotRun => Word::Unknown,
        };
        Self {
            is,
            reason: cell.reason.clone(),
            left_out: cell.left_out.clone(),
        }
    }
}

impl Word {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Passed,
        Self::PassedInPart,
        Self::Allowed,
        Self::Failed,
        Self::NotExpressible,
        Self::Skipped,
        Self::Unknown,
        Self::Absent,
    ];

    /// For a table.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Passed => "✓",
            Self::PassedInPart => "✓*",
            Self::Allowed => "·",
            Self::Failed => "✗",
            Self::NotExpressible => "∅",
            Self::Skipped => "–",
            Self::Unknown => "?",
            Self::Absent => "",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::PassedInPart => "passed, without what the agent does not report",
            Self::Allowed => "allowed, without rules",
            Self::Failed => "failed",
            Self::NotExpressible => "not expressible",
            Self::Skipped => "skipped for the kernel",
            Self::Unknown => "not judged",
            Self::Absent => "not in the run",
        })
    }
}

impl Comparison {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        text::render(self)
    }

    /// As a page of HTML.
    pub fn html(&self) -> String {
        page::render(self)
    }

    /// How many cells of a column came to what; what none came to is left out.
    pub fn totals(&self, column: usize) -> Vec<(Word, usize)> {
        let count = |word: Word| {
            let same = self.scenarios.iter();
            let same = same.filter(|row| row.results[column].is == word);
            (word, same.count())
        };
        let counted = Word::ALL.map(count).into_iter();
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// How many techniques a column answers how; what none was is left out.
    pub fn answers(&self, column: usize) -> Vec<(Answer, usize)> {
        let count = |answer: Answer| {
            let same = self.techniques.iter();
            let same = same.filter(|row| row.answers[column] == Some(answer));
            (answer, same.count())
        };
        let counted = Answer::ALL.map(count).into_iter();
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

/// The JSON schema of a comparison.
pub fn comparison_schema() -> Schema {
    schema_for!(Comparison)
}

#[cfg(test)]
mod tests;
