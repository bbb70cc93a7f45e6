//! The result for people: a terminal, or Markdown for a pull request.

use std::fmt::Write as _;

use harness_proto::count::{Operation, Verified};

use super::{
    Case, Compared, KernelRun, Policy, Quantity, Rules, RunReport, Unit,
    baseline::{Change, ChangeKind},
    report::Cell,
};
use crate::count::{Bound, Verdict};

/// Rows of cells under their heading.
pub(super) struct Grid {
    pub(super) title: String,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// Everything, for a terminal.
pub fn render(report: &RunReport) -> String {
    let mut text = String::new();
    for kernel in &report.kernels {
        let _ = writeln!(text, "{}\n", heading(kernel));
        for grid in grids(kernel) {
            text.push_str(&aligned(&grid));
            text.push('\n');
        }
    }
    let _ = writeln!(text, "{}", summary(report));
    text
}

/// The same for a pull request.
pub fn markdown(report: &RunReport) -> String {
    let mut text = format!("**{}**\n", summary(report).replace('\n', "; "));
    for kernel in &report.kernels {
        let _ = writeln!(text, "\n### {}\n", heading(kernel));
        for grid in grids(kernel) {
            let _ = writeln!(text, "{}\n\n| {} |", grid.title, grid.head.join(" | "));
            let rule: Vec<&str> = grid.head.iter().map(|_| "---").collect();
            let _ = writeln!(text, "| {} |", rule.join(" | "));
            for row in &grid.rows {
                let _ = writeln!(text, "| {} |", row.join(" | "));
            }
            text.push('\n');
        }
    }
    text
}

fn heading(kernel: &KernelRun) -> String {
    let counter = if kernel.calibration.proven {
        "the counter is proven"
    } else {
        "THE COUNTER IS NOT PROVEN: nothing below may stand"
    };
    format!("{} ({}), {counter}", kernel.kernel, kernel.release)
}

/// Every table about a kernel.
pub(super) fn grids(kernel: &KernelRun) -> Vec<Grid> {
    let is_exact = |case: &Case| !matches!(case, Case::Agent(Policy { rules, .. }) if !matches!(rules, Rules::Exact(_)));
    let (exact, others): (Vec<Case>, Vec<Case>) = kernel.cases().into_iter().partition(is_exact);
    let mut grids = vec![cells(
        "guest instructions without an agent, and added by exact rules",
        kernel,
        &exact,
    )];
    if !others.is_empty() {
        grids.push(cells("added by other policies", kernel, &others));
    }
    grids.push(quantities(&kernel.quantities));
    grids.push(programs(kernel));
    if let Some(grid) = changes(&kernel.baseline) {
        grids.push(grid);
    }
    grids.retain(|grid| !grid.rows.is_empty());
    grids
}

fn cells(title: &str, kernel: &KernelRun, cases: &[Case]) -> Grid {
    let mut head = vec!["operation".to_owned()];
    head.extend(cases.iter().map(ToString::to_string));
    head.extend(["spread", "bound", "verdict"].map(str::to_owned));
    let rows = Operation::ALL.into_iter().filter_map(|operation| {
        let cells: Vec<Option<&Cell>> = cases
            .iter()
            .map(|&case| kernel.cell(case, operation))
            .collect();
        let known: Vec<&Cell> = cells.iter().copied().flatten().collect();
        if known.is_empty() {
            return None;
        }
        let mut row = vec![operation.to_string()];
        row.extend(
            cells
                .iter()
                .map(|cell| cell.map_or_else(String::new, amount)),
        );
        let spread = known.iter().map(|cell| cell.spread_percent);
        row.push(format!("{:.2} %", spread.fold(0.0, f64::max)));
        let bound = known.iter().find_map(|cell| cell.bound);
        row.push(bound.map_or_else(String::new, |bound| bound.to_string()));
        let verdict = known
            .iter()
            .map(|cell| cell.verdict)
            .max_by_key(|&verdict| worse(verdict));
        row.push(verdict.map_or_else(String::new, |verdict| word(verdict).to_owned()));
        Some(row)
    });
    Grid {
        title: title.to_owned(),
        rows: rows.collect(),
        head,
    }
}

fn amount(cell: &Cell) -> String {
    let Some(added) = cell.added else {
        return format!("{:.0}", cell.figure.median);
    };
    let off = (added.high - added.median)
        .max(added.median - added.low)
        .round();
    // Without "-0".
    let median = added.median.round() + 0.0;
    if off < 1.0 {
        format!("{median:+.0}")
    } else {
        format!("{median:+.0} ±{off:.0}")
    }
}

fn quantities(all: &[Quantity]) -> Grid {
    let row = |one: &Quantity| {
        vec![
            one.name.clone(),
            quantity(one.value, one.unit),
            one.bound.map_or_else(String::new, |bound| match bound {
                Bound::AtMost(most) => format!("at most {}", quantity(most, one.unit)),
                Bound::Below(limit) => format!("below {}", quantity(limit, one.unit)),
            }),
            word(one.verdict).to_owned(),
        ]
    };
    Grid {
        title: "what is not about one operation".into(),
        head: ["quantity", "value", "bound", "verdict"]
            .map(str::to_owned)
            .into(),
        rows: all.iter().map(row).collect(),
    }
}

pub(super) fn quantity(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Instructions if value >= 1e7 => format!("{:.1} M instructions", value / 1e6),
        Unit::Instructions => format!("{value:.0} instructions"),
        Unit::InstructionsEach => format!("{value:+.2} instructions each"),
        Unit::Bytes => format!("{:.2} MiB", value / f64::from(1 << 20)),
        Unit::Percent => format!("{value:.1} %"),
        Unit::Times => format!("{value:.1} times"),
    }
}

fn programs(kernel: &KernelRun) -> Grid {
    let rows = kernel.programs.iter().map(|program| {
        let verified = match program.verified {
            Verified::Instructions(count) => count.to_string(),
            Verified::NotKnown => "not known".to_owned(),
        };
        vec![
            program.name.clone(),
            verified,
            program.translated_bytes.to_string(),
            program.jited_bytes.to_string(),
        ]
    });
    Grid {
        title: "the agent's BPF programs".into(),
        head: [
            "program",
            "verifier instructions",
            "translated bytes",
            "JITed bytes",
        ]
        .map(str::to_owned)
        .into(),
        rows: rows.collect(),
    }
}

fn changes(compared: &Compared) -> Option<Grid> {
    let Compared::With {
        commit, changes, ..
    } = compared
    else {
        return None;
    };
    let row = |change: &Change| {
        let side = |metric: Option<super::baseline::Metric>| {
            metric.map_or_else(|| "missing".to_owned(), |it| quantity(it.value, it.unit))
        };
        let kind = match change.kind {
            ChangeKind::Dearer(percent) => format!("dearer: {percent:+.2} %"),
            ChangeKind::Cheaper(percent) => format!("cheaper: {percent:+.2} %"),
            ChangeKind::OtherUnit => "another unit".to_owned(),
            ChangeKind::Missing => "missing".to_owned(),
        };
        vec![
            change.metric.clone(),
            side(change.was),
            side(change.is),
            kind,
        ]
    };
    Some(Grid {
        title: format!("what is not as in the baseline of {commit}"),
        head: ["metric", "was", "is", "change"].map(str::to_owned).into(),
        rows: changes.iter().map(row).collect(),
    })
}

fn worse(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Unbounded => 0,
        Verdict::Within => 1,
        Verdict::Inconclusive => 2,
        Verdict::Exceeded => 3,
    }
}

pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unbounded => "",
        Verdict::Within => "within",
        Verdict::Exceeded => "EXCEEDED",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// What is wrong, by name, or that nothing is.
pub fn summary(report: &RunReport) -> String {
    let mut lines = Vec::new();
    for kernel in &report.kernels {
        for (verdict, what) in [
            (Verdict::Exceeded, "beyond its bound"),
            (Verdict::Inconclusive, "inconclusive"),
        ] {
            let cells = kernel.cells.iter().filter(|cell| cell.verdict == verdict);
            let cells = cells.map(|cell| format!("{} with {}", cell.operation, cell.case));
            let quantities = kernel.quantities.iter();
            let quantities = quantities.filter(|one| one.verdict == verdict);
            let named: Vec<String> = cells
                .chain(quantities.map(|one| one.name.clone()))
                .collect();
            if !named.is_empty() {
                lines.push(format!("{}: {what}: {}", kernel.kernel, named.join(", ")));
            }
        }
        if let Some(line) = compared(kernel) {
            lines.push(line);
        }
    }
    for missing in &report.not_counted {
        lines.push(format!(
            "{}: not counted: {}",
            missing.kernel, missing.reason
        ));
    }
    if lines.is_empty() {
        lines.push("nothing is beyond its bound, and nothing differs from the baseline".into());
    }
    lines.join("\n")
}

fn compared(kernel: &KernelRun) -> Option<String> {
    let series = &kernel.kernel;
    match &kernel.baseline {
        Compared::NotAsked => None,
        Compared::NoBaseline => Some(format!(
            "{series}: no baseline: accept this run with `cargo xtask perf baseline`"
        )),
        Compared::OtherBuild { accepted } => Some(format!(
            "{series}: the baseline is of another build of the kernel, {accepted}, not of {}",
            kernel.build
        )),
        Compared::With { changes, .. } if changes.is_empty() => None,
        Compared::With {
            commit,
            changes,
            unchanged,
        } => {
            let named = changes.iter().map(|change| match change.kind {
                ChangeKind::Dearer(percent) | ChangeKind::Cheaper(percent) => {
                    format!("{} {percent:+.2} %", change.metric)
                }
                ChangeKind::OtherUnit => format!("{} is in another unit", change.metric),
                ChangeKind::Missing => format!("{} is missing", change.metric),
            });
            Some(format!(
                "{series}: against the baseline of {commit}, {unchanged} metrics unchanged: {}",
                named.collect::<Vec<_>>().join(", ")
            ))
        }
    }
}

fn aligned(grid: &Grid) -> String {
    let width = |column: usize| {
        let cells = grid.rows.iter().filter_map(|row| row.get(column));
        let cells = cells.chain(grid.head.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..grid.head.len()).map(width).collect();
    let mut text = format!("{}\n", grid.title);
    for row in std::iter::once(&grid.head).chain(&grid.rows) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Names on the left, numbers on the right.
            let _ = if column == 0 {
                write!(line, "{cell:width$}")
            } else {
                write!(line, "  {cell:>width$}")
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
