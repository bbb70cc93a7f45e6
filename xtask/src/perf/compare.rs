//! `cargo xtask perf compare`: what did the last change make dearer?

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use harness::{
    Adapter as _, AegisBpf,
    count::{self, Request, program},
    initramfs::{self, GuestFiles},
};
use harness_proto::count::{NULL_LSM_PATH, Operation, WORKLOAD_PATH};
use kernel_matrix::{Store, cache};
use perf::compare::{CompareReport, KernelComparison, Verdict, report::SCHEMA_VERSION, table};

use super::{
    args::Counting,
    bench::{Bench, PROGRAM},
    count::{folder, interrupt, kernels},
    revision,
};
use crate::{
    build,
    exit_code::{ExitCode, OrExit as _},
    output, setup, workspace,
};

/// Half of the smallest slow-down that must be found: `perf self-check` shows that what
/// is slowed down by 0.5 % is then certainly beyond it, and what is not is not.
pub(super) const THRESHOLD_PERCENT: f64 = 0.25;
/// Where the two agents are in the guest; each is copied to its place in turn.
const BASE: &str = "/agents/base";
const HEAD: &str = "/agents/head";

/// Count guest instructions per operation with two agents in one boot, and say
/// what the newer one made dearer.
///
/// Each is started twice, in the order base, head, head, base, with the same
/// rules, and shown to deny before and after. QEMU counts instructions, so half a
/// percent is seen on any machine, however busy; it says nothing of latency. A
/// change is certain only when every pair of rounds agrees.
///
/// Exit codes: 0 nothing became dearer; 1 something did; 2 bad usage; 3 no
/// counts: build tools, download, QEMU, machine, disk; 4 inconclusive; 130
/// interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask perf compare --base main\n  \
                        cargo xtask perf compare --base v0.1.0 --head v0.2.0 --kernel 6.12 \
                        --kernel 7.3 --markdown perf.md")]
pub(super) struct Args {
    /// The commit whose agent is the older one: a branch, a tag, a hash.
    #[arg(long, value_name = "REV")]
    base: String,
    /// The commit whose agent is the newer one [default: this source tree, with
    /// what is not committed].
    #[arg(long, value_name = "REV")]
    head: Option<String>,
    /// What an operation may become dearer, in percent of it with the older agent.
    #[arg(long, value_name = "PERCENT", default_value_t = THRESHOLD_PERCENT, value_parser = percent)]
    threshold: f64,
    /// Write the result as Markdown too, for a pull request.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    #[command(flatten)]
    counting: Counting,
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number")?;
    if number > 0.0 && number <= 100.0 {
        Ok(number)
    } else {
        Err("expected more than 0, and at most 100".into())
    }
}

/// What is compared when nothing is named: processes differ from one another by
/// more than half a percent of `exec` and `fork`.
fn steady(operation: Operation) -> bool {
    !matches!(operation, Operation::Exec | Operation::Fork)
}

/// The task.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    // Whatever is wrong with the request is said before anything is built.
    let counting = &args.counting;
    let kernels = kernels(&counting.kernels()).or_exit(ExitCode::Usage)?;
    let base = revision::resolve(&args.base)?;
    let named_head = args.head.as_deref().map(revision::resolve).transpose()?;
    let request = Request {
        rules: counting.rules,
        plan: perf::count::plan(&counting.operations(steady), counting.rounds),
        processes: counting.processes,
    };
    let compared = program::comparison(&AegisBpf, &request, (BASE, HEAD));

    let folder = folder("compare")?;
    let options = build::Options::new(setup::for_vms()?)?;
    let artifacts = build::build(&options).or_exit(ExitCode::Infrastructure)?;
    let base_agent = revision::agent(&base, &folder, &options)?;
    let (head, head_agent) = if let Some(commit) = named_head {
        let agent = revision::agent(&commit, &folder, &options)?;
        (commit, agent)
    } else {
        let name = workspace::commit().unwrap_or_else(|| "this source tree".into());
        (name, artifacts.agent)
    };
    let initramfs = folder.join("guest.cpio");
    let files = GuestFiles {
        plain: Vec::new(),
        disk: None,
        runner: artifacts.guest_runner,
        probe: artifacts.probe,
        executables: vec![
            (BASE.into(), base_agent),
            (HEAD.into(), head_agent),
            (WORKLOAD_PATH.into(), artifacts.workload),
            (NULL_LSM_PATH.into(), artifacts.null_lsm),
        ],
        programs: vec![(PROGRAM.into(), compared.program.for_guest())],
    };
    initramfs::write(&files, &initramfs).or_exit(ExitCode::Infrastructure)?;
    let interrupt = interrupt()?;
    let bench = Bench {
        store: Store::open(
            &cache::folder().or_exit(ExitCode::Usage)?,
            counting.mirror(),
        ),
        program: &compared.program,
        initramfs: &initramfs,
        folder: &folder,
        interrupt: &interrupt,
    };
    let (kernels, not_counted, exit_code) = bench.each(&kernels, |series, facts, transcript| {
        let counts =
            count::read_counts(&compared.counts, transcript).or_exit(ExitCode::Inconclusive)?;
        let release = &facts.release;
        KernelComparison::new(series, release, &request.plan, &counts, args.threshold)
            .or_exit(ExitCode::Inconclusive)
    });
    let report = CompareReport {
        schema_version: SCHEMA_VERSION,
        base,
        head,
        agent: AegisBpf.name().to_owned(),
        rules: request.rules,
        threshold_percent: args.threshold,
        kernels,
        not_counted,
    };
    if let Some(path) = &args.markdown {
        fs::write(path, table::markdown(&report))
            .with_context(|| format!("cannot write {}", path.display()))
            .or_exit(ExitCode::Infrastructure)?;
    }
    if counting.json {
        output::print_json(&report)?;
    } else {
        output::print(&table::render(&report))?;
    }
    Ok(report.verdicts().map(code).fold(exit_code, ExitCode::and))
}

fn code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Unchanged | Verdict::Cheaper => ExitCode::Ok,
        Verdict::Dearer => ExitCode::Failed,
        Verdict::Inconclusive => ExitCode::Inconclusive,
    }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn a_threshold_is_a_part_of_a_hundred() {
        assert_eq!(percent("0.5"), Ok(0.5));
        for text in ["0", "-1", "101", "NaN", "half"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
