//! `cargo xtask adapter`: agents that a folder describes.

mod update;

use anyhow::Result;
use harness::adapter::Declared;

use crate::{
    e2e::{Agent, agent},
    exit_code::{ExitCode, OrExit as _},
    matrix::MirrorArgs,
    output, workspace,
};

/// Looks after the adapters of other agents; docs/adapters.md is about writing
/// one.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// List the adapters of the project.
    List,
    /// Read an adapter and say what is wrong with it, or what it is.
    Check {
        /// A name in adapters/, or a folder.
        #[arg(value_name = "NAME|DIR")]
        agent: Agent,
    },
    /// Pin the newest packages of an adapter's suite in its adapter.lock.
    Update {
        /// A name in adapters/, or a folder.
        #[arg(value_name = "NAME|DIR")]
        agent: Agent,
        #[command(flatten)]
        mirror: MirrorArgs,
    },
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.task {
        Task::List => {
            let folder = workspace::root().join("adapters");
            for name in agent::names(&folder) {
                let declared = Declared::read(&folder.join(&name)).or_exit(ExitCode::Usage)?;
                output::print(&format!("{name:12} {}\n", declared.title()))?;
            }
            Ok(ExitCode::Ok)
        }
        Task::Check { agent } => {
            let loaded = agent.load()?;
            let name = loaded.adapter().name().to_owned();
            let title = loaded.declared().map_or("", Declared::title);
            output::print(&format!("{name}: {title}\n"))?;
            Ok(ExitCode::Ok)
        }
        Task::Update { agent, mirror } => update::run(agent, mirror.mirror.as_deref()),
    }
}
