//! `cargo xtask perf`: what an agent costs.
//!
//! | module | holds |
//! | --- | --- |
//! | [`count`] | guest instructions per operation, on each kernel |

mod count;

use anyhow::Result;
use clap::Subcommand;

use crate::exit_code::ExitCode;

/// Measure what an agent costs.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Count guest instructions per operation without an agent, with programs
    /// that do nothing on the agent's hooks, and with the agent in enforce.
    Count(count::Args),
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Count(args) => count::run(args),
    }
}
