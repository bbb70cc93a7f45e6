//! The result for people.

use std::fmt::Write as _;

use super::{
    CompareReport, Verdict,
    report::{KernelComparison, OperationComparison},
};

const HEAD: [&str; 7] = [
    "operation",
    "none",
    "base",
    "head",
    "change",
    "percent",
    "verdict",
];

/// One table for each kernel, and a line that sums up.
pub fn render(report: &CompareReport) -> String {
    let mut text = format!(
        "{} {} against {}, {} file and {} address rules, in enforce; guest instructions\n",
        report.agent, report.head, report.base, report.rules, report.rules
    );
    for kernel in &report.kernels {
        let _ = writeln!(text, "\n{} ({})", kernel.kernel, kernel.release);
        if !kernel.calibration.proven {
            let _ = writeln!(text, "the counter is not proven: nothing below may stand");
        }
        let rows: Vec<[String; 7]> = std::iter::once(HEAD.map(str::to_owned))
            .chain(kernel.operations.iter().map(row))
            .collect();
        let widths: [usize; 7] = std::array::from_fn(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        });
        for row in &rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Words on the left, numbers on the right.
                let _ = match column {
                    0 => write!(line, "{cell:width$}"),
                    6 => write!(line, "  {cell}"),
                    _ => write!(line, "  {cell:>width$}"),
                };
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    let _ = writeln!(text, "\n{}", summary(report));
    text
}

/// For a pull request.
pub fn markdown(report: &CompareReport) -> String {
    let mut text = format!(
        "**{}**\n\n`{}` against `{}`: guest instructions per operation, {} file and {} address \
         rules, in enforce, both agents in one boot.\n",
        summary(report),
        report.head,
        report.base,
        report.rules,
        report.rules
    );
    for kernel in &report.kernels {
        let _ = writeln!(text, "\n| {} | {} |", kernel.kernel, HEAD[1..].join(" | "));
        let _ = writeln!(text, "| --- | ---: | ---: | ---: | ---: | ---: | --- |");
        for operation in &kernel.operations {
            let _ = writeln!(text, "| {} |", row(operation).join(" | "));
        }
    }
    text
}

/// What became dearer, by name, before anything else.
fn summary(report: &CompareReport) -> String {
    let of = |verdict| {
        let rows = report.kernels.iter().flat_map(|kernel: &KernelComparison| {
            let rows = kernel.operations.iter();
            rows.map(move |row| (&kernel.kernel, row))
        });
        let named = rows.filter(move |(_, row)| row.verdict == verdict);
        let named = named.map(|(kernel, row)| {
            format!(
                "{} on {kernel} ({:+.2} %)",
                row.operation, row.change_percent
            )
        });
        named.collect::<Vec<_>>()
    };
    let (dearer, unclear) = (of(Verdict::Dearer), of(Verdict::Inconclusive));
    let mut lines = Vec::new();
    if !dearer.is_empty() {
        lines.push(format!("dearer: {}", dearer.join(", ")));
    }
    if !unclear.is_empty() {
        lines.push(format!("inconclusive: {}", unclear.join(", ")));
    }
    for missing in &report.not_counted {
        lines.push(format!(
            "{}: not counted: {}",
            missing.kernel, missing.reason
        ));
    }
    if lines.is_empty() {
        lines.push(format!(
            "nothing became dearer by more than {} %",
            report.threshold_percent
        ));
    }
    lines.join("; ")
}

fn row(row: &OperationComparison) -> [String; 7] {
    let verdict = match row.verdict {
        Verdict::Unchanged => "unchanged",
        Verdict::Dearer => "dearer",
        Verdict::Cheaper => "cheaper",
        Verdict::Inconclusive => "inconclusive",
    };
    [
        row.operation.to_string(),
        format!("{:.0}", row.none.median),
        format!("{:.0}", row.base.median),
        format!("{:.0}", row.head.median),
        format!("{:+.0}", row.change.median),
        format!("{:+.2}", row.change_percent),
        verdict.to_owned(),
    ]
}
