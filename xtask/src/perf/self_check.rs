//! `cargo xtask perf self-check`: does the comparison find what it should?

use std::time::Instant;

use anyhow::Result;
use harness::{
    AegisBpf,
    count::trials::{self, Side, TrialsRequest},
};
use harness_proto::count::Operation;
use kernel_matrix::{Store, cache};
use perf::{
    check::{CheckReport, CheckVerdict, Trial},
    compare::KernelComparison,
    count::plan,
};

use super::{
    bench::Bench,
    compare::THRESHOLD_PERCENT,
    count::{folder, interrupt, kernels},
    guest,
};
use crate::{
    exit_code::{ExitCode, OrExit as _},
    matrix::MirrorArgs,
    output, workspace,
};

/// Show that `perf compare` finds slow-downs, and finds none where there is none.
///
/// Machines are booted. In each, the same agent is both sides of comparisons, started
/// anew in the order base, head, head, base. Twenty times nothing is changed: no
/// operation may be found to be dearer or cheaper. Twenty times each, one operation in
/// turn is slowed down by 0.5 %, 1 % and 2 % by a loop of known length: that one, and no
/// other, must be found to be dearer, but for one time in twenty. In every round the
/// counter must be within 0.1 % over a loop of known length.
///
/// It takes some ten minutes on two processors; `--quick` takes a quarter of that, and
/// proves less: it says so.
///
/// Exit codes: 0 the comparison may be believed; 1 it may not; 2 bad usage; 3 no counts:
/// build tools, download, QEMU, machine, disk; 4 inconclusive; 130 interrupted.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// On this kernel.
    #[arg(long, value_name = "SERIES", default_value = "6.12")]
    kernel: String,
    /// Five comparisons of each kind, in one boot.
    #[arg(long)]
    quick: bool,
    /// Print JSON; its schema is in docs/schema.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    mirror: MirrorArgs,
}

/// Twenty comparisons of each kind, in boots of five.
const BOOTS: u32 = 4;
const IN_A_BOOT: u32 = 5;
const ROUNDS: u32 = 3;
/// Few, so that an agent is started in no time: what is compared is the same.
const RULES: u32 = 100;
/// What differs most in how it is counted, and how steadily.
const OPERATIONS: [Operation; 5] = [
    Operation::OpenClose,
    Operation::Stat,
    Operation::Pread,
    Operation::UdpConnect,
    Operation::CreateUnlink,
];

/// The task.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let kernels = kernels(std::slice::from_ref(&args.kernel)).or_exit(ExitCode::Usage)?;
    let artifacts = guest::build()?;
    let folder = folder("self-check")?;
    let interrupt = interrupt()?;
    let cache = cache::folder().or_exit(ExitCode::Usage)?;
    let plan = plan(&OPERATIONS, ROUNDS);
    let started = Instant::now();
    let boots = if args.quick { 1 } else { BOOTS };
    let mut trials: Vec<Trial> = Vec::new();
    for boot in 0..boots {
        let request = TrialsRequest {
            plan: plan.clone(),
            rounds: IN_A_BOOT,
            rules: RULES,
            earlier: boot * IN_A_BOOT,
        };
        let program = trials::program(&AegisBpf, &request);
        let initramfs = guest::initramfs(&artifacts, &program.program, &folder)?;
        let bench = Bench {
            store: Store::open(&cache, args.mirror.mirror.clone()),
            program: &program.program,
            initramfs: &initramfs,
            folder: &folder,
            interrupt: &interrupt,
        };
        let (mut found, not_counted, exit_code) = bench.each(&kernels, |series, facts, said| {
            let sides = trials::read(&program, said).or_exit(ExitCode::Inconclusive)?;
            let trial = |Side { seed, counts }| {
                let comparison = KernelComparison::new(
                    series,
                    &facts.release,
                    &plan,
                    &counts,
                    THRESHOLD_PERCENT,
                )?;
                Ok(Trial { seed, comparison })
            };
            let trials: Result<Vec<Trial>> = sides.into_iter().map(trial).collect();
            trials.or_exit(ExitCode::Inconclusive)
        });
        for missing in &not_counted {
            eprintln!("perf: {}: not counted: {}", missing.kernel, missing.reason);
        }
        if exit_code != ExitCode::Ok {
            return Ok(exit_code);
        }
        let found = found.pop().unwrap_or_default();
        let right = found
            .iter()
            .filter(|it| it.answer() == perf::check::Answer::Right);
        eprintln!(
            "    perf  boot {} of {boots}: {} of {} comparisons came to the known answer",
            boot + 1,
            right.count(),
            found.len()
        );
        trials.extend(found);
    }
    let report = CheckReport::new(
        (&args.kernel, workspace::commit()),
        (boots, started.elapsed().as_secs_f64()),
        THRESHOLD_PERCENT,
        &trials,
    );
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    Ok(match report.verdict {
        CheckVerdict::Proven | CheckVerdict::ProvesLess => ExitCode::Ok,
        CheckVerdict::Wrong => ExitCode::Failed,
        CheckVerdict::Inconclusive => ExitCode::Inconclusive,
    })
}
