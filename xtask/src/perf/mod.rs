//! `cargo xtask perf`: what an agent costs.
//!
//! | module | holds |
//! | --- | --- |
//! | [`count`] | guest instructions per operation, on each kernel |

mod count;

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
    Count(count::Args),
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Count(args) => count::run(args),
    }
}
