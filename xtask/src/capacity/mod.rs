//! `cargo xtask capacity`: as many rules as the agent takes, and one more.

use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow};
use harness::{
    Adapter as _, AegisBpf, Outcome,
    accel::Accel,
    boot::{Greeted, greet},
    capacity::{self, Amount, CapacityProgram, Room},
    initramfs::{self, GuestFiles},
    interrupt::Interrupt,
    judge::{Evidence, judge},
    session::{Start, Transcript, drive},
    vm::{BootSpec, Qemu, command_line::Hardware},
};
use harness_proto::Observation;
use kernel_matrix::{BootMode, Matrix, Store, cache};
use serde::Serialize;
use serde_json::Value;

use crate::{
    build,
    exit_code::{ExitCode, OrExit as _},
    matrix::{KernelProgress, MirrorArgs},
    output,
    progress::Stages,
    setup,
    teeth::seeded,
    workspace,
};

/// What the guest calls the program.
const PROGRAM: &str = "capacity";
/// The files of the rules, their policies, and the agent with its maps.
const MEMORY_MIB: u32 = 3072;
/// Sizes of maps that are changed in the agent, to hear the kernel refuse.
const FAULTS: &str = "xtask/src/capacity/faults";
const SCHEMA_VERSION: u32 = 1;

/// Applies as many rules as the agent takes, tries a sample of them, and reports
/// memory and time; one rule more must be refused whole.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rules about files.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    files: u32,
    /// Rules about networks. Together they must be all that the agent takes.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    networks: u32,
    /// How many of each are tried.
    #[arg(long, value_name = "N", default_value_t = 200)]
    sample: u32,
    /// Decides which.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Have the agent ask the kernel for a map of the wrong size: then the kernel
    /// itself must refuse, and the agent with it. `index-too-small`,
    /// `index-too-large` or `networks-too-small`.
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// The kernel.
    #[arg(long, value_name = "SERIES", default_value = "6.12")]
    kernel: String,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    mirror: MirrorArgs,
}

#[derive(Debug, Serialize)]
struct Report {
    schema_version: u32,
    kernel: String,
    files: u32,
    networks: u32,
    sample: u32,
    seed: u64,
    outcome: Outcome,
    fault: Option<String>,
    /// From the agent being told to its answer, in milliseconds.
    applied_ms: Option<u64>,
    refused_ms: Option<u64>,
    refused_because: Option<Value>,
    /// Why the kernel did not take the policy that fits.
    kernel_refused_because: Option<Value>,
    /// What the agent says of its maps.
    maps: Option<Value>,
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    let matrix = Matrix::load().or_exit(ExitCode::Usage)?;
    let kernel = matrix.kernel(&args.kernel).or_exit(ExitCode::Usage)?;
    let mut options = build::Options::new(setup::for_vms()?)?;
    let artifacts = match &args.fault {
        None => build::build(&options).or_exit(ExitCode::Infrastructure)?,
        Some(name) => seeded::build_with(FAULTS, name, &mut options)?,
    };
    let folder = workspace::target_dir()
        .join("capacity")
        .join(harness::report::run_name(
            SystemTime::now(),
            std::process::id(),
        ));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))
        .or_exit(ExitCode::Infrastructure)?;
    let planned = capacity::program(
        &AegisBpf,
        Amount {
            files: args.files,
            networks: args.networks,
            sample: args.sample,
            seed: args.seed,
        },
        match args.fault {
            None => Room::Enough,
            Some(_) => Room::TooLittle,
        },
    );
    let initramfs = folder.join("guest.cpio");
    let files = guest_files(&artifacts, &planned);
    initramfs::write(&files, &initramfs).or_exit(ExitCode::Infrastructure)?;
    let progress = KernelProgress::default();
    let cache = cache::folder().or_exit(ExitCode::Usage)?;
    let image = Store::open(&cache, args.mirror.mirror.clone())
        .boot_image(kernel, BootMode::BpfLsm, &progress)
        .or_exit(ExitCode::Infrastructure)?;
    progress.clear();
    let interrupt = Interrupt::default();
    interrupt
        .install()
        .context("cannot listen to signals")
        .or_exit(ExitCode::Infrastructure)?;
    let hypervisor = Qemu {
        program: setup::qemu().to_owned(),
        hardware: Hardware {
            accel: Accel::Tcg,
            memory_mib: MEMORY_MIB,
            processors: 2,
        },
        interrupt,
    };
    let spec = BootSpec {
        image,
        initramfs,
        boot_mode: BootMode::BpfLsm,
        folder: folder.clone(),
        disk: None,
    };
    let stages = Stages::new("capacity");
    stages.note(&format!(
        "{} rules about files and {} about networks on {}",
        args.files, args.networks, args.kernel
    ));
    let Greeted { mut machine, .. } = greet(&hypervisor, &spec)
        .map_err(|failure| anyhow!("the machine did not boot: {}", failure.reason))
        .or_exit(ExitCode::Infrastructure)?;
    let start = Start::fresh(PROGRAM.into()).or_exit(ExitCode::Infrastructure)?;
    let transcript = drive(&mut *machine, &start, &planned.program);
    let console = machine.end().or_exit(ExitCode::Infrastructure)?;
    let outcome = judge(Evidence {
        program: &planned.program,
        nonce: &start.nonce,
        transcript: &transcript,
        console: &console,
    });
    let report = report(args, outcome, &planned, &transcript);
    let path = folder.join("capacity.json");
    harness::atomic::write(&path, &serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("cannot write {}", path.display()))
        .or_exit(ExitCode::Infrastructure)?;
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    }
    eprintln!("{}", path.display());
    Ok(match report.outcome {
        Outcome::Passed => ExitCode::Ok,
        Outcome::Failed { .. } => ExitCode::Failed,
        _ => ExitCode::Infrastructure,
    })
}

fn guest_files(artifacts: &build::Artifacts, planned: &CapacityProgram) -> GuestFiles {
    let agent = AegisBpf
        .executable()
        .expect("the reference agent has an executable");
    GuestFiles {
        runner: artifacts.guest_runner.clone(),
        probe: artifacts.probe.clone(),
        executables: vec![(agent.to_owned(), artifacts.agent.clone())],
        programs: vec![(PROGRAM.into(), planned.program.for_guest())],
    }
}

fn report(
    args: &Args,
    outcome: Outcome,
    planned: &CapacityProgram,
    transcript: &Transcript,
) -> Report {
    let record = |index: usize| transcript.records.get(index);
    let milliseconds = |index| record(index).map(|record| record.micros / 1000);
    let reason = |index| {
        record(index).and_then(|record| match &record.observation {
            Observation::Lines {
                last: Some(line), ..
            } => line.get("reason").cloned(),
            _ => None,
        })
    };
    let maps = record(planned.health).and_then(|record| match &record.observation {
        Observation::Ran { stdout, .. } => serde_json::from_str::<Value>(stdout)
            .ok()?
            .get("maps")
            .cloned(),
        _ => None,
    });
    Report {
        schema_version: SCHEMA_VERSION,
        kernel: args.kernel.clone(),
        files: args.files,
        networks: args.networks,
        sample: args.sample,
        seed: args.seed,
        outcome,
        fault: args.fault.clone(),
        applied_ms: milliseconds(planned.applied),
        refused_ms: milliseconds(planned.refused),
        refused_because: reason(planned.refused),
        kernel_refused_because: reason(planned.applied),
        maps,
    }
}
