//! The report for people.

use std::fmt::Write as _;

use harness::Outcome;
use serde_json::Value;

use super::Report;

/// What was tried, what came of it, and what it took.
pub(super) fn render(report: &Report) -> String {
    let mut text = format!(
        "{}: {} rules about files and {} about networks; {} of each tried (seed {})\n",
        report.kernel, report.files, report.networks, report.sample, report.seed
    );
    if let Some(fault) = &report.fault {
        let _ = writeln!(
            text,
            "with the fault {fault}: the kernel itself must refuse"
        );
    }
    let mut answer = |what: &str, ms: Option<u64>, reason: &Option<Value>| {
        let Some(ms) = ms else {
            let _ = writeln!(text, "{what}: not asked");
            return;
        };
        let seconds = format!("{}.{:01} s", ms / 1000, ms % 1000 / 100);
        let _ = match reason.as_ref().and_then(Value::as_str) {
            Some(reason) => writeln!(text, "{what}: refused after {seconds}: {reason}"),
            None => writeln!(text, "{what}: applied in {seconds}"),
        };
    };
    answer("one more", report.refused_ms, &report.refused_because);
    answer("all", report.applied_ms, &report.kernel_refused_because);
    if !report.maps.is_empty() {
        let _ = writeln!(text, "\n{:<10}  {:>9}  {:>9}", "map", "entries", "KiB");
        let mut total = 0;
        for map in &report.maps {
            let kib = map.bytes.div_ceil(1024);
            let _ = writeln!(text, "{:<10}  {:>9}  {kib:>9}", map.name, map.entries);
            total += map.bytes;
        }
        let _ = writeln!(
            text,
            "{:<10}  {:>9}  {:>9}",
            "all",
            "",
            total.div_ceil(1024)
        );
    }
    let _ = match &report.outcome {
        Outcome::Passed => writeln!(text, "\npassed"),
        Outcome::Failed { code, reason } => writeln!(text, "\nfailed ({code}): {reason}"),
        Outcome::Infra { code, reason } => writeln!(text, "\nnot judged ({code}): {reason}"),
        Outcome::Skipped { .. } | Outcome::NotRun => writeln!(text, "\nnot run"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::MapSize;

    #[test]
    fn a_person_reads_what_was_refused_and_what_the_maps_take() {
        let report = Report {
            schema_version: 1,
            kernel: "6.12".into(),
            files: 100_000,
            networks: 10_000,
            sample: 200,
            seed: 1,
            outcome: Outcome::Passed,
            fault: None,
            applied_ms: Some(36_120),
            refused_ms: Some(9_050),
            refused_because: Some("rule \"small\" is the first beyond it".into()),
            kernel_refused_because: None,
            maps: vec![
                MapSize {
                    name: "INDEX".into(),
                    entries: 262_144,
                    bytes: 26_214_400,
                },
                MapSize {
                    name: "RULES".into(),
                    entries: 110_000,
                    bytes: 3_670_100,
                },
            ],
        };
        insta::assert_snapshot!(render(&report));
    }
}
