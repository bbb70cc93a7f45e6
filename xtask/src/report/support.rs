//! `cargo xtask report support`: the table of the documents, from a run.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use harness::{atomic, report};

use super::merge;
use crate::{
    exit_code::{ExitCode, OrExit as _},
    output, workspace,
};

/// Where the table is in the sources.
const PAGE: &str = "docs/support.md";

/// Exit codes: 0 written; 2 the folder holds no report.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of the run's report; best of a nightly one.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Print it instead of writing docs/support.md.
    #[arg(long)]
    print: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let read = merge::read(&args.run).or_exit(ExitCode::Usage)?;
    let page = report::support(&read.report);
    if args.print {
        output::print(&page)?;
        return Ok(ExitCode::Ok);
    }
    let path = workspace::root().join(PAGE);
    atomic::write(&path, page.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
        .or_exit(ExitCode::Infrastructure)?;
    eprintln!("{}", path.display());
    Ok(ExitCode::Ok)
}
