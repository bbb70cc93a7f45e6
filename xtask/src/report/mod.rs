//! `cargo xtask report`: what is made of the reports of runs.

mod compare;
mod merge;
mod support;

use anyhow::Result;

use crate::exit_code::ExitCode;

/// Makes one thing or another of the reports that runs have left.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Put the reports of all shards of a plan together: the one that the plan
    /// would have given at once.
    Merge(merge::Args),
    /// Put runs of different agents side by side: what became of the same cells,
    /// and of the same ways round a rule.
    Compare(compare::Args),
    /// Write docs/support.md: which operations hold on which kernels, as a run
    /// has shown.
    Support(support::Args),
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.task {
        Task::Merge(args) => merge::run(args),
        Task::Compare(args) => compare::run(args),
        Task::Support(args) => support::run(args),
    }
}
