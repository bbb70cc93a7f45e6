//! What came of each fault, for people and for machines.

use std::fmt::Write as _;

use harness::outcome::OutcomeKind;
use serde::Serialize;

use super::fault::Expected;
use crate::exit_code::ExitCode;

/// One run of the seeded faults.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TeethReport {
    /// Raised when a field changes its meaning or goes.
    pub schema_version: u32,
    /// The kernel that the cells ran on.
    pub kernel: String,
    /// Whether it was interrupted; faults are missing then.
    pub interrupted: bool,
    /// Every cell with the sources as they are: all must have passed.
    pub unpatched: Vec<Seen>,
    /// Every fault that was tried.
    pub faults: Vec<FaultReport>,
}

/// What came of one fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultReport {
    /// Its name.
    pub fault: String,
    /// What it breaks.
    pub breaks: String,
    /// All its cells together: the worst.
    pub verdict: Verdict,
    /// The end of the compiler's output, if it did not build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_error: Option<String>,
    /// Each cell.
    pub cells: Vec<CellVerdict>,
    /// Of building and running.
    pub seconds: f64,
}

/// What came of one cell of a fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellVerdict {
    /// The cell and the code that was written down before.
    #[serde(flatten)]
    pub expected: Expected,
    /// What became of it.
    pub seen: Option<Seen>,
    /// What that means.
    pub verdict: Verdict,
}

/// What became of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The scenario.
    pub scenario: String,
    /// How the kernel was booted.
    pub boot_mode: String,
    /// In a word.
    pub outcome: OutcomeKind,
    /// The kind of failure, trouble or skip.
    pub code: Option<String>,
    /// In words.
    pub reason: Option<String>,
}

/// What a cell says of a fault. The order is that of badness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The cell failed with the code that was written down.
    Caught,
    /// Nobody knows: the machine failed, or the run was interrupted.
    NotJudged,
    /// The cell failed, but in another way: it noticed something else.
    WrongCode,
    /// The patched sources do not build.
    DidNotBuild,
    /// The cell passed.
    Survived,
}

impl Verdict {
    /// Of one cell.
    pub fn of(expected: &Expected, seen: Option<&Seen>) -> Self {
        match seen.map(|seen| (seen.outcome, seen.code.as_deref())) {
            Some((OutcomeKind::Failed, Some(code))) if code == expected.code.to_string() => {
                Self::Caught
            }
            Some((OutcomeKind::Failed, _)) => Self::WrongCode,
            // A cell that the plan skips notices nothing.
            Some((OutcomeKind::Passed | OutcomeKind::Skipped, _)) => Self::Survived,
            Some((OutcomeKind::Infra | OutcomeKind::NotRun, _)) | None => Self::NotJudged,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::NotJudged => "not judged",
            Self::WrongCode => "WRONG CODE",
            Self::DidNotBuild => "DID NOT BUILD",
            Self::Survived => "SURVIVED",
        }
    }
}

impl FaultReport {
    /// In a word, with what else came where something else was due.
    pub fn words(&self) -> String {
        let others: Vec<String> = self
            .cells
            .iter()
            .filter(|cell| cell.verdict == Verdict::WrongCode)
            .filter_map(|cell| Some((cell, cell.seen.as_ref()?)))
            .map(|(cell, seen)| {
                format!(
                    " {} instead of {}: {}",
                    got(seen),
                    cell.expected.code,
                    seen.reason.as_deref().unwrap_or_default()
                )
            })
            .collect();
        format!("{}{}", self.verdict.words(), others.join(";"))
    }
}

impl TeethReport {
    /// Whether every cell passed with the sources as they are.
    pub fn unpatched_exit_code(&self) -> ExitCode {
        self.unpatched
            .iter()
            .map(|seen| match seen.outcome {
                OutcomeKind::Passed => ExitCode::Ok,
                OutcomeKind::Failed | OutcomeKind::Skipped => ExitCode::Failed,
                OutcomeKind::Infra | OutcomeKind::NotRun => ExitCode::Infrastructure,
            })
            .fold(ExitCode::Ok, ExitCode::and)
    }

    /// Of the whole run.
    pub fn exit_code(&self) -> ExitCode {
        if self.interrupted {
            return ExitCode::Interrupted;
        }
        self.faults
            .iter()
            .map(|fault| match fault.verdict {
                Verdict::Caught => ExitCode::Ok,
                Verdict::NotJudged => ExitCode::Infrastructure,
                Verdict::WrongCode | Verdict::DidNotBuild | Verdict::Survived => ExitCode::Failed,
            })
            .fold(self.unpatched_exit_code(), ExitCode::and)
    }

    /// One line for each cell of each fault.
    pub fn table(&self) -> String {
        let mut rows = vec![["fault", "cell", "expected", "got", ""].map(str::to_owned)];
        for seen in &self.unpatched {
            let cell = format!("{}/{}", seen.boot_mode, seen.scenario);
            rows.push([
                "(none)".into(),
                cell,
                "passed".into(),
                got(seen),
                String::new(),
            ]);
        }
        for fault in &self.faults {
            for cell in &fault.cells {
                let expected = &cell.expected;
                rows.push([
                    fault.fault.clone(),
                    format!("{}/{}", expected.boot_mode, expected.scenario),
                    expected.code.to_string(),
                    cell.seen.as_ref().map_or_else(|| "–".into(), got),
                    cell.verdict.words().into(),
                ]);
            }
        }
        let width = |column: usize| {
            let lengths = rows.iter().map(|row| row[column].chars().count());
            lengths.max().unwrap_or(0)
        };
        let widths = [0, 1, 2, 3, 4].map(width);
        rows.iter().fold(String::new(), |mut text, row| {
            let cells: Vec<String> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            let _ = writeln!(text, "{}", cells.join("  ").trim_end());
            text
        })
    }

    /// The last line.
    pub fn summary(&self) -> String {
        let caught = self
            .faults
            .iter()
            .filter(|fault| fault.verdict == Verdict::Caught)
            .count();
        format!(
            "{caught} of {} faults caught on {}; unpatched, {} of {} cells passed",
            self.faults.len(),
            self.kernel,
            self.unpatched
                .iter()
                .filter(|seen| seen.outcome == OutcomeKind::Passed)
                .count(),
            self.unpatched.len()
        )
    }
}

fn got(seen: &Seen) -> String {
    seen.code
        .clone()
        .unwrap_or_else(|| seen.outcome.to_string())
}

#[cfg(test)]
mod tests;
