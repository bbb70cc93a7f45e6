//! `cargo xtask teeth`: seeded faults, each of which some cell must notice.
//!
//! | module | holds |
//! | --- | --- |
//! | [`fault`] | a fault as data; the faults are in `faults/` |
//! | [`edit`] | applying its edits |
//! | [`seeded`] | the same faults for tasks that have no cells |
//! | [`tree`] | a copy of the sources that can be broken without harm |
//! | [`cells`] | running the named cells with what was built from it |
//! | [`report`] | what came of it |

mod cells;
pub mod edit;
pub mod fault;
pub mod report;
pub(crate) mod seeded;
mod tree;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

use anyhow::{Context as _, Result, anyhow};
use harness::interrupt::Interrupt;
use kernel_matrix::UnknownName;

use cells::Runner;
use fault::{Expected, Fault};
use report::{CellVerdict, FaultReport, TeethReport, Verdict};
use tree::Tree;

use crate::{
    build,
    exit_code::{ExitCode, OrExit as _},
    matrix::MirrorArgs,
    output,
    progress::Stages,
    setup, workspace,
};

const SCHEMA_VERSION: u32 = 1;

/// Builds the agent and the guest from copies of the sources with a fault in
/// each, and shows that the cells notice every one.
///
/// First the sources as they are: all the cells must pass. Then each fault is
/// caught only when its cells fail with the code that is written down beside
/// it. Exit codes: 0 every fault was caught; 1 one survived, failed otherwise
/// or did not build, or the sources are not green; 2 bad usage, also a fault
/// that does not fit the sources; 3 something could not be judged.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this fault; may be repeated.
    #[arg(long = "fault", value_name = "NAME")]
    faults: Vec<String>,
    /// Print the faults and run nothing.
    #[arg(long)]
    list: bool,
    /// The kernel that the cells run on.
    #[arg(long, value_name = "SERIES", default_value = "6.12")]
    kernel: String,
    /// Where the results go [default: a new folder in target/teeth].
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    mirror: MirrorArgs,
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    let faults = selected(&args.faults)?;
    if args.list {
        output::print(&listed(&faults))?;
        return Ok(ExitCode::Ok);
    }
    // Whatever does not fit is said before anything is built.
    for fault in &faults {
        fits(fault, &workspace::root()).or_exit(ExitCode::Usage)?;
    }
    let interrupt = Interrupt::default();
    interrupt
        .install()
        .context("cannot listen to signals")
        .or_exit(ExitCode::Infrastructure)?;
    let target = workspace::target_dir().join("teeth");
    let tree =
        Tree::sync(&workspace::root(), &target.join("tree")).or_exit(ExitCode::Infrastructure)?;
    let mut build = build::Options::new(setup::for_vms()?)?;
    tree.path().clone_into(&mut build.source_root);
    build.target_dir = target.join("target");
    let folder = match &args.report {
        Some(given) => std::path::absolute(given)
            .with_context(|| format!("cannot use {} for the report", given.display()))
            .or_exit(ExitCode::Usage)?,
        None => target.join(harness::report::run_name(
            SystemTime::now(),
            std::process::id(),
        )),
    };
    let runner = Runner {
        build,
        kernel: args.kernel.clone(),
        mirror: args.mirror.mirror.clone(),
        folder,
    };
    let report = judge_all(&runner, &tree, &faults, &interrupt)?;
    let path = save(&report, &runner.folder)?;
    if args.json {
        output::print_json(&report)?;
    }
    eprint!("{}", report.table());
    eprintln!("{}\n{}", report.summary(), path.display());
    Ok(report.exit_code())
}

fn judge_all(
    runner: &Runner,
    tree: &Tree,
    faults: &[Fault],
    interrupt: &Interrupt,
) -> Result<TeethReport> {
    let stages = Stages::new("teeth");
    stages.note(&format!(
        "the sources as they are, then {} faults, on {}",
        faults.len(),
        runner.kernel
    ));
    let artifacts = build::build(&runner.build).or_exit(ExitCode::Failed)?;
    let cells: Vec<&Expected> = faults.iter().flat_map(|fault| &fault.cells).collect();
    let mut report = TeethReport {
        schema_version: SCHEMA_VERSION,
        kernel: runner.kernel.clone(),
        interrupted: false,
        unpatched: runner.run(&cells, &artifacts, "unpatched")?,
        faults: Vec::new(),
    };
    // What fails without a fault says nothing about one.
    if report.unpatched_exit_code() == ExitCode::Ok {
        for fault in faults {
            if interrupt.requested() {
                break;
            }
            let judged = judge_one(runner, tree, fault)?;
            if interrupt.requested() {
                // It may have failed for that alone.
                break;
            }
            stages.note(&format!("{}: {}", judged.fault, judged.words()));
            report.faults.push(judged);
            // What is known stays known, whatever happens to the rest.
            save(&report, &runner.folder)?;
        }
    }
    report.interrupted = interrupt.requested();
    Ok(report)
}

fn save(report: &TeethReport, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("teeth.json");
    harness::atomic::write(&path, &serde_json::to_vec_pretty(report)?)
        .with_context(|| format!("cannot write {}", path.display()))
        .or_exit(ExitCode::Infrastructure)?;
    Ok(path)
}

fn judge_one(runner: &Runner, tree: &Tree, fault: &Fault) -> Result<FaultReport> {
    let begun = Instant::now();
    Stages::new("teeth").note(&format!("{}: {}", fault.name, fault.breaks));
    let built = tree
        .with(fault, || build::build(&runner.build))
        .or_exit(ExitCode::Infrastructure)?;
    let expected: Vec<&Expected> = fault.cells.iter().collect();
    let (seen, build_error) = match built {
        Ok(artifacts) => (runner.run(&expected, &artifacts, &fault.name)?, None),
        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
    };
    let cells: Vec<CellVerdict> = fault
        .cells
        .iter()
        .map(|expected| {
            let seen = seen.iter().find(|seen| seen.is_of(expected)).cloned();
            let verdict = match build_error {
                Some(_) => Verdict::DidNotBuild,
                None => Verdict::of(expected, seen.as_ref()),
            };
            CellVerdict {
                expected: expected.clone(),
                seen,
                verdict,
            }
        })
        .collect();
    let worst = cells.iter().map(|cell| cell.verdict).max();
    Ok(FaultReport {
        fault: fault.name.clone(),
        breaks: fault.breaks.clone(),
        verdict: worst.unwrap_or(Verdict::NotJudged),
        build_error,
        cells,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// The faults that were asked for; all of them by default.
fn selected(names: &[String]) -> Result<Vec<Fault>> {
    let folder = workspace::root().join("xtask/src/teeth/faults");
    let all = fault::read_all(&folder).or_exit(ExitCode::Usage)?;
    for name in names {
        if !all.iter().any(|fault| fault.name == *name) {
            let known = all.iter().map(|fault| &fault.name);
            return Err(anyhow!(UnknownName::new("fault", name, known))).or_exit(ExitCode::Usage);
        }
    }
    let wanted = |fault: &Fault| names.is_empty() || names.contains(&fault.name);
    Ok(all.into_iter().filter(wanted).collect())
}

/// Whether a fault's edits fit the sources.
fn fits(fault: &Fault, root: &Path) -> Result<()> {
    edit::apply(&fault.edits, |file| {
        let path = root.join(file);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    })
    .map(drop)
    .with_context(|| format!("fault {}", fault.name))
}

fn listed(faults: &[Fault]) -> String {
    let mut text = String::new();
    for fault in faults {
        let _ = writeln!(text, "{}: {}", fault.name, fault.breaks);
        for cell in &fault.cells {
            let _ = writeln!(
                text,
                "    {}/{} -> {}",
                cell.boot_mode, cell.scenario, cell.code
            );
        }
    }
    text
}

#[cfg(test)]
mod tests;
