//! `cargo xtask model`: random policies and operations in the guest, each
//! decision of the kernel held against a naive oracle.
//!
//! | module | holds |
//! | --- | --- |
//! | `machine` | cases in a machine of their own |

mod machine;

use anyhow::Result;
use ::model::{Case, case::Abilities, compare::Mismatch, coverage::Coverage, generate};
use kernel_matrix::{BootMode, Capability, Kernel, Matrix};

use crate::{
    exit_code::{ExitCode, OrExit as _},
    matrix::MirrorArgs,
    progress::Stages,
    single,
};
use machine::Bench;

const MEMORY_MIB: u32 = 1024;
/// Faults in the verdict that must be found.
const FAULTS: &str = "xtask/src/model/faults";

/// Random policies and random operations in the guest; what the kernel decides
/// must be what a naive oracle says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Decisions on each kernel, at least.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    decisions: u64,
    /// Decides all cases.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many cases share a machine.
    #[arg(long, value_name = "N", default_value_t = 100)]
    cases: u64,
    /// A fault in the agent, which must be found.
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

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    let matrix = Matrix::load().or_exit(ExitCode::Usage)?;
    let kernel = single::kernel(&matrix, &args.kernel).or_exit(ExitCode::Usage)?;
    let artifacts = single::build(FAULTS, args.fault.as_deref())?;
    let qemu = single::qemu(MEMORY_MIB)?;
    let bench = Bench {
        image: single::image(&kernel, &args.mirror)?,
        artifacts: &artifacts,
        folder: single::folder("model")?,
        qemu: &qemu,
    };
    let able = abilities(&kernel);
    let stages = Stages::new("model");
    let (mut number, mut decisions, mut denials) = (0, 0, 0);
    let mut coverage = Coverage::default();
    while decisions < args.decisions {
        let cases: Vec<Case> = (number..number + args.cases)
            .map(|number| generate::case(args.seed, number, able))
            .collect();
        let begun = std::time::Instant::now();
        let tried = bench.try_all(&format!("{number}"), &cases)?;
        for (case, compared) in cases.iter().zip(&tried.compared) {
            decisions += compared.decisions;
            denials += compared.denials;
            coverage.merge(&compared.coverage);
            for mismatch in &compared.mismatches {
                note(&stages, case, mismatch);
            }
        }
        number += args.cases;
        stages.note(&format!(
            "{decisions} decisions, {denials} denials, {} s",
            begun.elapsed().as_secs()
        ));
        if let Some((code, reason)) = tried.trouble() {
            stages.note(reason);
            return Ok(code);
        }
    }
    for (kind, count) in &coverage.0 {
        println!("{kind:?} {count}");
    }
    Ok(ExitCode::Ok)
}

/// What its rules can be about.
fn abilities(kernel: &Kernel) -> Abilities {
    let has = kernel.capabilities_in(BootMode::BpfLsm);
    Abilities {
        content: has.contains(&Capability::SleepableLsm) && has.contains(&Capability::ImaFileHash),
        user_namespaces: has.contains(&Capability::UsernsCreate),
    }
}

fn note(stages: &Stages, case: &Case, mismatch: &Mismatch) {
    let attempt = &case.attempts[mismatch.attempt];
    stages.note(&format!(
        "{} #{} rules={} by {} {:?}: foretold {:?}, seen {:?} {:?}",
        case.world.root,
        mismatch.attempt,
        mismatch.with_rules,
        attempt.by,
        attempt.probe,
        mismatch.foretold,
        mismatch.seen,
        mismatch.because
    ));
}
