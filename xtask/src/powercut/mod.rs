//! `cargo xtask powercut`: the power is cut while a policy is applied.

use std::{collections::BTreeSet, path::Path, thread, time::SystemTime};

use anyhow::Result;
use harness::{
    powercut::{
        Cut, Series, SeriesError, Survivor,
        program::{self, CutProgram},
        series::make_disk,
    },
    vm::Qemu,
};
use kernel_matrix::{BootMode, Capability, Matrix};
use serde::Serialize;

use crate::{
    exit_code::{ExitCode, OrExit as _},
    matrix::MirrorArgs,
    output,
    progress::Stages,
    single, workspace,
};

/// What the guest calls the program.
const PROGRAM: &str = "powercut";
const MEMORY_MIB: u32 = 256;
const DISK_BYTES: u64 = 64 << 20;
/// Syncs that are taken out of the agent, to show that it is noticed.
const FAULTS: &str = "xtask/src/powercut/faults";
/// Of the report.
const SCHEMA_VERSION: u32 = 1;

/// The power is cut while a policy is applied: the policy is whole afterwards,
/// the old one or the new one, and nothing that was acknowledged is lost.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many cuts in all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    cuts: u32,
    /// Disks that are used at the same time.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    disks: u32,
    /// Decides when the power is cut [default: another one each time].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The kernel.
    #[arg(long, value_name = "SERIES", default_value = "6.12")]
    kernel: String,
    /// Take a sync out of the agent: then the task must fail. `text-not-synced` or
    /// `name-not-synced`.
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    mirror: MirrorArgs,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Report {
    schema_version: u32,
    commit: Option<String>,
    kernel: String,
    seed: u64,
    fault: Option<String>,
    cuts: Vec<DiskCut>,
    /// After how many cuts the policy before was in force.
    old: usize,
    /// After how many the new one was.
    new: usize,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DiskCut {
    disk: u32,
    #[serde(flatten)]
    cut: Cut,
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    let matrix = Matrix::load().or_exit(ExitCode::Usage)?;
    let kernel = single::kernel(&matrix, &args.kernel).or_exit(ExitCode::Usage)?;
    let seed = args.seed.unwrap_or_else(fresh_seed);
    let artifacts = single::build(FAULTS, args.fault.as_deref())?;
    let folder = single::folder("powercut")?;
    let program = program::program();
    let image = single::image(&kernel, &args.mirror)?;
    let initramfs = single::initramfs(&folder, &artifacts, &image, (PROGRAM, &program.program))?;
    let qemu = single::qemu(MEMORY_MIB)?;
    let interrupt = qemu.interrupt.clone();
    let bench = Bench {
        image: &image.kernel,
        initramfs: &initramfs,
        program: &program,
        capabilities: kernel.capabilities_in(BootMode::BpfLsm),
        folder: &folder,
        seed,
        qemu,
    };
    let stages = Stages::new("powercut");
    stages.note(&format!(
        "{} cuts on {}, {} disks at a time, seed {seed}",
        args.cuts, args.kernel, args.disks
    ));
    let (cuts, problems) = bench.all(args.cuts, args.disks, &stages);
    let count = |survivor| {
        cuts.iter()
            .filter(|one| one.cut.survivor == survivor)
            .count()
    };
    let report = Report {
        schema_version: SCHEMA_VERSION,
        commit: workspace::commit(),
        kernel: args.kernel.clone(),
        seed,
        fault: args.fault.clone(),
        old: count(Survivor::Old),
        new: count(Survivor::New),
        problems: problems.iter().map(ToString::to_string).collect(),
        cuts,
    };
    let path = folder.join("powercut.json");
    single::write_report(&path, &report)?;
    if args.json {
        output::print_json(&report)?;
    }
    for problem in &report.problems {
        eprintln!("failed: {problem}");
    }
    eprintln!(
        "{} cuts: {} times the old policy whole, {} times the new one; seed {seed}\n{}",
        report.cuts.len(),
        report.old,
        report.new,
        path.display()
    );
    if interrupt.requested() {
        return Ok(ExitCode::Interrupted);
    }
    Ok(verdict(&problems, report.old, report.new))
}

/// What was lost is a failure. Without both outcomes the cuts were not where
/// they matter.
fn verdict(problems: &[SeriesError], old: usize, new: usize) -> ExitCode {
    let lost = |problem: &SeriesError| matches!(problem, SeriesError::Lost { .. });
    if problems.iter().any(lost) {
        ExitCode::Failed
    } else if !problems.is_empty() {
        ExitCode::Infrastructure
    } else if old == 0 || new == 0 {
        ExitCode::Inconclusive
    } else {
        ExitCode::Ok
    }
}

/// What all disks share.
struct Bench<'a> {
    image: &'a Path,
    initramfs: &'a Path,
    program: &'a CutProgram,
    capabilities: BTreeSet<Capability>,
    folder: &'a Path,
    seed: u64,
    qemu: Qemu,
}

impl Bench<'_> {
    fn all(&self, cuts: u32, disks: u32, stages: &Stages) -> (Vec<DiskCut>, Vec<SeriesError>) {
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        thread::scope(|scope| {
            let running: Vec<_> = (0..disks)
                .map(|disk| {
                    // What does not divide goes to the first ones.
                    let share = cuts / disks + u32::from(disk < cuts % disks);
                    (disk, scope.spawn(move || self.one(disk, share, stages)))
                })
                .collect();
            for (disk, series) in running {
                let (cuts, problem) = series.join().unwrap_or_else(|panic| {
                    std::panic::resume_unwind(panic);
                });
                all.extend(cuts.into_iter().map(|cut| DiskCut { disk, cut }));
                problems.extend(problem);
            }
        });
        (all, problems)
    }

    /// The cuts that were made, and why there are no more.
    fn one(&self, disk: u32, cuts: u32, stages: &Stages) -> (Vec<Cut>, Option<SeriesError>) {
        let made = std::sync::Mutex::new(Vec::new());
        let tell = |cut: &Cut| {
            stages.note(&format!(
                "disk {disk}, cut {}: {} ms after the policy {} was acknowledged, of {} ms: {:?}",
                cut.number,
                cut.after_us / 1000,
                cut.acknowledged,
                cut.usual_us / 1000,
                cut.survivor
            ));
            if let Ok(mut made) = made.lock() {
                made.push(cut.clone());
            }
        };
        let folder = self.folder.join(format!("disk-{disk}"));
        let result = std::fs::create_dir_all(&folder)
            .and_then(|()| make_disk(&folder.join("disk.ext4"), DISK_BYTES))
            .map_err(|error| SeriesError::Host(error.to_string()))
            .and_then(|()| {
                Series {
                    hypervisor: &self.qemu,
                    image: self.image,
                    initramfs: self.initramfs,
                    name: PROGRAM,
                    program: self.program,
                    capabilities: &self.capabilities,
                    folder,
                    seed: self.seed.wrapping_add(u64::from(disk) << 32),
                }
                .run(cuts, &tell)
            });
        (made.into_inner().unwrap_or_default(), result.err())
    }
}

/// Another one each time; it is told, so that a run can be repeated.
fn fresh_seed() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::from(since.unwrap_or_default().subsec_nanos())
}
