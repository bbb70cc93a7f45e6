//! `cargo xtask perf run`: what the agent costs under every policy that matters.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use harness::{
    Adapter as _, AegisBpf,
    count::sweep::{self, Counted, Sweep},
};
use harness_proto::count::Operation;
use kernel_matrix::{Kernel, Store, cache, kernel::Source};
use perf::{
    count::{Bounds, Verdict, plan},
    run::{
        Baseline, Compared, KernelRun, Mode, Policy, Rules, RunReport, baseline::ChangeKind,
        report::SCHEMA_VERSION, table,
    },
};

use super::{
    args::{MOST_RULES, operation_parser},
    bench::Bench,
    count::{folder, interrupt, kernels},
    guest,
};
use crate::{
    exit_code::{ExitCode, OrExit as _},
    matrix::MirrorArgs,
    output, workspace,
};

/// Count guest instructions per operation under every policy that matters, with the
/// slopes between them, memory, programs, and what applying a policy takes.
///
/// One boot for each kernel goes through: no agent; the agent with 0 to 100,000 exact
/// rules, in enforce and in audit, with rules beside what is measured, a subtree,
/// networks of many lengths, and descriptors that are revoked; programs that do
/// nothing on the agent's hooks. Each policy is shown to be in force before and after.
/// Figures are held against perf/bounds.toml and perf/baselines. The result is kept in
/// target/perf/run/report.json, for `perf report` and `perf baseline`.
///
/// Exit codes: 0 nothing is beyond its bound or dearer than the baseline; 1 something
/// is, or the agent did not do what it should; 2 bad usage; 3 no counts: download,
/// QEMU, machine, disk; 4 inconclusive: the counter was not proven, rounds are too far
/// apart, or the baseline is missing, or of another kernel or unit; 130 interrupted.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask perf run --kernel 6.12 --kernel 7.3\n  \
                        cargo xtask perf run --workload open-close --rules 10 --rules 50000"
)]
pub(super) struct Args {
    /// Count on this kernel; may be repeated [default: 6.12].
    #[arg(long = "kernel", value_name = "SERIES")]
    kernels: Vec<String>,
    /// Only this operation; may be repeated.
    #[arg(long = "workload", value_name = "NAME", value_parser = operation_parser())]
    workloads: Vec<Operation>,
    /// Only policies with so many exact rules of each kind; may be repeated.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=MOST_RULES))]
    rules: Vec<u32>,
    /// Only policies with exact rules, in this mode.
    #[arg(long)]
    mode: Option<ModeArg>,
    /// How many processes count, one after the other, where the agent is held against
    /// its bounds; elsewhere it is one.
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    processes: u32,
    /// What figures are held against [default: perf/bounds.toml].
    #[arg(long, value_name = "FILE")]
    bounds: Option<PathBuf>,
    /// Hold nothing against perf/baselines.
    #[arg(long)]
    without_baseline: bool,
    /// Write the result as Markdown too, for a pull request.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Print JSON; its schema is in docs/schema.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    mirror: MirrorArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    Audit,
    Enforce,
}

const ROUNDS: u32 = 4;
const BRIEF_ROUNDS: u32 = 3;
/// Of each kind: the last are 100,000 rules in all.
const EXACT: [u32; 5] = [0, 10, 1_000, 10_000, 50_000];
/// Of each kind, to be applied: the last are ten times as many as the first.
const APPLIED: [u32; 3] = [5_000, 10_000, 50_000];
/// Up to so many rules the agent is held against its bounds.
const BOUNDED: u32 = 10_000;

/// The task.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    // Whatever is wrong with the request is said before anything is built.
    let chosen = if args.kernels.is_empty() {
        vec!["6.12".to_owned()]
    } else {
        args.kernels.clone()
    };
    let kernels = kernels(&chosen).or_exit(ExitCode::Usage)?;
    let own = || workspace::root().join("perf/bounds.toml");
    let bounds = Bounds::read(&args.bounds.clone().unwrap_or_else(own)).or_exit(ExitCode::Usage)?;
    let request = sweep(args);
    let program = sweep::program(&AegisBpf, &request);

    let artifacts = guest::build()?;
    let folder = folder("run")?;
    let initramfs = guest::initramfs(&artifacts, &program.program, &folder)?;
    let interrupt = interrupt()?;
    let cache = cache::folder().or_exit(ExitCode::Usage)?;
    let bench = Bench {
        store: Store::open(&cache, args.mirror.mirror.clone()),
        program: &program.program,
        initramfs: &initramfs,
        folder: &folder,
        interrupt: &interrupt,
    };
    let whole = whole(args);
    let (kernels, not_counted, exit_code) = bench.each(&kernels, |series, facts, transcript| {
        let surveyed = sweep::read(&program, transcript).or_exit(ExitCode::Inconclusive)?;
        let build = build_of(&kernels, series);
        let run = KernelRun::new((series, &facts.release, &build), &surveyed, &bounds)
            .or_exit(ExitCode::Inconclusive)?;
        if args.without_baseline {
            return Ok(run);
        }
        compared(run, whole, &bounds)
    });
    let report = RunReport {
        schema_version: SCHEMA_VERSION,
        commit: workspace::commit(),
        subjects: artifacts.subjects()?,
        agent: AegisBpf.name().to_owned(),
        whole,
        kernels,
        not_counted,
    };
    keep(&report)?;
    if let Some(path) = &args.markdown {
        write(path, &table::markdown(&report))?;
    }
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&table::render(&report))?;
    }
    Ok(report
        .kernels
        .iter()
        .map(code)
        .fold(exit_code, ExitCode::and))
}

fn compared(run: KernelRun, whole: bool, bounds: &Bounds) -> Result<KernelRun> {
    let found = Baseline::read(&baselines(), &run.kernel).or_exit(ExitCode::Inconclusive)?;
    let baseline = found.map_or(Compared::NoBaseline, |it| it.compare(&run, whole, bounds));
    Ok(KernelRun { baseline, ..run })
}

/// Where the baselines are.
pub(super) fn baselines() -> PathBuf {
    workspace::root().join("perf/baselines")
}

/// Where the last result is.
pub(super) fn last_report() -> PathBuf {
    workspace::target_dir().join("perf/run/report.json")
}

fn keep(report: &RunReport) -> Result<()> {
    write(&last_report(), &serde_json::to_string_pretty(report)?)
}

/// Write a file that somebody asked for.
pub(super) fn write(path: &std::path::Path, text: &str) -> Result<()> {
    fs::write(path, text)
        .with_context(|| format!("cannot write {}", path.display()))
        .or_exit(ExitCode::Infrastructure)
}

/// Which build of a kernel it is, so that another one is never taken for it.
fn build_of(kernels: &[Kernel], series: &str) -> String {
    let own = |kernel: &&Kernel| kernel.series.to_string() == series;
    match kernels.iter().find(own).map(|kernel| &kernel.source) {
        Some(Source::Pinned { pin, .. }) => {
            format!("{} {} sha256:{}", pin.package, pin.version, pin.sha256)
        }
        Some(Source::Image {
            version, sha256, ..
        }) => format!("{version} sha256:{sha256}"),
        None => "unknown".into(),
    }
}

/// Whether everything is asked for.
fn whole(args: &Args) -> bool {
    args.workloads.is_empty() && args.rules.is_empty() && args.mode.is_none()
}

/// What is counted.
fn sweep(args: &Args) -> Sweep {
    let chosen =
        |operation: &Operation| args.workloads.is_empty() || args.workloads.contains(operation);
    let those = |wanted: &dyn Fn(Operation) -> bool| -> Vec<Operation> {
        let all = Operation::ALL.into_iter().filter(chosen);
        all.filter(|&operation| wanted(operation)).collect()
    };
    let mode = match args.mode {
        Some(ModeArg::Audit) => Mode::Audit,
        Some(ModeArg::Enforce) | None => Mode::Enforce,
    };
    let exact = if args.rules.is_empty() {
        EXACT.to_vec()
    } else {
        args.rules.clone()
    };
    let bounded = exact
        .iter()
        .copied()
        .filter(|&count| count <= BOUNDED)
        .max();
    let floor = Policy {
        mode,
        rules: Rules::Exact(bounded.or(exact.iter().copied().max()).unwrap_or(BOUNDED)),
    };
    let thorough = plan(&those(&|_| true), ROUNDS);
    let makes_processes = |operation| matches!(operation, Operation::Exec | Operation::Fork);
    let brief = those(&|operation| !makes_processes(operation));
    let mut policies: Vec<Counted> = exact
        .iter()
        .map(|&count| {
            let rules = Rules::Exact(count);
            let policy = Policy { mode, rules };
            if policy == floor {
                let (plan, processes) = (thorough.clone(), args.processes);
                return Counted {
                    policy,
                    plan,
                    processes,
                };
            }
            counted(policy, &brief)
        })
        .collect();
    if args.rules.is_empty() && args.mode.is_none() {
        let audit = Policy {
            mode: Mode::Audit,
            rules: floor.rules,
        };
        policies.push(counted(audit, &brief));
        policies.extend(OTHERS.iter().map(|(rules, operations)| {
            let policy = Policy {
                mode,
                rules: *rules,
            };
            counted(policy, &those(&|operation| operations.contains(&operation)))
        }));
    }
    policies.retain(|counted| !counted.plan.operations.is_empty());
    Sweep {
        apply: if whole(args) {
            APPLIED.into()
        } else {
            Vec::new()
        },
        policies,
        floor,
        plan: thorough,
        processes: args.processes,
    }
}

fn counted(policy: Policy, operations: &[Operation]) -> Counted {
    let plan = plan(operations, BRIEF_ROUNDS);
    Counted {
        policy,
        plan,
        processes: 1,
    }
}

/// Other policies, each with the operations that it can make dearer.
const OTHERS: [(Rules, &[Operation]); 6] = [
    (
        Rules::Siblings(10),
        &[Operation::OpenClose, Operation::CreateUnlink],
    ),
    (
        Rules::Siblings(1_000),
        &[Operation::OpenClose, Operation::CreateUnlink],
    ),
    (
        Rules::Subtree,
        &[
            Operation::OpenClose,
            Operation::OpenDeep8,
            Operation::OpenDeep32,
            Operation::Rename,
        ],
    ),
    (
        Rules::Networks(1),
        &[Operation::UdpConnect, Operation::UdpSend],
    ),
    (
        Rules::Networks(20),
        &[Operation::UdpConnect, Operation::UdpSend],
    ),
    (Rules::Revoking, &[Operation::Pread, Operation::OpenClose]),
];

fn code(run: &KernelRun) -> ExitCode {
    let bounds = run.verdicts().map(|verdict| match verdict {
        Verdict::Unbounded | Verdict::Within => ExitCode::Ok,
        Verdict::Exceeded => ExitCode::Failed,
        Verdict::Inconclusive => ExitCode::Inconclusive,
    });
    bounds.fold(against(&run.baseline), ExitCode::and)
}

fn against(baseline: &Compared) -> ExitCode {
    match baseline {
        Compared::NotAsked => ExitCode::Ok,
        Compared::NoBaseline | Compared::OtherBuild { .. } => ExitCode::Inconclusive,
        Compared::With { changes, .. } => changes
            .iter()
            .map(|change| match change.kind {
                ChangeKind::Cheaper(_) => ExitCode::Ok,
                ChangeKind::Dearer(_) => ExitCode::Failed,
                ChangeKind::OtherUnit | ChangeKind::Missing => ExitCode::Inconclusive,
            })
            .fold(ExitCode::Ok, ExitCode::and),
    }
}
