//! Bad cells by their cause: twenty cells that are red for one reason are one
//! problem.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json::CellReport;
use crate::{judge::LAST_WORDS, outcome::OutcomeKind};

/// What went wrong in one cell or many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemReport {
    /// The kind of failure or trouble.
    pub code: String,
    /// In words, as the first of the cells has it.
    pub cause: String,
    /// The cells, in the order of the report.
    pub cells: Vec<String>,
    /// A command that runs the first of them again.
    pub rerun: String,
}

impl ProblemReport {
    /// How many cells, and some of them.
    pub fn where_seen(&self) -> String {
        const SHOWN: usize = 3;
        let shown = self.cells.iter().take(SHOWN).cloned().collect::<Vec<_>>();
        let shown = shown.join(", ");
        match self.cells.len() {
            1 => shown,
            count if count <= SHOWN => format!("{count} cells: {shown}"),
            count => format!("{count} cells: {shown}, and {} more", count - SHOWN),
        }
    }
}

/// The problems, the most frequent first.
pub(super) fn of(cells: &[CellReport]) -> Vec<ProblemReport> {
    let mut found: Vec<(String, ProblemReport)> = Vec::new();
    let bad = |cell: &&CellReport| matches!(cell.outcome, OutcomeKind::Failed | OutcomeKind::Infra);
    for cell in cells.iter().filter(bad) {
        let code = cell.code.clone().unwrap_or_default();
        let cause = cause(cell.reason.as_deref().unwrap_or_default());
        let alike = format!("{code} {}", without_numbers(cause));
        match found.iter_mut().find(|(known, _)| *known == alike) {
            Some((_, problem)) => problem.cells.push(cell.id()),
            None => found.push((
                alike,
                ProblemReport {
                    code,
                    cause: cause.to_owned(),
                    cells: vec![cell.id()],
                    rerun: cell.rerun.clone(),
                },
            )),
        }
    }
    found.sort_by_key(|(_, problem)| std::cmp::Reverse(problem.cells.len()));
    found.into_iter().map(|(_, problem)| problem).collect()
}

/// What is the same wherever it happens: what the agent said, if it did, else
/// the reason without the step.
fn cause(reason: &str) -> &str {
    if let Some((_, said)) = reason.split_once(LAST_WORDS) {
        return said;
    }
    match reason.split_once(": ") {
        Some((place, rest)) if is_place(place) => rest,
        _ => reason,
    }
}

/// As the judge writes it: `control`, `steps, step 3`.
fn is_place(text: &str) -> bool {
    let (phase, step) = text.split_once(", step ").unwrap_or((text, "1"));
    let is_phase = ["setup", "control", "steps", "negative", "release"].contains(&phase);
    is_phase && step.parse::<u32>().is_ok()
}

/// Addresses, process ids and times differ from cell to cell.
fn without_numbers(text: &str) -> String {
    let mut alike = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let number = bare.starts_with(|c: char| c.is_ascii_digit())
            || bare.len() >= 8 && bare.chars().all(|c| c.is_ascii_hexdigit());
        alike.push_str(if number { "#" } else { bare });
        alike.push_str(&word[bare.len()..]);
    }
    alike
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(kernel: &str, scenario: &str, code: &str, reason: &str) -> CellReport {
        CellReport {
            kernel: kernel.into(),
            boot_mode: "bpf-lsm".into(),
            scenario: scenario.into(),
            agent: "aegisbpf".into(),
            outcome: OutcomeKind::Failed,
            code: Some(code.into()),
            reason: Some(reason.into()),
            seconds: None,
            restore_seconds: None,
            starts_agent: true,
            let_pass: Vec::new(),
            left_out: Vec::new(),
            idle: false,
            rerun: format!("again {kernel} {scenario}"),
        }
    }

    #[test]
    fn one_verifier_error_is_one_problem_wherever_it_is_met() {
        let words = "file_open: R1 invalid mem access 'scalar' at 0xffff888004a1b2c8";
        let other = "file_open: R1 invalid mem access 'scalar' at 0xffff888004a1ffff";
        let cells = [
            cell("5.10", "a", "not-denied", "steps, step 2: allowed"),
            cell(
                "6.1",
                "b",
                "verifier",
                &format!("steps, step 1: refused{LAST_WORDS}{words}"),
            ),
            cell(
                "6.1",
                "c",
                "verifier",
                &format!("steps, step 7: refused{LAST_WORDS}{other}"),
            ),
        ];
        let problems = of(&cells);
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[0].cells.len(), 2);
        assert_eq!(problems[0].cause, words);
        assert_eq!(problems[0].rerun, "again 6.1 b");
        assert_eq!(problems[1].cause, "allowed");
    }

    #[test]
    fn what_differs_stays_apart() {
        let cells = [
            cell("6.1", "a", "not-denied", "control: open was allowed"),
            cell("6.1", "b", "control-failed", "control: open was allowed"),
            cell("6.1", "c", "not-denied", "control: exec was allowed"),
        ];
        assert_eq!(of(&cells).len(), 3);
    }

    #[test]
    fn what_passed_or_was_skipped_is_no_problem() {
        let mut skipped = cell("6.1", "a", "missing-capability", "the kernel lacks BTF");
        skipped.outcome = OutcomeKind::Skipped;
        assert_eq!(of(&[skipped]), []);
    }

    #[test]
    fn only_the_judges_own_prefix_is_taken_off() {
        assert_eq!(cause("steps, step 12: no: it is"), "no: it is");
        assert_eq!(cause("no: it is"), "no: it is");
    }

    #[test]
    fn a_long_list_is_told_by_its_number() {
        let cells: Vec<_> = ["a", "b", "c", "d", "e"]
            .map(|name| cell("6.1", name, "timeout", "steps: late"))
            .into();
        let told = of(&cells)[0].where_seen();
        assert!(told.starts_with("5 cells: ") && told.ends_with(", and 2 more"));
    }
}
