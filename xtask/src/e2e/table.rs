//! The table of results for a terminal, and the verdict below it.

use std::{fmt::Write as _, path::Path};

use console::style;
use harness::{
    outcome::OutcomeKind,
    report::{Answer, Report, TechniqueReport, columns, counts},
};

use super::terminal;

/// A sign for an outcome; coloured for people.
pub(super) fn mark(kind: OutcomeKind, colour: bool) -> String {
    let (sign, styled) = match kind {
        OutcomeKind::Passed => ("✓", style("✓").green()),
        OutcomeKind::Failed => ("✗", style("✗").red().bold()),
        OutcomeKind::Skipped => ("–", style("–").dim()),
        OutcomeKind::Infra => ("!", style("!").yellow().bold()),
        OutcomeKind::NotRun => ("?", style("?").yellow()),
    };
    if colour {
        styled.for_stderr().force_styling(true).to_string()
    } else {
        sign.into()
    }
}

/// Scenarios by machines; a machine's column is headed by a number that is
/// explained above.
pub(super) fn of(report: &Report) -> String {
    let colour = terminal() && console::colors_enabled_stderr();
    render(report, colour)
}

fn render(report: &Report, colour: bool) -> String {
    let machines = report.machines();
    let mut columns: Vec<(&str, Vec<&str>)> = Vec::new();
    for (kernel, mode) in machines {
        match columns.last_mut() {
            Some((last, modes)) if *last == kernel => modes.push(mode),
            _ => columns.push((kernel, vec![mode])),
        }
    }
    let scenarios = report.scenarios();
    let width = scenarios.iter().map(|one| one.len()).max().unwrap_or(0);
    let mut rows = vec![format!("{:width$}", "")];
    for (kernel, modes) in &columns {
        let _ = write!(rows[0], "  {kernel:0$}", column_width(kernel, modes));
    }
    for scenario in scenarios {
        let mut row = format!("{scenario:width$}");
        for (kernel, modes) in &columns {
            let marks: Vec<String> = modes
                .iter()
                .map(|mode| {
                    let cells = report.at(kernel, mode, scenario);
                    let marks: Vec<String> = cells.map(|cell| mark(cell.outcome, colour)).collect();
                    marks.concat()
                })
                .collect();
            // By hand: colours have a length, too.
            let shown = (modes.len() * 2).saturating_sub(1);
            let rest = column_width(kernel, modes).saturating_sub(shown);
            let _ = write!(row, "  {}{:rest$}", marks.join(" "), "");
        }
        rows.push(row);
    }
    let modes = columns.first().map(|(_, modes)| modes.join(", "));
    rows.push(String::new());
    rows.push(format!(
        "{} passed  {} failed  {} skipped  {} infrastructure  {} not run; in each column: {}",
        mark(OutcomeKind::Passed, colour),
        mark(OutcomeKind::Failed, colour),
        mark(OutcomeKind::Skipped, colour),
        mark(OutcomeKind::Infra, colour),
        mark(OutcomeKind::NotRun, colour),
        modes.unwrap_or_default()
    ));
    let rows: Vec<&str> = rows.iter().map(|row| row.trim_end()).collect();
    format!("\n{}\n", rows.join("\n"))
}

fn column_width(kernel: &str, modes: &[&str]) -> usize {
    (modes.len() * 2).saturating_sub(1).max(kernel.len())
}

const TITLE: &str = "ways round a rule";

/// Ways round a rule by kernels and agents; nothing where none was tried.
pub(super) fn techniques(all: &[TechniqueReport]) -> String {
    let columns = columns(all);
    if columns.is_empty() {
        return String::new();
    }
    let width = all.iter().map(|one| one.technique.chars().count()).max();
    let width = width.unwrap_or(0).max(TITLE.len());
    let mut text = format!("{TITLE:width$}");
    let several = columns.iter().any(|(_, agent)| *agent != columns[0].1);
    let heads: Vec<String> = columns
        .iter()
        .map(|(kernel, agent)| {
            if several {
                format!("{kernel}/{agent}")
            } else {
                (*kernel).to_owned()
            }
        })
        .collect();
    for head in &heads {
        let _ = write!(text, "  {head}");
    }
    text.push('\n');
    for one in all {
        let mut row = format!("{:width$}", one.technique);
        for (column, head) in columns.iter().zip(&heads) {
            let sign = one.at(*column).map_or(" ", Answer::sign);
            let _ = write!(row, "  {sign:0$}", head.chars().count());
        }
        let _ = writeln!(text, "{}", row.trim_end());
    }
    let legend = Answer::ALL.map(|answer| format!("{} {answer}", answer.sign()));
    let _ = writeln!(text, "\n{}", legend.join("  "));
    for (column, head) in columns.iter().zip(&heads) {
        let counts = counts(all, *column);
        let counts: Vec<String> = counts
            .iter()
            .map(|(what, n)| format!("{n} {what}"))
            .collect();
        let _ = writeln!(
            text,
            "{head}: {} techniques, {}",
            all.len(),
            counts.join(", ")
        );
    }
    text
}

/// What came of it, what to look at, and how to run a bad cell again.
pub(super) fn verdict(report: &Report, folder: &Path) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        let _ = writeln!(
            text,
            "{}: {}\n    {}\n    {}",
            problem.code,
            problem.cause,
            problem.where_seen(),
            problem.rerun
        );
    }
    let totals = &report.totals;
    if report.run.interrupted {
        text.push_str("interrupted: ");
    }
    let _ = write!(
        text,
        "{} passed, {} failed, {} skipped, {} infrastructure, {} not run, in {:.0} s",
        totals.passed,
        totals.failed,
        totals.skipped,
        totals.infra,
        totals.not_run,
        report.run.seconds
    );
    if let Some(timing) = &report.timings.cells_that_start_the_agent {
        let _ = write!(
            text,
            "; a cell that starts the agent took {:.2} s (median of {}; 95 %: {:.2} s)",
            timing.median_seconds, timing.count, timing.p95_seconds
        );
    }
    let _ = write!(text, "\n{}", folder.join("report.html").display());
    text
}

#[cfg(test)]
mod tests {
    use super::techniques;
    use harness::report::{Answer, AnswerReport, TechniqueReport};

    #[test]
    fn ways_round_a_rule_are_seen_by_kernel() {
        let technique = |name: &str, answers: [Answer; 2]| TechniqueReport {
            technique: name.into(),
            reference: "man 2 open".into(),
            gap: None,
            scenario: name.into(),
            answers: ["5.10", "6.12"]
                .into_iter()
                .zip(answers)
                .map(|(kernel, answer)| AnswerReport {
                    kernel: kernel.into(),
                    agent: "aegisbpf".into(),
                    answer,
                })
                .collect(),
        };
        let all = [
            technique("io_uring", [Answer::Skipped, Answer::Blocked]),
            technique("asking nicely", [Answer::KnownGap, Answer::Open]),
        ];
        insta::assert_snapshot!(techniques(&all), @r"
        ways round a rule  5.10  6.12
        io_uring           –     ✓
        asking nicely      ○     ✗

        ✓ blocked  ○ known gap  · allowed  ✗ open  ◐ refused earlier  ! failed  ∅ not expressible  – skipped  ? not judged
        5.10: 2 techniques, 1 known gap, 1 skipped
        6.12: 2 techniques, 1 blocked, 1 open
        ");
        assert_eq!(techniques(&[]), "");
    }
}
