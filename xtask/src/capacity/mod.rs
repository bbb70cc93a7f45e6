//! `cargo xtask capacity`: as many rules as the agent takes, and one more.
//!
//! | module | holds |
//! | --- | --- |
//! | `text` | the report for people |

mod text;

use anyhow::{Result, anyhow};
use harness::{
    AegisBpf, Outcome,
    boot::{Greeted, greet},
    capacity::{self, Amount, CapacityProgram, Room},
    judge::{Evidence, judge},
    session::{Start, Transcript, drive},
    vm::BootSpec,
};
use harness_proto::Observation;
use kernel_matrix::{BootMode, Matrix};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    exit_code::{ExitCode, OrExit as _},
    matrix::MirrorArgs,
    output,
    progress::Stages,
    single,
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
    /// What the agent says of its maps; empty when it was not asked.
    maps: Vec<MapSize>,
}

/// One map of the agent's.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MapSize {
    name: String,
    entries: u32,
    /// As the kernel says; before 6.4 that is its estimate.
    bytes: u64,
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    let matrix = Matrix::load().or_exit(ExitCode::Usage)?;
    let kernel = single::kernel(&matrix, &args.kernel).or_exit(ExitCode::Usage)?;
    let artifacts = single::build(FAULTS, args.fault.as_deref())?;
    let folder = single::folder("capacity")?;
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
    let hypervisor = single::qemu(MEMORY_MIB)?;
    let image = single::image(&kernel, &args.mirror)?;
    let spec = BootSpec {
        initramfs: single::initramfs(&folder, &artifacts, &image, (PROGRAM, &planned.program))?,
        image: image.kernel,
        boot_mode: BootMode::BpfLsm,
        lsms: Vec::new(),
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
    single::write_report(&path, &report)?;
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&text::render(&report))?;
    }
    eprintln!("{}", path.display());
    Ok(match report.outcome {
        Outcome::Passed => ExitCode::Ok,
        Outcome::Failed { .. } => ExitCode::Failed,
        _ => ExitCode::Infrastructure,
    })
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
        Observation::Ran { stdout, .. } => {
            let health: Value = serde_json::from_str(stdout).ok()?;
            serde_json::from_value(health.get("maps")?.clone()).ok()
        }
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
        maps: maps.unwrap_or_default(),
    }
}
