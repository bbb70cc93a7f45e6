//! `cargo xtask e2e`: real kernels, a real agent, real denials.

pub(crate) mod agent;
mod args;
mod carry_out;
mod list;
mod manifest;
mod prepare;
mod request;
mod table;
mod watch;

use std::{
    io::IsTerminal as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result, anyhow};
use harness::{
    Plan, accel::Accel, outcome::OutcomeKind, powercut::series::make_disk, report::Report,
    run::RunFolder,
};
use kernel_matrix::Tier;

pub use agent::Agent;
pub use args::Args;
use carry_out::Run;
use manifest::Manifest;
use prepare::Prepared;
pub use request::Request;

use crate::{
    build::{self, Artifacts},
    exit_code::{ExitCode, OrExit as _},
    model, output, setup, soak, workspace,
};

/// Of the guest's disk in memory.
const DISK_BYTES: u64 = 4 << 20;
/// One: machines run side by side on all of the host's, and under TCG a second
/// one costs each cell a sixth more of the host's time.
pub(crate) const PROCESSORS: u32 = 1;

/// One invocation.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is judged.
    pub request: Request,
    /// How many machines at a time; by default one for each processor.
    pub jobs: Option<NonZeroUsize>,
    /// Which accelerator; found out by default.
    pub accel: Option<Accel>,
    /// Where the results go; by default a new folder below the target folder.
    pub report: Option<PathBuf>,
    /// The Debian mirror from the command line.
    pub mirror: Option<String>,
    /// What the guest runs; built when absent.
    pub artifacts: Option<Artifacts>,
    /// The socket of somebody who wants a shell when the steps are done.
    pub shell: Option<PathBuf>,
}

impl Options {
    /// All cells of a tier.
    pub const fn tier(tier: Tier) -> Self {
        Self {
            request: Request::tier(tier),
            jobs: None,
            accel: None,
            report: None,
            mirror: None,
            artifacts: None,
            shell: None,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Done {
    /// The same as in the folder's `report.json`.
    pub report: Report,
    /// The folder with the results.
    pub folder: PathBuf,
    /// Of the whole run.
    pub exit_code: ExitCode,
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    let soaks = args.soaks().or_exit(ExitCode::Usage)?;
    if !soaks.is_empty() {
        let run_all = |code: ExitCode, soak| Ok(code.and(soak::run(soak)?));
        return soaks.iter().try_fold(ExitCode::Ok, run_all);
    }
    let options = args.options();
    if args.list {
        list::print(&plan(&options)?, args.json)?;
        return Ok(ExitCode::Ok);
    }
    let done = match &args.resume {
        Some(folder) => resume(folder, options)?,
        None => end_to_end(&options)?,
    };
    if args.json {
        output::print_json(&done.report)?;
    }
    say(&done);
    let model = match args.model() {
        Some(request) if done.exit_code != ExitCode::Interrupted => model::carry_out(&request)?,
        _ => ExitCode::Ok,
    };
    Ok(done.exit_code.and(model))
}

/// The table and the verdict, on standard error.
pub(crate) fn say(done: &Done) {
    eprint!("{}", table::of(&done.report));
    eprint!("{}", table::techniques(&done.report.techniques));
    eprintln!("{}", verdict(done));
}

/// What came of it, what to look at, and how to run a bad cell again.
pub(crate) fn verdict(done: &Done) -> String {
    table::verdict(&done.report, &done.folder)
}

/// What a selection would run.
pub fn plan(options: &Options) -> Result<Plan> {
    Ok(Prepared::new(&options.request)?.plan)
}

/// Run all cells of a selection, and write the reports.
pub fn end_to_end(options: &Options) -> Result<Done> {
    // Whatever is wrong with the request is said before anything is built.
    let mut prepared = Prepared::new(&options.request)?;
    if options.shell.is_some() {
        prepared.offer_shell();
    }
    let artifacts = artifacts(options)?;
    let started = SystemTime::now();
    let folder = report_folder(options.report.as_deref(), started)?;
    let run_folder = RunFolder::create(&folder, options.request.again())
        .map_err(|reason| anyhow!(reason))
        .or_exit(ExitCode::Infrastructure)?;
    let manifest = Manifest::new(&options.request, started, &prepared);
    let initramfs = prepare_guest(&prepared, &artifacts, &folder)?;
    let manifest = manifest.write(&folder, &initramfs, prepared.subjects(&artifacts)?)?;
    let run = Run {
        options,
        prepared: &prepared,
        manifest: &manifest,
        folder: &run_folder,
        initramfs: &initramfs,
        earlier: None,
    };
    let done = run.carry_out()?;
    if options.report.is_none() {
        point_latest_at(&folder)
            .context("cannot renew the link `latest`")
            .or_exit(ExitCode::Infrastructure)?;
    }
    Ok(done)
}

/// Go on with the cells of a run that have no outcome yet.
fn resume(folder: &Path, options: Options) -> Result<Done> {
    let folder = std::path::absolute(folder)
        .with_context(|| format!("cannot use {}", folder.display()))
        .or_exit(ExitCode::Usage)?;
    let manifest = Manifest::read(&folder).or_exit(ExitCode::Usage)?;
    let options = Options {
        request: manifest.request.clone(),
        ..options
    };
    let prepared = Prepared::new(&options.request)?;
    manifest
        .must_equal(&Manifest::new(
            &options.request,
            SystemTime::now(),
            &prepared,
        ))
        .or_exit(ExitCode::Usage)?;
    let artifacts = artifacts(&options)?;
    let (run_folder, earlier) = RunFolder::resume(&folder, options.request.again())
        .map_err(|reason| anyhow!(reason))
        .or_exit(ExitCode::Infrastructure)?;
    let initramfs = prepare_guest(&prepared, &artifacts, &folder)?;
    manifest
        .must_have_guest(&initramfs)
        .or_exit(ExitCode::Usage)?;
    let run = Run {
        options: &options,
        prepared: &prepared,
        manifest: &manifest,
        folder: &run_folder,
        initramfs: &initramfs,
        earlier: Some(earlier),
    };
    run.carry_out()
}

fn artifacts(options: &Options) -> Result<Artifacts> {
    if let Some(artifacts) = &options.artifacts {
        return Ok(artifacts.clone());
    }
    let build = build::Options::new(setup::for_vms()?)?;
    build::build(&build).or_exit(ExitCode::Infrastructure)
}

fn prepare_guest(prepared: &Prepared, artifacts: &Artifacts, folder: &Path) -> Result<PathBuf> {
    let initramfs = folder.join("guest.cpio");
    let disk = folder.join("disk.ext4");
    make_disk(&disk, DISK_BYTES)
        .with_context(|| format!("cannot make {}", disk.display()))
        .or_exit(ExitCode::Infrastructure)?;
    prepared
        .write_initramfs(artifacts, &initramfs, &disk)
        .or_exit(ExitCode::Infrastructure)?;
    Ok(initramfs)
}

/// A failure is a result; trouble outranks it only where there is none.
pub(crate) fn exit_code(report: &Report) -> ExitCode {
    if report.run.interrupted {
        return ExitCode::Interrupted;
    }
    report
        .cells
        .iter()
        .map(|cell| match cell.outcome {
            OutcomeKind::Passed | OutcomeKind::Skipped => ExitCode::Ok,
            OutcomeKind::Failed => ExitCode::Failed,
            OutcomeKind::Infra | OutcomeKind::NotRun => ExitCode::Infrastructure,
        })
        .fold(ExitCode::Ok, ExitCode::and)
}

fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The folder given, or a new one named by the time.
fn report_folder(given: Option<&Path>, started: SystemTime) -> Result<PathBuf> {
    if let Some(given) = given {
        return std::path::absolute(given)
            .with_context(|| format!("cannot use {} for the report", given.display()))
            .or_exit(ExitCode::Usage);
    }
    let parent = workspace::target_dir().join("e2e");
    let name = harness::report::run_name(started, std::process::id());
    Ok(parent.join(name))
}

/// `latest` beside the folder leads to it.
fn point_latest_at(folder: &Path) -> std::io::Result<()> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Ok(());
    };
    let fresh = parent.join(format!(".latest-{}", std::process::id()));
    std::os::unix::fs::symlink(name, &fresh)?;
    std::fs::rename(&fresh, parent.join("latest"))
}

/// Whether a person watches.
fn terminal() -> bool {
    std::io::stderr().is_terminal()
}
