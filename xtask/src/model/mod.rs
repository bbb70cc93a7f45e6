//! `cargo xtask model`: random policies and operations in the guest, each
//! decision of the kernel held against a naive oracle.
//!
//! | module | holds |
//! | --- | --- |
//! | `machine` | cases in a machine of their own |
//! | `search` | one kernel: cases until there are enough decisions |
//! | `shrinking` | the smallest case of one that fails |
//! | `report` | what came of it |

mod machine;
mod report;
mod search;
mod shrinking;

use std::{num::NonZeroUsize, time::SystemTime};

use anyhow::Result;
use harness::{plan::Shard, vm::Qemu};
use kernel_matrix::{BootMode, Capability, Kernel, Matrix, Tier};

use crate::{
    exit_code::{ExitCode, OrExit as _},
    matrix::{MirrorArgs, tier_parser},
    output,
    progress::Stages,
    single, workspace,
};
use report::{Report, SCHEMA_VERSION};

const MEMORY_MIB: u32 = 768;
/// Faults in the agent that must be found.
const FAULTS: &str = "xtask/src/model/faults";
const SECONDS_OF_A_DAY: u64 = 86_400;

/// Random policies and random operations in the guest; what the kernel decides
/// must be what a naive oracle says.
///
/// Where it is not, the case is made as small as it gets and printed as a
/// scenario. Exit codes: 0 all decisions are as foretold; 1 one is not, fewer
/// than a fifth are denials, or some kind of rule never decided; 2 bad usage;
/// 3 something could not be judged; 130 interrupted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kernels of this tier and the ones before it, and its number of decisions:
    /// 10000 on each kernel, and 100000 in nightly.
    #[arg(long, default_value = "pr", value_parser = tier_parser())]
    tier: Tier,
    /// Only this kernel; may be repeated.
    #[arg(long = "kernel", value_name = "SERIES")]
    kernels: Vec<String>,
    /// Decisions on each kernel, at least, instead of the tier's.
    #[arg(long, value_name = "N")]
    decisions: Option<u64>,
    /// Decides all policies and operations [default: 1; in nightly that of the day].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many machines run at a time [default: one for each processor].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Put this fault into a copy of the agent: then a counter-example must be
    /// found, and the task fail. `exception-ignored`, `last-port-left-out`,
    /// `itself-taken-for-beneath` or `subtree-not-inherited`.
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    mirror: MirrorArgs,
}

/// What is to be done, from whichever command line.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) tier: Tier,
    /// Empty: those of the tier.
    pub(crate) kernels: Vec<String>,
    /// Only its part of them.
    pub(crate) shard: Option<Shard>,
    pub(crate) decisions: Option<u64>,
    pub(crate) seed: Option<u64>,
    pub(crate) jobs: Option<NonZeroUsize>,
    pub(crate) fault: Option<String>,
    pub(crate) json: bool,
    pub(crate) mirror: MirrorArgs,
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    carry_out(&Request {
        tier: args.tier,
        kernels: args.kernels.clone(),
        shard: None,
        decisions: args.decisions,
        seed: args.seed,
        jobs: args.jobs,
        fault: args.fault.clone(),
        json: args.json,
        mirror: args.mirror.clone(),
    })
}

/// The same, as part of another task.
pub(crate) fn carry_out(request: &Request) -> Result<ExitCode> {
    let matrix = Matrix::load().or_exit(ExitCode::Usage)?;
    let mut kernels = kernels(&matrix, request)?;
    if let Some(shard) = request.shard {
        let mut turn = 0;
        kernels.retain(|_| {
            turn += 1;
            (turn - 1) % shard.count() == shard.index() - 1
        });
    }
    let seed = request.seed.unwrap_or_else(|| seed(request.tier));
    let artifacts = single::build(FAULTS, request.fault.as_deref())?;
    let folder = single::folder("model")?;
    let qemu = single::qemu(MEMORY_MIB)?;
    let qemu = Qemu {
        hardware: harness::vm::command_line::Hardware {
            processors: 1,
            ..qemu.hardware
        },
        ..qemu
    };
    let stages = Stages::new("model");
    let mut report = Report {
        schema_version: SCHEMA_VERSION,
        commit: workspace::commit(),
        seed,
        fault: request.fault.clone(),
        kernels: Vec::new(),
    };
    let wanted = request.decisions.unwrap_or(match request.tier {
        Tier::Smoke | Tier::Pr => 10_000,
        Tier::Nightly => 100_000,
    });
    let path = folder.join("model.json");
    let mut code = ExitCode::Ok;
    for kernel in &kernels {
        let name = kernel.series.to_string();
        stages.note(&format!("{wanted} decisions on {name}, seed {seed}"));
        let bench = machine::Bench {
            image: single::image(kernel, &request.mirror)?,
            artifacts: &artifacts,
            folder: folder.join(&name),
            qemu: &qemu,
            able: search::abilities(kernel),
        };
        let jobs = request.jobs.unwrap_or_else(processors);
        let one = search::search(&bench, kernel, (wanted, seed, jobs), &stages)?;
        code = code.and(one.exit_code());
        report.kernels.push(one);
        // What is known stays known, whatever happens to the rest.
        single::write_report(&path, &report)?;
        if qemu.interrupt.requested() {
            code = ExitCode::Interrupted;
            break;
        }
    }
    if request.json {
        output::print_json(&report)?;
    }
    for kernel in &report.kernels {
        eprintln!("{}", kernel.table());
        if let Some(found) = &kernel.counter_example {
            eprintln!("{}", found.text());
        }
        eprintln!("{}", kernel.verdict());
    }
    eprintln!("seed {seed}\n{}", path.display());
    Ok(code)
}

/// Those that have BPF LSM.
fn kernels(matrix: &Matrix, request: &Request) -> Result<Vec<Kernel>> {
    if request.kernels.is_empty() {
        let able = |kernel: &&Kernel| {
            let has = kernel.capabilities_in(BootMode::BpfLsm);
            has.contains(&Capability::BpfLsm)
        };
        return Ok(matrix.in_tier(request.tier).filter(able).cloned().collect());
    }
    let named = request.kernels.iter();
    named
        .map(|name| single::kernel(matrix, name).or_exit(ExitCode::Usage))
        .collect()
}

/// Another one each day where much is tried; else what fails once always fails.
fn seed(tier: Tier) -> u64 {
    match tier {
        Tier::Smoke | Tier::Pr => 1,
        Tier::Nightly => {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            since.unwrap_or_default().as_secs() / SECONDS_OF_A_DAY
        }
    }
}

fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
