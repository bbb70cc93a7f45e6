//! A comparison as Markdown.

use std::fmt::Write as _;

use super::{Answer, Comparison, Word};
use crate::report::summary::escaped;

pub(super) fn render(comparison: &Comparison) -> String {
    let mut text = String::from("# Agents side by side\n\n");
    for run in &comparison.runs {
        let commit = run.commit.as_deref().unwrap_or("an unknown commit");
        let subjects: Vec<String> = run
            .subjects
            .iter()
            .map(|(name, digest)| format!("{name} `{digest}`"))
            .collect();
        let _ = writeln!(
            text,
            "- {}: started {}, {commit}, seed {}{}{}",
            escaped(&run.name),
            run.started,
            run.seed,
            if subjects.is_empty() { "" } else { ", " },
            subjects.join(", ")
        );
    }
    text.push('\n');
    if !comparison.techniques.is_empty() {
        text.push_str("## Ways round a rule\n\n");
        head(&mut text, comparison, "technique");
        for row in &comparison.techniques {
            let _ = write!(text, "| {} |", escaped(&row.technique));
            for answer in &row.answers {
                let _ = write!(text, " {} |", answer.map_or("", Answer::sign));
            }
            text.push('\n');
        }
        sums(&mut text, comparison, |column| {
            let answers = comparison.answers(column);
            answers
                .iter()
                .map(|(what, n)| format!("{n} {what}"))
                .collect()
        });
        let legend = Answer::ALL.map(|answer| format!("{} {answer}", answer.sign()));
        let _ = writeln!(text, "\n{}\n", legend.join("  "));
    }
    text.push_str("## Scenarios\n\n");
    head(&mut text, comparison, "scenario");
    for row in &comparison.scenarios {
        let _ = write!(text, "| {} |", row.id);
        for result in &row.results {
            let _ = write!(text, " {} |", result.is.sign());
        }
        text.push('\n');
    }
    sums(&mut text, comparison, |column| {
        let totals = comparison.totals(column);
        totals
            .iter()
            .map(|(what, n)| format!("{n} {what}"))
            .collect()
    });
    let signed = Word::ALL.into_iter().filter(|word| !word.sign().is_empty());
    let legend: Vec<String> = signed
        .map(|word| format!("{} {word}", word.sign()))
        .collect();
    let _ = writeln!(text, "\n{}", legend.join("  "));
    reasons(&mut text, comparison);
    text
}

fn head(text: &mut String, comparison: &Comparison, what: &str) {
    let columns = comparison.columns.iter();
    let heads = columns.map(|one| format!("{} ({} {})", one.agent, one.kernel, one.boot_mode));
    let heads: Vec<String> = heads.collect();
    let _ = writeln!(text, "| {what} | {} |", heads.join(" | "));
    let _ = writeln!(text, "| --- |{}", " :-: |".repeat(heads.len()));
}

fn sums(text: &mut String, comparison: &Comparison, of: impl Fn(usize) -> Vec<String>) {
    let sums: Vec<String> = (0..comparison.columns.len())
        .map(|column| of(column).join(", "))
        .collect();
    let _ = writeln!(text, "| **in all** | {} |", sums.join(" | "));
}

/// Why a cell is not passed, by column.
fn reasons(text: &mut String, comparison: &Comparison) {
    for (index, column) in comparison.columns.iter().enumerate() {
        let failed: Vec<String> = comparison
            .scenarios
            .iter()
            .filter(|row| row.results[index].is == Word::Failed)
            .map(|row| {
                let reason = row.results[index].reason.as_deref().unwrap_or_default();
                format!("- `{}`: {}\n", row.id, escaped(reason))
            })
            .collect();
        if !failed.is_empty() {
            let _ = write!(
                text,
                "\n## Why {} failed on {} {}\n\n{}",
                column.agent,
                column.kernel,
                column.boot_mode,
                failed.concat()
            );
        }
    }
}
