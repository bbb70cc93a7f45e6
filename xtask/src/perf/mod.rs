//! `cargo xtask perf`: what an agent costs.
//!
//! | module | holds |
//! | --- | --- |
//! | [`args`] | what they are told alike |
//! | [`bench`] | a machine that counts, on one kernel |
//! | [`compare`] | two agents in one boot: what became dearer |
//! | [`count`] | guest instructions per operation, on each kernel |
//! | [`guest`] | what goes into such a machine |
//! | [`run`] | what the agent costs under every policy that matters |
//! | [`revision`] | the agent of another commit |

mod args;
mod bench;
mod compare;
mod count;
mod guest;
mod revision;
mod run;

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
    Count(count::Args),
    Compare(compare::Args),
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Run(args) => run::run(args),
        Command::Count(args) => count::run(args),
        Command::Compare(args) => compare::run(args),
    }
}
