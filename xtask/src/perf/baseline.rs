//! `cargo xtask perf baseline`: make a result what later ones are held against.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use perf::run::Baseline;

use super::{
    report::read,
    run::{baselines, last_report},
};
use crate::{
    exit_code::{ExitCode, OrExit as _},
    output,
};

/// Make the result of a `perf run` what later ones are held against, and keep why.
///
/// Writes perf/baselines, a file for each kernel of the result. What was accepted
/// before stays in it: it is the history that `perf report` plots. A result of a choice
/// of operations or policies, or without a commit, is refused.
///
/// Exit codes: 0 accepted; 2 bad usage, or the result cannot be accepted; 3 a file
/// cannot be read or written.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Yes, these figures are right.
    #[arg(long, required = true)]
    accept: bool,
    /// Why they are: what was changed, and why it had to cost that.
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// The result [default: that of the last `perf run`].
    #[arg(value_name = "REPORT")]
    report: Option<PathBuf>,
}

/// The task.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let path = args.report.clone().unwrap_or_else(last_report);
    let report = read(&path)?;
    let folder = baselines();
    // All or none.
    let mut accepted = Vec::new();
    for run in &report.kernels {
        let earlier = Baseline::read(&folder, &run.kernel).or_exit(ExitCode::Usage)?;
        let next = Baseline::accepting(earlier, &report, run, &args.why);
        accepted.push(next.or_exit(ExitCode::Usage)?);
    }
    if accepted.is_empty() {
        let nothing = anyhow!("{} has no kernel with counts", path.display());
        return Err(nothing).or_exit(ExitCode::Usage);
    }
    for baseline in accepted {
        let written = baseline.write(&folder).or_exit(ExitCode::Infrastructure)?;
        output::print(&format!("{}\n", written.display()))?;
    }
    Ok(ExitCode::Ok)
}
