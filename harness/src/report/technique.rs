//! Ways round rules × kernels × agents: what came of each.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json::{CellReport, ScenarioReport};
use crate::outcome::{FailCode, OutcomeKind, SkipReason};

/// A way round a rule, and what came of it everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TechniqueReport {
    /// In a few words.
    pub technique: String,
    /// Where it is described.
    pub reference: String,
    /// Why it is known to be open.
    pub gap: Option<String>,
    /// The scenario that tries it.
    pub scenario: String,
    /// One for each kernel and agent.
    pub answers: Vec<AnswerReport>,
}

/// What came of a technique on a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerReport {
    /// The kernel.
    pub kernel: String,
    /// The agent.
    pub agent: String,
    /// What.
    pub answer: Answer,
}

/// What came of a way round a rule.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The rule held.
    Blocked,
    /// It is open, as is known and said.
    KnownGap,
    /// It is open, as it must be where no agent has rules.
    Allowed,
    /// It is open, and should not be.
    Open,
    /// A step on the way was refused that the scenario wants allowed: the agent
    /// stops the technique by denying more than its rule says.
    RefusedEarlier,
    /// Something else than the technique failed.
    Failed,
    /// The agent has nothing that could be asked for it.
    NotExpressible,
    /// The kernel lacks what it is about.
    Skipped,
    /// It was not judged.
    Unknown,
}

impl Answer {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Blocked,
        Self::KnownGap,
        Self::Allowed,
        Self::Open,
        Self::RefusedEarlier,
        Self::Failed,
        Self::NotExpressible,
        Self::Skipped,
        Self::Unknown,
    ];

    /// For a table.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Blocked => "✓",
            Self::KnownGap => "○",
            Self::Allowed => "·",
            Self::Open => "✗",
            Self::RefusedEarlier => "◐",
            Self::Failed => "!",
            Self::NotExpressible => "∅",
            Self::Skipped => "–",
            Self::Unknown => "?",
        }
    }

    fn of(cell: &CellReport, has_gap: bool) -> Self {
        let is = |code: &str| cell.code.as_deref() == Some(code);
        let fails = |code: FailCode| is(&code.to_string());
        match cell.outcome {
            OutcomeKind::Passed if cell.idle => Self::Allowed,
            OutcomeKind::Passed if has_gap => Self::KnownGap,
            OutcomeKind::Passed => Self::Blocked,
            OutcomeKind::Failed if fails(FailCode::NotDenied) => Self::Open,
            OutcomeKind::Failed if fails(FailCode::UnexpectedDeny) => Self::RefusedEarlier,
            OutcomeKind::Failed => Self::Failed,
            OutcomeKind::Skipped if is(SkipReason::NOT_EXPRESSIBLE) => Self::NotExpressible,
            OutcomeKind::Skipped => Self::Skipped,
            OutcomeKind::Infra | OutcomeKind::NotRun => Self::Unknown,
        }
    }

    /// Of several boot modes the one that says most: what is skipped in one
    /// may be decided in another, and what is worst there counts.
    const fn weight(self) -> u8 {
        match self {
            Self::Open => 7,
            Self::Failed => 6,
            Self::RefusedEarlier => 5,
            Self::Unknown => 4,
            Self::KnownGap => 3,
            Self::Blocked | Self::Allowed => 2,
            Self::NotExpressible => 1,
            Self::Skipped => 0,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blocked => "blocked",
            Self::KnownGap => "known gap",
            Self::Allowed => "allowed",
            Self::Open => "open",
            Self::RefusedEarlier => "refused earlier",
            Self::Failed => "failed",
            Self::NotExpressible => "not expressible",
            Self::Skipped => "skipped",
            Self::Unknown => "not judged",
        })
    }
}

/// What a cell says of the technique that it tries.
pub(super) fn answer(cell: &CellReport, has_gap: bool) -> Answer {
    Answer::of(cell, has_gap)
}

/// Every technique that was to be tried.
pub(super) fn of(catalogue: &[ScenarioReport], cells: &[CellReport]) -> Vec<TechniqueReport> {
    let row = |scenario: &ScenarioReport| {
        let bypass = scenario.bypass.as_ref()?;
        let mut answers: Vec<AnswerReport> = Vec::new();
        for cell in cells.iter().filter(|cell| cell.scenario == scenario.id) {
            let answer = Answer::of(cell, bypass.gap.is_some());
            let same = |known: &&mut AnswerReport| {
                known.kernel == cell.kernel && known.agent == cell.agent
            };
            match answers.iter_mut().find(same) {
                Some(known) if known.answer.weight() >= answer.weight() => {}
                Some(known) => known.answer = answer,
                None => answers.push(AnswerReport {
                    kernel: cell.kernel.clone(),
                    agent: cell.agent.clone(),
                    answer,
                }),
            }
        }
        (!answers.is_empty()).then(|| TechniqueReport {
            technique: bypass.technique.clone(),
            reference: bypass.reference.clone(),
            gap: bypass.gap.clone(),
            scenario: scenario.id.clone(),
            answers,
        })
    };
    catalogue.iter().filter_map(row).collect()
}

/// The columns of a table of techniques: kernel and agent, in order.
pub fn columns(techniques: &[TechniqueReport]) -> Vec<(&str, &str)> {
    let mut columns: Vec<(&str, &str)> = Vec::new();
    for answer in techniques.iter().flat_map(|one| &one.answers) {
        let column = (answer.kernel.as_str(), answer.agent.as_str());
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}

impl TechniqueReport {
    /// What came of it in a column.
    pub fn at(&self, (kernel, agent): (&str, &str)) -> Option<Answer> {
        let here = |answer: &&AnswerReport| answer.kernel == kernel && answer.agent == agent;
        self.answers.iter().find(here).map(|answer| answer.answer)
    }
}

/// How many techniques of a column had which answer, of those that had any.
pub fn counts(techniques: &[TechniqueReport], column: (&str, &str)) -> Vec<(Answer, usize)> {
    let count = |answer: Answer| {
        let same = techniques
            .iter()
            .filter(|one| one.at(column) == Some(answer));
        (answer, same.count())
    };
    Answer::ALL
        .map(count)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .collect()
}
