//! What people and machines read afterwards. Each format is a pure function
//! of a [`Report`], in a module of its own.

mod compare;
mod figures;
mod html;
mod json;
mod junit;
mod merge;
mod problem;
mod summary;
mod support;
mod technique;

use std::time::SystemTime;

use chrono::{DateTime, Utc};

pub use compare::{
    Column, CompareError, ComparedRun, Comparison, ScenarioRow, Standing, TechniqueRow, Word,
    compare, comparison_schema,
};
pub use figures::{Seconds, Timings, Totals};
pub use json::{
    BootReport, BypassReport, CellReport, PlanReport, Report, RunInfo, RunReport, SCHEMA_VERSION,
    ScenarioReport, schema,
};
pub use merge::{MergeError, ShardReport, merge, one_for_each_machine};
pub use problem::ProblemReport;
pub use support::support;
pub use technique::{Answer, AnswerReport, TechniqueReport, columns, counts};

use crate::{
    atomic,
    room::{Kept, cannot_write},
    run::RunFolder,
};

/// The files of a report in a run's folder.
pub(crate) const FILES: [&str; 4] = ["report.json", "junit.xml", "summary.md", "report.html"];

/// Write every format into the run's folder. The error names the file.
pub fn write(report: &Report, folder: &RunFolder) -> Result<(), String> {
    let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    let logs = |cell: &CellReport| folder.cell_logs(&cell.cell());
    let formats = [
        json + "\n",
        junit::render(report)?,
        summary::render(report),
        html::render(report, &logs),
    ];
    for (name, content) in FILES.into_iter().zip(formats) {
        let path = folder.path().join(name);
        atomic::write(&path, content.as_bytes())
            .map_err(|error| cannot_write(Kept::Results, &path, &error))?;
    }
    Ok(())
}

/// The name of a run's folder: the time it started, and the process.
pub fn run_name(started: SystemTime, process: u32) -> String {
    let started = DateTime::<Utc>::from(started);
    format!("{}-{process}", started.format("%Y%m%dT%H%M%SZ"))
}

fn time(started: SystemTime) -> String {
    DateTime::<Utc>::from(started).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests;
