//! The report for people.

use std::fmt::Write as _;

use harness::{Outcome, soak::plot};

use super::Report;

/// What was run and what came of it, a sentence each.
pub(super) fn facts(report: &Report) -> Vec<String> {
    let mut facts = vec![format!(
        "{}: {} s of mixed load; {} policies came into force, {} tests of the agent's own, {} events",
        report.kernel, report.seconds, report.swaps, report.canaries, report.lines
    )];
    if let Some(fault) = &report.fault {
        facts.push(format!("with the fault {fault}: it must fail"));
    }
    facts.push(match &report.outcome {
        Outcome::Passed => {
            "everything that had to be was denied, and every event accounted for".into()
        }
        Outcome::Failed { code, reason } => format!("failed ({code}): {reason}"),
        Outcome::Infra { code, reason } => format!("not judged ({code}): {reason}"),
        Outcome::Skipped { .. } | Outcome::NotRun => "not run".into(),
    });
    facts
}

/// The same, what the load came to, and every slope.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for fact in facts(report) {
        let _ = writeln!(text, "{fact}");
    }
    let _ = writeln!(
        text,
        "\n{:>9}  {:>9}  {:>9}  probe",
        "allowed", "denied", "other"
    );
    for loaded in &report.load {
        let denied: u64 = loaded.tried.denied.values().sum();
        let probe = serde_json::to_string(&loaded.probe).unwrap_or_default();
        let _ = writeln!(
            text,
            "{:>9}  {denied:>9}  {:>9}  {probe}",
            loaded.tried.allowed, loaded.tried.other
        );
    }
    text.push('\n');
    for trend in &report.trends {
        let _ = writeln!(text, "{:<19}  {}", trend.what, plot::sentence(trend));
    }
    text
}
