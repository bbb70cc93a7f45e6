//! What became of each stage, as a table and as an exit code.

use std::fmt::Write as _;
use std::time::Duration;

use crate::exit_code::ExitCode;

/// A stage that is over.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) took: Option<Duration>,
}

/// What became of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed(ExitCode),
    /// Not a pass; shown with its reason.
    NotRun(String),
}

impl Row {
    pub(super) fn not_run(name: &'static str, why: &str) -> Self {
        Self {
            name,
            verdict: Verdict::NotRun(why.to_owned()),
            took: None,
        }
    }
}

impl Verdict {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "FAILED",
            Self::NotRun(_) => "not run",
        }
    }
}

/// One line each.
pub(super) fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut table = String::new();
    for row in rows {
        let rest = match (&row.verdict, row.took) {
            (Verdict::NotRun(why), _) => why.clone(),
            (_, Some(took)) => format!("{:.0} s", took.as_secs_f64()),
            (_, None) => String::new(),
        };
        let line = format!("{:<width$}  {:<8} {rest}", row.name, row.verdict.word());
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{}", line.trim_end());
    }
    table
}

/// The worst of all stages; a stage that was not run was announced as such.
pub(super) fn exit_code(rows: &[Row]) -> ExitCode {
    rows.iter().fold(ExitCode::Ok, |code, row| {
        code.and(match row.verdict {
            Verdict::Failed(failure) => failure,
            Verdict::Passed | Verdict::NotRun(_) => ExitCode::Ok,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |name, verdict| Row {
            name,
            verdict,
            took: Some(Duration::from_secs(61)),
        };
        vec![
            row("formatting", Verdict::Passed),
            row("tests", Verdict::Failed(ExitCode::Infrastructure)),
            Row::not_run("licences", "cargo-deny is not installed"),
        ]
    }

    #[test]
    fn a_person_sees_what_was_not_run_and_why() {
        insta::assert_snapshot!(table(&rows()), @r#"
formatting  passed   61 s
tests       FAILED   61 s
licences    not run  cargo-deny is not installed
"#);
    }

    #[test]
    fn a_failed_stage_decides_the_exit_code() {
        assert_eq!(exit_code(&rows()), ExitCode::Infrastructure);
        assert_eq!(exit_code(&rows()[..1]), ExitCode::Ok);
    }
}
