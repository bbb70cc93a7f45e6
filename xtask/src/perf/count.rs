//! `cargo xtask perf count`: guest instructions per operation.

mod args;
mod kernel;

use anyhow::{Context as _, Result};
use harness::{
    Adapter as _, AegisBpf,
    count::{CountProgram, Request, program},
    initramfs::{self, GuestFiles},
    interrupt::Interrupt,
};
use harness_proto::count::{NULL_LSM_PATH, WORKLOAD_PATH};
use kernel_matrix::{Kernel, Matrix, Store, cache};
use perf::count::{
    Bounds, CountReport, Verdict,
    report::{NotCounted, SCHEMA_VERSION},
    table,
};

pub(super) use args::Args;

use crate::{
    build::{self, Artifacts},
    exit_code::{ExitCode, OrExit as _},
    output,
    progress::Stages,
    setup, single, workspace,
};

/// What the guest calls the program.
const PROGRAM: &str = "count";

/// The task.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    // Whatever is wrong with the request is said before anything is built.
    let kernels = kernels(&args.kernels()).or_exit(ExitCode::Usage)?;
    let bounds = Bounds::read(&args.bounds()).or_exit(ExitCode::Usage)?;
    let request = Request {
        rules: args.rules,
        plan: perf::count::plan(&args.operations(), args.rounds),
        processes: args.processes,
    };
    let counted = program::program(&AegisBpf, &request);

    let artifacts =
        build::build(&build::Options::new(setup::for_vms()?)?).or_exit(ExitCode::Infrastructure)?;
    let folder = workspace::target_dir().join("perf").join("count");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))
        .or_exit(ExitCode::Infrastructure)?;
    let initramfs = folder.join("guest.cpio");
    initramfs::write(&guest_files(&artifacts, &counted), &initramfs)
        .or_exit(ExitCode::Infrastructure)?;
    let interrupt = Interrupt::default();
    interrupt
        .install()
        .context("cannot listen to signals")
        .or_exit(ExitCode::Infrastructure)?;
    let bench = kernel::Bench {
        store: Store::open(&cache::folder().or_exit(ExitCode::Usage)?, args.mirror()),
        request: &request,
        program: &counted,
        bounds: &bounds,
        initramfs: &initramfs,
        folder: &folder,
        interrupt: &interrupt,
    };

    let mut report = CountReport {
        schema_version: SCHEMA_VERSION,
        commit: workspace::commit(),
        agent: AegisBpf.name().to_owned(),
        rules: request.rules,
        processes: request.processes,
        rounds: request.plan.rounds,
        kernels: Vec::new(),
        not_counted: Vec::new(),
    };
    let stages = Stages::new("perf");
    let mut exit_code = ExitCode::Ok;
    for kernel in &kernels {
        match bench.count(kernel, &stages) {
            Ok(counted) => report.kernels.push(counted),
            Err(error) => {
                report.not_counted.push(NotCounted {
                    kernel: kernel.series.to_string(),
                    reason: format!("{error:#}"),
                });
                exit_code = exit_code.and(ExitCode::of(&error));
            }
        }
        if interrupt.requested() {
            exit_code = ExitCode::Interrupted;
            break;
        }
    }
    if args.json {
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
fn kernels(names: &[String]) -> Result<Vec<Kernel>> {
    let matrix = Matrix::load()?;
    names
        .iter()
        .map(|name| single::kernel(&matrix, name))
        .collect()
}

fn guest_files(artifacts: &Artifacts, counted: &CountProgram) -> GuestFiles {
    let agent = AegisBpf
        .executable()
        .expect("the reference agent has an executable");
    GuestFiles {
        disk: None,
        runner: artifacts.guest_runner.clone(),
        probe: artifacts.probe.clone(),
        executables: vec![
            (agent.to_owned(), artifacts.agent.clone()),
            (WORKLOAD_PATH.into(), artifacts.workload.clone()),
            (NULL_LSM_PATH.into(), artifacts.null_lsm.clone()),
        ],
        programs: vec![(PROGRAM.into(), counted.program.for_guest())],
    }
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
