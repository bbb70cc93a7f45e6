//! `cargo xtask repro`: one cell again, exactly, with all that was seen in it.

mod terminal;
mod transcript;

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use harness::{Cell, plan::Filter};
use kernel_matrix::Tier;

use crate::{
    e2e::{self, Agent, Request},
    exit_code::{ExitCode, OrExit as _},
    matrix::MirrorArgs,
    output, setup, workspace,
};
use terminal::Terminal;

/// Boots a cell's kernel in its boot mode, does in it what the cell does, with
/// the same policy and the same seed, and shows what was expected and seen.
///
/// Exit codes: those of `e2e`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// As reports name it: kernel/boot-mode/scenario, and /agent if it is
    /// another than aegisbpf.
    #[arg(value_name = "CELL")]
    cell: Cell,
    /// The seed of the run that it is from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The kernel of your own that it ran on.
    #[arg(long, value_name = "PATH")]
    kernel_image: Option<PathBuf>,
    /// The folder of the adapter of your own that it was with.
    #[arg(long, value_name = "DIR")]
    agent: Option<Agent>,
    /// Give this terminal to a shell in the guest, when the steps are done and
    /// before the agent is ended. `exit` goes on with the cell.
    #[arg(long)]
    shell: bool,
    /// Where the results go [default: a folder of the cell's in target/repro].
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    #[command(flatten)]
    mirror: MirrorArgs,
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    let folder = args.report.clone().unwrap_or_else(|| {
        workspace::target_dir()
            .join("repro")
            .join(args.cell.folder())
    });
    let terminal = if args.shell {
        setup::for_shells()?;
        Some(Terminal::lend().or_exit(ExitCode::Infrastructure)?)
    } else {
        None
    };
    let done = e2e::end_to_end(&e2e::Options {
        request: request(args)?,
        report: Some(folder),
        shell: terminal.as_ref().map(|it| it.socket().to_owned()),
        mirror: args.mirror.mirror.clone(),
        ..e2e::Options::tier(Tier::Nightly)
    });
    // As it was, before anything is said.
    drop(terminal);
    let done = done?;
    let kept = done.folder.join("cells").join(args.cell.folder());
    output::print(&transcript::of(&kept))?;
    eprintln!("{}", e2e::verdict(&done));
    Ok(done.exit_code)
}

fn request(args: &Args) -> Result<Request> {
    let Cell {
        group,
        scenario,
        agent,
    } = &args.cell;
    let own = args.kernel_image.is_some();
    Ok(Request {
        filter: Filter {
            tier: Tier::Nightly,
            kernels: if own {
                Vec::new()
            } else {
                vec![group.kernel.clone()]
            },
            scenarios: vec![scenario.clone()],
            boot_modes: vec![group.boot_mode],
            suites: Vec::new(),
        },
        agent: match &args.agent {
            Some(agent) => agent.clone(),
            None => agent
                .parse()
                .map_err(|error: String| anyhow!(error))
                .or_exit(ExitCode::Usage)?,
        },
        seed: args.seed,
        kernel_image: args.kernel_image.clone(),
        ..Request::tier(Tier::Nightly)
    })
}
