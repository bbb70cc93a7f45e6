//! `summary.md`: the result on one screen, for a pull request or a job.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    json::Report,
    technique::{self, Answer, TechniqueReport},
};
use crate::outcome::OutcomeKind;

pub(super) fn render(report: &Report) -> String {
    let mut text = String::from("# End-to-end run\n\n");
    let totals = &report.totals;
    let _ = writeln!(
        text,
        "**{}**: {} passed, {} failed, {} skipped, {} infrastructure, {} not run; tier {}, {} s, {}, {} at a time.\n",
        headline(report),
        totals.passed,
        totals.failed,
        totals.skipped,
        totals.infra,
        totals.not_run,
        report.run.tier,
        report.run.seconds.round(),
        report.run.accelerator,
        report.run.jobs,
    );
    if let Some(timing) = &report.timings.cells_that_start_the_agent {
        let _ = writeln!(
            text,
            "A cell that starts the agent took {:.2} s (median of {}; 95 %: {:.2} s).\n",
            timing.median_seconds, timing.count, timing.p95_seconds
        );
    }
    let partly = report.cells.iter().filter(|cell| !cell.left_out.is_empty());
    let partly = partly.count();
    if partly > 0 {
        let _ = writeln!(
            text,
            "In {partly} cells something was not looked at, because the agent does not report it; each says what.\n"
        );
    }
    matrix(&mut text, report);
    techniques(&mut text, report);
    trouble(&mut text, report);
    let_pass(&mut text, report);
    for boot in &report.boots {
        if let Some(why) = &boot.retried {
            let _ = writeln!(
                text,
                "- {}/{} was booted twice: {}",
                boot.kernel,
                boot.boot_mode,
                escaped(why)
            );
        }
    }
    text
}

/// The run in one word or two.
pub(super) fn headline(report: &Report) -> &'static str {
    let totals = &report.totals;
    if totals.failed > 0 {
        "failed"
    } else if report.run.interrupted {
        "interrupted"
    } else if totals.infra + totals.not_run > 0 {
        "not judged completely"
    } else if totals.passed == 0 {
        "nothing was run"
    } else {
        "passed"
    }
}

fn matrix(text: &mut String, report: &Report) {
    let machines = report.machines();
    let head: Vec<String> = machines
        .iter()
        .map(|(kernel, mode)| format!("{kernel} {mode}"))
        .collect();
    let _ = writeln!(text, "| scenario | {} |", head.join(" | "));
    let _ = writeln!(text, "| --- |{}", " :-: |".repeat(machines.len()));
    for scenario in report.scenarios() {
        let _ = write!(text, "| {scenario} |");
        for (kernel, mode) in &machines {
            let shown: Vec<&str> = report
                .at(kernel, mode, scenario)
                .map(|cell| mark(cell.outcome))
                .collect();
            let _ = write!(text, " {} |", shown.join(" "));
        }
        text.push('\n');
    }
    text.push_str("\n✅ passed ❌ failed ➖ skipped ⚠️ infrastructure ❔ not run\n\n");
}

const fn mark(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Passed => "✅",
        OutcomeKind::Failed => "❌",
        OutcomeKind::Skipped => "➖",
        OutcomeKind::Infra => "⚠️",
        OutcomeKind::NotRun => "❔",
    }
}

fn techniques(text: &mut String, report: &Report) {
    let all = &report.techniques;
    if all.is_empty() {
        return;
    }
    text.push_str(
        "| ways round a rule | techniques | blocked | the rest |\n| --- | --: | --: | --- |\n",
    );
    for column in technique::columns(all) {
        let counts = technique::counts(all, column);
        let rest: Vec<String> = counts
            .iter()
            .filter(|(answer, _)| *answer != Answer::Blocked)
            .map(|(answer, count)| format!("{count} {answer}"))
            .collect();
        let _ = writeln!(
            text,
            "| {} {} | {} | {} | {} |",
            column.0,
            column.1,
            all.len(),
            blocked(all, column),
            rest.join(", ")
        );
    }
    text.push('\n');
    let gaps = all.iter().filter_map(|one| Some((one, one.gap.as_ref()?)));
    for (one, gap) in gaps {
        let _ = writeln!(
            text,
            "- known gap: {}: {}",
            escaped(&one.technique),
            escaped(gap)
        );
    }
    text.push('\n');
}

/// How many were blocked of those that were judged.
pub(super) fn blocked(all: &[TechniqueReport], column: (&str, &str)) -> String {
    let counts = technique::counts(all, column);
    let sum = |wanted: &[Answer]| -> usize {
        let of = counts.iter().filter(|(answer, _)| wanted.contains(answer));
        of.map(|(_, count)| count).sum()
    };
    let judged = [
        Answer::Blocked,
        Answer::KnownGap,
        Answer::Open,
        Answer::RefusedEarlier,
        Answer::Failed,
    ];
    format!("{} of {}", sum(&[Answer::Blocked]), sum(&judged))
}

fn trouble(text: &mut String, report: &Report) {
    for problem in &report.problems {
        let _ = writeln!(
            text,
            "- **{}** {}: {}\n  `{}`",
            problem.code,
            escaped(&problem.where_seen()),
            escaped(&problem.cause),
            problem.rerun
        );
    }
}

/// Known splats, each once.
fn let_pass(text: &mut String, report: &Report) {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for line in report.cells.iter().flat_map(|cell| &cell.let_pass) {
        *counted.entry(line).or_default() += 1;
    }
    for (line, count) in counted {
        let _ = writeln!(text, "- let pass, {count} ×: {}", escaped(line));
    }
}

/// Reasons quote what agents and kernels say: not to be taken for markup.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => safe.push(' '),
            '<' => safe.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' => safe.extend(['\\', c]),
            c => safe.push(c),
        }
    }
    safe
}
