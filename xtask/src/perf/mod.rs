//! `cargo xtask perf`: what an agent costs.
//!
//! | module | holds |
//! | --- | --- |
//! | [`args`] | what they are told alike |
//! | [`baseline`] | making a result what later ones are held against |
//! | [`bench`] | a machine that counts, on one kernel |
//! | [`compare`] | two agents in one boot: what became dearer |
//! | [`count`] | guest instructions per operation, on each kernel |
//! | [`guest`] | what goes into such a machine |
//! | [`self_check`] | whether comparing finds what it should |
//! | [`run`] | what the agent costs under every policy that matters |
//! | [`report`] | results as a page, Markdown and JSON |
//! | [`revision`] | the agent of another commit |

mod args;
mod baseline;
mod bench;
mod compare;
mod count;
mod guest;
mod report;
mod revision;
mod run;
mod self_check;

use anyhow::Result;
use clap::Subcommand;

use crate::exit_code::ExitCode;

/// What an agent costs, counted so that it repeats on any machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Report(report::Args),
    Baseline(baseline::Args),
    SelfCheck(self_check::Args),
    Count(count::Args),
    Compare(compare::Args),
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Run(args) => run::run(args),
        Command::Report(args) => report::run(args),
        Command::Baseline(args) => baseline::run(args),
        Command::SelfCheck(args) => self_check::run(args),
        Command::Count(args) => count::run(args),
        Command::Compare(args) => compare::run(args),
    }
}
