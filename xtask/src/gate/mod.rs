//! `cargo xtask gate`: GO or NO-GO.

mod import;

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result, anyhow};
use clap::Subcommand;
use evidence::{
    Decision, Moment, Verdict, evaluate,
    report::{html, markdown, terminal},
    rollout::log,
};

use crate::{
    exit_code::{ExitCode, OrExit as _},
    output,
    proof::{checklist, collect, verify},
    single,
};

/// Decide whether something may go live, by the evidence in a bundle; see
/// docs/gate.md.
///
/// Exit codes: 0 GO; 1 NO-GO, or a bundle that is refused; 2 bad usage, such as
/// a mistake in the checklist; 3 nothing was decided: a file, a tool or the disk
/// failed.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The checklist: the path of one, or the name of a shipped one such as
    /// `agent-release`.
    #[arg(long, value_name = "FILE|NAME", required = true)]
    checklist: Option<String>,
    /// The bundle.
    #[arg(long, value_name = "DIR", required_unless_present = "collect")]
    bundle: Option<PathBuf>,
    /// Collect the evidence first; may take an hour.
    #[arg(long, conflicts_with = "bundle")]
    collect: bool,
    #[command(flatten)]
    by: collect::By,
    /// Whose signatures count [default: the development keys of this machine].
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Where the reports go [default: a new folder in target/gate].
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// For a rollout: add what is decided about its phase to this log, which is
    /// made if it is not there, and refused if it was altered.
    #[arg(long, value_name = "FILE")]
    rollout_log: Option<PathBuf>,
    /// Print the decision as JSON; its schema is
    /// docs/schema/gate-decision.schema.json.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a checklist as people write it, in Markdown or copied from a page.
    Import(import::ImportArgs),
    /// Give a checklist back as Markdown, ticked.
    Export(import::ExportArgs),
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Some(Command::Import(args)) => import::import(args),
        Some(Command::Export(args)) => import::export(args),
        None => decide(args),
    }
}

fn decide(args: &Args) -> Result<ExitCode> {
    let name = args.checklist.as_deref().unwrap_or_default();
    let found = checklist::find(name)?;
    let trust = verify::trust(args.trust.as_deref())?;
    let reports = match &args.report {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))
                .or_exit(ExitCode::Infrastructure)?;
            folder.clone()
        }
        None => single::folder("gate")?,
    };
    let bundle_folder = if let Some(folder) = &args.bundle {
        folder.clone()
    } else {
        let folder = reports.join("bundle");
        collect::into(&found, &folder, &args.by)?;
        folder
    };
    let bundle = match verify::read(&bundle_folder, &trust)? {
        Ok(bundle) => bundle,
        Err(refusal) => {
            let error = anyhow!("NO-GO: the bundle is refused: {refusal}");
            return Err(error).or_exit(ExitCode::Failed);
        }
    };
    let now = Moment::at(SystemTime::now());
    let decision = evaluate(&found.checklist, &bundle, &trust, now);
    if let Some(log) = &args.rollout_log {
        add_to_log(log, &decision)?;
    }
    write(&reports, &decision, &way(&reports, &bundle_folder))?;
    if args.json {
        output::print_json(&decision)?;
    } else {
        output::print(&terminal(&decision))?;
    }
    eprintln!("{}", reports.join("gate.html").display());
    Ok(match decision.verdict {
        Verdict::Go => ExitCode::Ok,
        Verdict::NoGo => ExitCode::Failed,
    })
}

fn add_to_log(path: &Path, decision: &Decision) -> Result<()> {
    if decision.rollout.is_none() {
        return Err(anyhow!(
            "the checklist `{}` has no `phase`, so there is nothing for --rollout-log",
            decision.checklist
        ))
        .or_exit(ExitCode::Usage);
    }
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read {}", path.display()))
                .or_exit(ExitCode::Infrastructure);
        }
    };
    let text = log::append(&text, decision)
        .with_context(|| format!("{} is not what was written", path.display()))
        .or_exit(ExitCode::Failed)?;
    harness::atomic::write(path, text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
        .or_exit(ExitCode::Infrastructure)
}

/// From the page to the bundle: short when it is beside it.
fn way(reports: &Path, bundle: &Path) -> String {
    let beside = bundle.strip_prefix(reports).map(Path::to_owned);
    let whole = || std::path::absolute(bundle).unwrap_or_else(|_| bundle.to_owned());
    beside.unwrap_or_else(|_| whole()).display().to_string()
}

fn write(folder: &Path, decision: &Decision, bundle: &str) -> Result<()> {
    let json = serde_json::to_string_pretty(decision)? + "\n";
    for (name, text) in [
        ("gate.json", json),
        ("gate.txt", terminal(decision)),
        ("gate.md", markdown(decision)),
        ("gate.html", html(decision, bundle)),
    ] {
        let path = folder.join(name);
        harness::atomic::write(&path, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
            .or_exit(ExitCode::Infrastructure)?;
    }
    Ok(())
}
