//! The command tree, and the way from a task's result to an exit code.
//!
//! To add a task: a module with `pub struct Args` (clap) and `pub fn run(Args)
//! -> anyhow::Result<ExitCode>`, a variant of [`Task`], an arm of `dispatch`.

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::exit_code::ExitCode;
use crate::{
    adapter, build, capacity, deny, doctor, e2e, gate, matrix, model, output, perf, powercut,
    proof, report, repro, room, sbom, setup, soak, teeth, test, workspace,
};

/// Everything this project does, from set-up to reports.
///
/// Exit codes: 0 done and passed; 1 something judged failed; 2 bad usage;
/// 3 the infrastructure failed (download, tool, virtual machine, disk);
/// 4 something measured is inconclusive; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub task: Task,
}

/// One task each.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Make sure of everything the other tasks need; install what is missing,
    /// or say what to do.
    Setup(setup::Args),
    /// Build the BPF object, the agent and the guest's executables (release,
    /// static); print where they are.
    Build(build::Args),
    /// Say what is there, what is missing and how to mend it, and which
    /// accelerator works.
    Doctor(doctor::Args),
    /// Run all tests and checks: formatting, clippy, unit, property, snapshot
    /// and tidy tests, dependencies, and the smoke tier of `e2e`.
    Test(test::Args),
    /// Check licences, sources and advisories of the dependencies.
    Deny(deny::Args),
    /// Print what the agent is made of, as CycloneDX.
    Sbom(sbom::Args),
    /// Boot kernels in QEMU, put the agent through scenarios, judge it and
    /// report.
    E2e(e2e::Args),
    /// Run one cell again, exactly, and show what was done and seen in it.
    Repro(repro::Args),
    /// Put the reports of runs together.
    Report(report::Args),
    /// Measure what an agent costs.
    Perf(perf::Args),
    /// Apply as many rules as the agent takes, and one more.
    Capacity(capacity::Args),
    /// Cut the power while a policy is applied, and look at what is left.
    Powercut(powercut::Args),
    /// Put an agent under a mixed load for a long time; nothing may grow or be missed.
    Soak(soak::Args),
    /// Hold what kernels decide of random policies and operations against a naive
    /// oracle.
    Model(model::Args),
    /// Seed faults into copies of the sources and show that the cells of `e2e`
    /// notice every one.
    Teeth(teeth::Args),
    /// Decide whether something may go live: GO or NO-GO, and why.
    Gate(gate::Args),
    /// Collect, check and sign evidence.
    Evidence(proof::Args),
    /// List the kernels that are tested, download them, show one.
    Matrix(matrix::Args),
    /// Look after the adapters of other agents: check one, pin its packages.
    Adapter(adapter::Args),
    /// Print a completion script for a shell; it completes `xtask`, so it
    /// serves those who have `alias xtask='cargo xtask'`.
    Completions {
        /// The shell to complete for.
        shell: clap_complete::Shell,
    },
}

/// The whole command tree, for completions and the tidy tests.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line, runs the task, prints the error if there is one.
pub fn main() -> std::process::ExitCode {
    let code = dispatch(Cli::parse().task).unwrap_or_else(|error| {
        let text = format!("{error:#}");
        eprintln!("error: {text}");
        if let Some(advice) = advice(&text) {
            eprintln!("{advice}");
        }
        ExitCode::of(&error)
    });
    code.into()
}

/// What to do about a full disk.
fn advice(error: &str) -> Option<String> {
    let folders = room::Folders {
        cache: &workspace::cache_dir().unwrap_or_default(),
        target: &workspace::target_dir(),
        temporary: &std::env::temp_dir(),
    };
    room::advice(error, folders)
}

fn dispatch(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Setup(args) => setup::run(&args),
        Task::Doctor(args) => doctor::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Deny(args) => deny::run(&args),
        Task::Sbom(args) => sbom::run(&args),
        Task::Build(args) => build::run(args),
        Task::E2e(args) => e2e::run(&args),
        Task::Repro(args) => repro::run(&args),
        Task::Report(args) => report::run(&args),
        Task::Perf(args) => perf::run(&args),
        Task::Capacity(args) => capacity::run(&args),
        Task::Powercut(args) => powercut::run(&args),
        Task::Soak(args) => soak::run(&args),
        Task::Model(args) => model::run(&args),
        Task::Teeth(args) => teeth::run(&args),
        Task::Gate(args) => gate::run(&args),
        Task::Evidence(args) => proof::run(&args),
        Task::Matrix(args) => matrix::run(args),
        Task::Adapter(args) => adapter::run(&args),
        Task::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "xtask", &mut script);
            output::print(&String::from_utf8_lossy(&script))?;
            Ok(ExitCode::Ok)
        }
    }
}
