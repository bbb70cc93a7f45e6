//! The table of all kernels.

use std::collections::BTreeSet;

use anyhow::Result;
use kernel_matrix::{Capability, Kernel, Series, Source, Tier};
use serde::Serialize;

/// One kernel.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    series: Series,
    tier: Tier,
    suite: String,
    package: String,
    version: String,
    size: u64,
    sha256: String,
    present: bool,
    capabilities: BTreeSet<Capability>,
}

impl Row {
    /// The row of a pinned kernel; what has no package leaves it empty.
    pub(super) fn new(kernel: &Kernel, present: bool) -> Self {
        let mut row = Self {
            series: kernel.series,
            tier: kernel.tier,
            suite: String::new(),
            package: String::new(),
            version: String::new(),
            size: 0,
            sha256: kernel.content().to_string(),
            present,
            capabilities: kernel.capabilities.clone(),
        };
        if let Source::Pinned { suite, pin } = &kernel.source {
            row.suite.clone_from(suite);
            row.package.clone_from(&pin.package);
            row.version.clone_from(&pin.version);
            row.size = pin.size;
        }
        row
    }
}

/// For machines.
pub(super) fn json(rows: &[Row]) -> Result<String> {
    Ok(serde_json::to_string_pretty(rows)? + "\n")
}

/// For people.
pub(super) fn table(rows: &[Row]) -> String {
    let header = [
        "SERIES",
        "TIER",
        "SUITE",
        "VERSION",
        "MB",
        "CACHED",
        "CAPABILITIES",
    ];
    let cells = rows.iter().map(|row| {
        let capabilities: Vec<_> = row.capabilities.iter().map(Capability::to_string).collect();
        [
            row.series.to_string(),
            row.tier.to_string(),
            row.suite.clone(),
            row.version.clone(),
            row.size.div_ceil(1_000_000).to_string(),
            if row.present { "yes" } else { "no" }.into(),
            capabilities.join(" "),
        ]
    });
    let lines: Vec<[String; 7]> = std::iter::once(header.map(String::from))
        .chain(cells)
        .collect();
    let mut widths = [0; 7];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.len().max(*width);
        }
    }
    let mut table = String::new();
    for line in &lines {
        let padded: Vec<String> = std::iter::zip(line, widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        table += padded.join("  ").trim_end();
        table += "\n";
    }
    table
}

#[cfg(test)]
mod tests {
    use kernel_matrix::Matrix;

    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_kernel() {
        let matrix = Matrix::load().expect("the project's own matrix");
        let rows: Vec<_> = matrix
            .kernels()
            .map(|kernel| Row::new(kernel, true))
            .collect();
        let table = table(&rows);
        assert_eq!(table.lines().count(), rows.len() + 1);
        for (row, line) in rows.iter().zip(table.lines().skip(1)) {
            assert!(line.starts_with(&row.series.to_string()), "{line}");
            assert!(line.contains(&row.version), "{line}");
        }
    }
}
