//! The result for people.

use std::fmt::Write as _;

use super::{
    CountReport, Difference, KernelReport, Verdict,
    report::{CalibrationReport, OperationReport},
};

/// One table for each kernel.
pub fn render(report: &CountReport) -> String {
    let mut text = String::new();
    for kernel in &report.kernels {
        let _ = writeln!(
            text,
            "{} ({}): {} in enforce, {} file and {} address rules; on {}",
            kernel.kernel,
            kernel.release,
            report.agent,
            report.rules,
            report.rules,
            kernel.hooks.join(", ")
        );
        let _ = writeln!(text, "{}", calibration(&kernel.calibration));
        text.push_str(&rows(kernel, &report.agent));
        text.push('\n');
    }
    for missing in &report.not_counted {
        let _ = writeln!(text, "{}: not counted: {}", missing.kernel, missing.reason);
    }
    text
}

fn calibration(loop_of_known_length: &CalibrationReport) -> String {
    let CalibrationReport {
        instructions,
        low,
        high,
        proven,
    } = loop_of_known_length;
    let verdict = if *proven {
        "the counter is proven"
    } else {
        "more than 0.1 % off: the counter is not proven, nothing below may stand"
    };
    format!("a loop of {instructions} instructions was counted as {low} to {high}: {verdict}")
}

fn rows(kernel: &KernelReport, agent: &str) -> String {
    let head = [
        "operation",
        "none",
        "null LSM",
        agent,
        "with background",
        "spread",
        "bound",
        "verdict",
    ]
    .map(str::to_owned);
    let mut lines = vec![head];
    lines.extend(kernel.operations.iter().map(row));
    let widths: [usize; 8] = std::array::from_fn(|column| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or(0)
    });
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                // Words on the left, numbers on the right.
                0 | 6 | 7 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn row(row: &OperationReport) -> [String; 8] {
    [
        row.operation.to_string(),
        format!("{:.0}", row.none.median),
        difference(&row.null_added),
        difference(&row.agent_added),
        added(row.agent_added.with_background),
        format!("{:.2} %", row.spread_percent),
        row.bound
            .map_or_else(String::new, |bound| bound.to_string()),
        verdict(row),
    ]
}

/// With how far it may be off, where that is not nothing.
fn difference(added_instructions: &Difference) -> String {
    let Difference {
        median, low, high, ..
    } = added_instructions;
    let off = (high - median).max(median - low).round();
    if off < 1.0 {
        added(*median)
    } else {
        format!("{} ±{off:.0}", added(*median))
    }
}

/// Without "-0".
fn added(instructions: f64) -> String {
    let rounded = instructions.round();
    format!("{:+.0}", if rounded == 0.0 { 0.0 } else { rounded })
}

fn verdict(row: &OperationReport) -> String {
    match row.verdict {
        Verdict::Unbounded => String::new(),
        Verdict::Within => "within".into(),
        Verdict::Exceeded => "EXCEEDED".into(),
        Verdict::Inconclusive if row.spread_percent > row.spread_bound_percent => {
            format!("inconclusive: spread beyond {} %", row.spread_bound_percent)
        }
        Verdict::Inconclusive => "inconclusive".into(),
    }
}
