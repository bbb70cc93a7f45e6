//! `cargo xtask perf report`: results as a page, Markdown and JSON.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use perf::run::{Baseline, RunReport, page, report::merged, table};

use super::run::{baselines, last_report, write};
use crate::{
    exit_code::{ExitCode, OrExit as _},
    output, workspace,
};

/// Turn results of `perf run` into one HTML page with plots over rules, kernels and
/// history, which needs no network; Markdown for a pull request; and JSON.
///
/// Several results are put together when they are of the same agent and of different
/// kernels. The history is that of perf/baselines.
///
/// Exit codes: 0 written; 2 bad usage, or results that do not belong together; 3 a file
/// cannot be read or written.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The results [default: that of the last `perf run`].
    #[arg(value_name = "REPORT")]
    reports: Vec<PathBuf>,
    /// Where index.html, report.md and report.json go [default: target/perf/report].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// The task.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let paths = if args.reports.is_empty() {
        vec![last_report()]
    } else {
        args.reports.clone()
    };
    let reports = paths.iter().map(|path| read(path));
    let report = merged(reports.collect::<Result<_>>()?).or_exit(ExitCode::Usage)?;
    let mut history = Vec::new();
    for run in &report.kernels {
        history.extend(Baseline::read(&baselines(), &run.kernel).or_exit(ExitCode::Usage)?);
    }
    let own = || workspace::target_dir().join("perf/report");
    let folder = args.out.clone().unwrap_or_else(own);
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))
        .or_exit(ExitCode::Infrastructure)?;
    let json = serde_json::to_string_pretty(&report)?;
    for (name, text) in [
        ("index.html", page::render(&report, &history)),
        ("report.md", table::markdown(&report)),
        ("report.json", json),
    ] {
        let path = folder.join(name);
        write(&path, &text)?;
        output::print(&format!("{}\n", path.display()))?;
    }
    Ok(ExitCode::Ok)
}

/// A result of `perf run`.
pub(super) fn read(path: &Path) -> Result<RunReport> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read {}: make one with `perf run`", path.display()))
        .or_exit(ExitCode::Infrastructure)?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is no result of `perf run`", path.display()))
        .or_exit(ExitCode::Usage)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_is_no_result_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        assert!(read(&path).unwrap_err().to_string().contains("report.json"));
        std::fs::write(&path, "{}").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("no result"));
    }
}
