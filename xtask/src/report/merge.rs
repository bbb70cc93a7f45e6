//! `cargo xtask report merge`: shards from many machines as one report.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use harness::{
    cell::Again,
    report::{self, Report, ShardReport},
    run::{RunFolder, gather},
};

use crate::{
    e2e::{self, Done},
    exit_code::{ExitCode, OrExit as _},
    output,
};

/// Exit codes: those of `e2e`, for what the shards say; 2 if they are not all
/// shards of one plan.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of each shard's report, in any order.
    #[arg(required = true, value_name = "DIR")]
    shards: Vec<PathBuf>,
    /// Where the report of all goes.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let shards: Vec<ShardReport> = args
        .shards
        .iter()
        .map(|folder| read(folder))
        .collect::<Result<_>>()
        .or_exit(ExitCode::Usage)?;
    apart(args).or_exit(ExitCode::Usage)?;
    let again = Again {
        kernel_image: None,
        adapter: None,
        seed: shards.first().map_or(0, |shard| shard.report.run.seed),
    };
    let merged = report::merge(shards).or_exit(ExitCode::Usage)?;
    let folder = RunFolder::create(&args.out, again)
        .map_err(|reason| anyhow!(reason))
        .or_exit(ExitCode::Infrastructure)?;
    gather(&args.shards, &folder).or_exit(ExitCode::Infrastructure)?;
    report::write(&merged, &folder)
        .map_err(|reason| anyhow!(reason))
        .or_exit(ExitCode::Infrastructure)?;
    if args.json {
        output::print_json(&merged)?;
    }
    let done = Done {
        exit_code: e2e::exit_code(&merged),
        report: merged,
        folder: args.out.clone(),
    };
    e2e::say(&done);
    Ok(done.exit_code)
}

/// The report in a run's folder.
pub(super) fn read(folder: &Path) -> Result<ShardReport> {
    let path = folder.join("report.json");
    let text = fs::read(&path)
        .with_context(|| format!("cannot read {}: did the run end?", path.display()))?;
    let report: Report = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no report of this version", path.display()))?;
    if report.schema_version != report::SCHEMA_VERSION {
        bail!(
            "{} has version {} of the format, not {}",
            path.display(),
            report.schema_version,
            report::SCHEMA_VERSION
        );
    }
    Ok(ShardReport {
        name: folder.display().to_string(),
        report,
    })
}

/// The old contents of the folder for all go: it must be none of the shards'.
fn apart(args: &Args) -> Result<()> {
    let real = |path: &Path| fs::canonicalize(path).ok();
    let out = real(&args.out);
    match args
        .shards
        .iter()
        .find(|shard| out.is_some() && real(shard) == out)
    {
        Some(shard) => bail!("--out {} is the folder of a shard", shard.display()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, run};
    use crate::exit_code::ExitCode;
    use std::fs;

    #[test]
    fn a_folder_without_a_report_and_one_that_would_be_lost_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |out: &str| {
            let args = Args {
                shards: vec![folder.path().join("1")],
                out: folder.path().join(out),
                json: false,
            };
            let error = run(&args).unwrap_err();
            assert_eq!(ExitCode::of(&error), ExitCode::Usage);
            format!("{error:#}")
        };
        assert!(refused("all").contains("did the run end?"));
        fs::create_dir(folder.path().join("1")).unwrap();
        fs::write(folder.path().join("1/report.json"), "{}").unwrap();
        assert!(refused("all").contains("no report of this version"));
    }
}
