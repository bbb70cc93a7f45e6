//! `cargo xtask perf count`: guest instructions per operation.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use harness::{
    Adapter as _, AegisBpf,
    count::{self, Request, program},
    initramfs::{self, GuestFiles},
    interrupt::Interrupt,
};
use harness_proto::count::{NULL_LSM_PATH, WORKLOAD_PATH};
use kernel_matrix::{Kernel, Matrix, Store, cache};
use perf::count::{Bounds, CountReport, KernelReport, Verdict, report::SCHEMA_VERSION, table};

use super::{
    args::Counting,
    bench::{Bench, PROGRAM},
};
use crate::{
    build,
    exit_code::{ExitCode, OrExit as _},
    output, setup, single, workspace,
};

/// Count guest instructions per operation: without an agent, with programs that
/// do nothing on the agent's hooks, and with the agent in enforce.
///
/// QEMU counts instructions, not time: figures repeat on any machine, however
/// busy, but for some ten instructions that depend on how a boot seeds its hash
/// tables, and say nothing of latency. In one boot for each kernel all three are
/// counted; the agent is shown to deny before and after. A row is the operation
/// itself, without interrupts; "with background" is what the agent adds with
/// everything that runs meanwhile, its own process included.
///
/// Exit codes: 0 counted, and nothing beyond its bound; 1 something is, or the
/// agent did not do what it should; 2 bad usage; 3 no counts: download, QEMU,
/// machine, disk; 4 inconclusive: the counter was not proven, or rounds are too
/// far apart; 130 interrupted.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    counting: Counting,
    /// What figures are held against [default: perf/bounds.toml].
    #[arg(long, value_name = "FILE")]
    bounds: Option<PathBuf>,
}

/// The task.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    // Whatever is wrong with the request is said before anything is built.
    let counting = &args.counting;
    let kernels = kernels(&counting.kernels()).or_exit(ExitCode::Usage)?;
    let own = || workspace::root().join("perf/bounds.toml");
    let bounds = args.bounds.clone().unwrap_or_else(own);
    let bounds = Bounds::read(&bounds).or_exit(ExitCode::Usage)?;
    let request = Request {
        rules: counting.rules,
        plan: perf::count::plan(&counting.operations(|_| true), counting.rounds),
        processes: counting.processes,
    };
    let counted = program::program(&AegisBpf, &request);

    let artifacts =
        build::build(&build::Options::new(setup::for_vms()?)?).or_exit(ExitCode::Infrastructure)?;
    let subjects = artifacts.subjects()?;
    let folder = folder("count")?;
    let initramfs = folder.join("guest.cpio");
    let agent = AegisBpf.executable().unwrap_or_default().to_owned();
    let files = GuestFiles {
        plain: Vec::new(),
        disk: None,
        runner: artifacts.guest_runner,
        probe: artifacts.probe,
        executables: vec![
            (agent, artifacts.agent),
            (WORKLOAD_PATH.into(), artifacts.workload),
            (NULL_LSM_PATH.into(), artifacts.null_lsm),
        ],
        programs: vec![(PROGRAM.into(), counted.program.for_guest())],
    };
    initramfs::write(&files, &initramfs).or_exit(ExitCode::Infrastructure)?;
    let interrupt = interrupt()?;
    let cache = cache::folder().or_exit(ExitCode::Usage)?;
    let bench = Bench {
        store: Store::open(&cache, counting.mirror()),
        program: &counted.program,
        initramfs: &initramfs,
        folder: &folder,
        interrupt: &interrupt,
    };

    let (kernels, not_counted, exit_code) = bench.each(&kernels, |series, facts, transcript| {
        let reading = count::read(&counted, transcript).or_exit(ExitCode::Inconclusive)?;
        KernelReport::new(
            series,
            &facts.release,
            &reading.hooks,
            (&request.plan, request.rules),
            &reading.counts,
            &bounds,
        )
        .or_exit(ExitCode::Inconclusive)
    });
    let report = CountReport {
        schema_version: SCHEMA_VERSION,
        commit: workspace::commit(),
        subjects,
        agent: AegisBpf.name().to_owned(),
        rules: request.rules,
        processes: request.processes,
        rounds: request.plan.rounds,
        kernels,
        not_counted,
    };
    if counting.json {
        output::print_json(&report)?;
    } else {
        output::print(&table::render(&report))?;
    }
    Ok(report.verdicts().map(code).fold(exit_code, ExitCode::and))
}

fn code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Unbounded | Verdict::Within => ExitCode::Ok,
        Verdict::Exceeded => ExitCode::Failed,
        Verdict::Inconclusive => ExitCode::Inconclusive,
    }
}

/// The kernels of these names, all of which must have BPF LSM.
pub(super) fn kernels(names: &[String]) -> Result<Vec<Kernel>> {
    let matrix = Matrix::load()?;
    names
        .iter()
        .map(|name| single::kernel(&matrix, name))
        .collect()
}

/// Where results of a task go.
pub(super) fn folder(task: &str) -> Result<PathBuf> {
    let folder = workspace::target_dir().join("perf").join(task);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))
        .or_exit(ExitCode::Infrastructure)?;
    Ok(folder)
}

/// Ends machines when the task is interrupted.
pub(super) fn interrupt() -> Result<Interrupt> {
    let interrupt = Interrupt::default();
    interrupt
        .install()
        .context("cannot listen to signals")
        .or_exit(ExitCode::Infrastructure)?;
    Ok(interrupt)
}

#[cfg(test)]
mod tests {
    use super::kernels;

    #[test]
    fn a_kernel_that_is_not_in_the_matrix_is_named() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(kernels(&names(&["6.12", "5.10"])).unwrap().len(), 2);
        let error = kernels(&names(&["6.12", "2.4"])).unwrap_err().to_string();
        assert!(
            error.contains("\"2.4\"") && error.contains("6.12"),
            "{error}"
        );
    }
}
