//! `cargo xtask e2e`: real kernels, a real agent, real denials.

mod args;
mod list;
mod prepare;
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
    Plan,
    accel::Accel,
    interrupt::Interrupt,
    outcome::OutcomeKind,
    plan::Filter,
    powercut::series::make_disk,
    report::{Report, RunInfo},
    run::{self, Inputs, RunFolder},
    vm::{Qemu, command_line::Hardware},
};
use kernel_matrix::{Store, Tier, cache};

pub use args::Args;
use prepare::Prepared;

use crate::{
    build::{self, Artifacts},
    exit_code::{ExitCode, OrExit as _},
    output, setup, workspace,
};

/// Enough for an agent with its maps; more makes snapshots larger.
const MEMORY_MIB: u32 = 256;
/// Of the guest's disk in memory.
const DISK_BYTES: u64 = 4 << 20;
/// One: machines run side by side on all of the host's, and under TCG a second
/// one costs each cell a sixth more of the host's time.
pub(crate) const PROCESSORS: u32 = 1;

/// Who is put through the scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Agent {
    /// The agent of this project.
    Aegisbpf,
    /// Nobody.
    Null,
}

/// One invocation.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which cells.
    pub filter: Filter,
    /// Who is put through them.
    pub agent: Agent,
    /// How many machines at a time; by default one for each processor.
    pub jobs: Option<NonZeroUsize>,
    /// How many processors each machine has.
    pub processors: u32,
    /// Which accelerator; found out by default.
    pub accel: Option<Accel>,
    /// Where the results go; by default a new folder below the target folder.
    pub report: Option<PathBuf>,
    /// A kernel of the user's own, instead of those of the matrix.
    pub kernel_image: Option<PathBuf>,
    /// The Debian mirror from the command line.
    pub mirror: Option<String>,
    /// What the guest runs; built when absent.
    pub artifacts: Option<Artifacts>,
}

impl Options {
    /// All cells of a tier.
    pub const fn tier(tier: Tier) -> Self {
        Self {
            filter: Filter {
                tier,
                kernels: Vec::new(),
                scenarios: Vec::new(),
                boot_modes: Vec::new(),
            },
            agent: Agent::Aegisbpf,
            jobs: None,
            processors: PROCESSORS,
            accel: None,
            report: None,
            kernel_image: None,
            mirror: None,
            artifacts: None,
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
    let options = args.options();
    if args.list {
        list::print(&plan(&options)?, args.json)?;
        return Ok(ExitCode::Ok);
    }
    let done = end_to_end(&options)?;
    if args.json {
        output::print_json(&done.report)?;
    }
    eprint!("{}", table::of(&done.report));
    eprintln!("{}", table::verdict(&done.report, &done.folder));
    Ok(done.exit_code)
}

/// What a selection would run.
pub fn plan(options: &Options) -> Result<Plan> {
    Ok(Prepared::new(options)?.plan)
}

/// Run all cells of a selection, and write the reports.
pub fn end_to_end(options: &Options) -> Result<Done> {
    // Whatever is wrong with the request is said before anything is built.
    let prepared = Prepared::new(options)?;
    let artifacts = if let Some(artifacts) = &options.artifacts {
        artifacts.clone()
    } else {
        let build = build::Options::new(setup::for_vms()?)?;
        build::build(&build).or_exit(ExitCode::Infrastructure)?
    };
    let started = SystemTime::now();
    let folder = report_folder(options.report.as_deref(), started)?;
    let run_folder = RunFolder::create(&folder, options.kernel_image.clone())
        .map_err(|reason| anyhow!(reason))
        .or_exit(ExitCode::Infrastructure)?;
    let initramfs = folder.join("guest.cpio");
    let disk = folder.join("disk.ext4");
    make_disk(&disk, DISK_BYTES)
        .with_context(|| format!("cannot make {}", disk.display()))
        .or_exit(ExitCode::Infrastructure)?;
    prepared
        .write_initramfs(&artifacts, &initramfs, &disk)
        .or_exit(ExitCode::Infrastructure)?;

    let cache = cache::folder().or_exit(ExitCode::Usage)?;
    let store = Store::open(&cache, options.mirror.clone());
    let watch = watch::Watch::new(&prepared.plan);
    let files = |group: &_| prepared.boot_files(&store, &initramfs, group, &watch.kernels());
    let accel = prepared.accel(options.accel, &cache, &files)?;
    let jobs = options.jobs.unwrap_or_else(processors);
    watch.say(&format!(
        "{} cells to run on {} machines, {jobs} at a time, accelerator {}: {}",
        prepared.plan.to_run(),
        prepared.plan.groups().len(),
        accel.accel,
        accel.reason,
    ));
    let interrupt = Interrupt::default();
    interrupt
        .install()
        .context("cannot listen to signals")
        .or_exit(ExitCode::Infrastructure)?;
    let results = run::run(&Inputs {
        plan: &prepared.plan,
        programs: &prepared.programs,
        capabilities: &prepared.capabilities,
        images: &files,
        hypervisor: &Qemu {
            program: setup::qemu().to_owned(),
            hardware: Hardware {
                accel: accel.accel,
                memory_mib: MEMORY_MIB,
                processors: options.processors,
            },
            interrupt: interrupt.clone(),
        },
        jobs,
        folder: &run_folder,
        observer: &watch,
        interrupt: &interrupt,
    });
    watch.finish();
    let report = Report::new(
        RunInfo {
            started,
            seconds: started.elapsed().unwrap_or_default().as_secs_f64(),
            interrupted: interrupt.requested(),
            tier: options.filter.tier.to_string(),
            accelerator: accel.accel.to_string(),
            jobs: jobs.get(),
            commit: workspace::commit(),
        },
        &results,
        &|cell| run_folder.rerun_command(cell),
    );
    harness::report::write(&report, &run_folder)
        // What is known is shown, even if it cannot be kept.
        .inspect_err(|_| eprint!("{}", table::of(&report)))
        .map_err(|reason| anyhow!(reason))
        .or_exit(ExitCode::Infrastructure)?;
    if options.report.is_none() {
        point_latest_at(&folder)
            .context("cannot renew the link `latest`")
            .or_exit(ExitCode::Infrastructure)?;
    }
    let exit_code = exit_code(&report);
    Ok(Done {
        report,
        folder,
        exit_code,
    })
}

/// A failure is a result; trouble outranks it only where there is none.
fn exit_code(report: &Report) -> ExitCode {
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
