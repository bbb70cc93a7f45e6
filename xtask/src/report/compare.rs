//! `cargo xtask report compare`: agents side by side.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use harness::{atomic, report};

use super::merge;
use crate::{
    exit_code::{ExitCode, OrExit as _},
    output,
};

/// Exit codes: 0 written, whatever the runs came to; 2 they cannot be compared.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of each run, of different agents or on different kernels.
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Where compare.json, compare.md and compare.html go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print it as JSON instead of Markdown.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let runs = args.runs.iter().map(|folder| merge::read(folder));
    let runs = runs.collect::<Result<Vec<_>>>().or_exit(ExitCode::Usage)?;
    let comparison = report::compare(&runs).or_exit(ExitCode::Usage)?;
    ensure!(
        !comparison.columns.is_empty(),
        "the runs have no cells to compare"
    );
    let json = serde_json::to_string_pretty(&comparison)? + "\n";
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make {}", args.out.display()))
        .or_exit(ExitCode::Infrastructure)?;
    let formats = [
        ("compare.json", json),
        ("compare.md", comparison.markdown()),
        ("compare.html", comparison.html()),
    ];
    for (name, text) in formats {
        let path = args.out.join(name);
        atomic::write(&path, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
            .or_exit(ExitCode::Infrastructure)?;
    }
    if args.json {
        output::print_json(&comparison)?;
    } else {
        output::print(&comparison.markdown())?;
    }
    eprintln!("{}", args.out.join("compare.html").display());
    Ok(ExitCode::Ok)
}
