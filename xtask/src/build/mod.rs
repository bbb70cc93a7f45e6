//! `cargo xtask build`: the BPF object, the agent with it inside, and the
//! executables of the guest.

mod command;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::exit_code::{ExitCode, OrExit as _};
use crate::output;
use crate::process::Invocation;
use crate::progress::Stages;
use crate::rustc::Rustc;
use crate::setup::{self, BpfToolchain};
use crate::workspace;

/// Where to build from and to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Build from this copy of the source tree.
    #[arg(long, value_name = "DIR")]
    source_root: Option<PathBuf>,
    /// Cargo's target folder [default: CARGO_TARGET_DIR, else `target` in the
    /// source tree].
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
}

/// What a build needs to know; nothing is looked up later.
#[derive(Debug, Clone)]
pub struct Options {
    /// The source tree, possibly a patched copy of this one.
    pub source_root: PathBuf,
    /// Cargo's target folder; the build uses folders of its own below it.
    pub target_dir: PathBuf,
    /// The tools for the BPF programs.
    pub toolchain: BpfToolchain,
    /// The cargo to run.
    pub cargo: OsString,
    /// The host's target triple; the guest runs on the same architecture.
    pub host: String,
    /// The architecture in `host`.
    pub arch: String,
}

impl Options {
    /// This source tree, with tools that set-up has made sure of.
    pub fn new(toolchain: BpfToolchain) -> Result<Self> {
        let rustc = Rustc::detect()?;
        Ok(Self {
            source_root: workspace::root(),
            target_dir: workspace::target_dir(),
            toolchain,
            cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            arch: rustc.arch().to_owned(),
            host: rustc.host,
        })
    }
}

/// Where the results are; every file exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifacts {
    /// The static agent, with the BPF object inside.
    pub agent: PathBuf,
    /// PID 1 of the guest.
    pub guest_runner: PathBuf,
    /// Performs one probe in the guest.
    pub probe: PathBuf,
    /// Does operations that are counted.
    pub workload: PathBuf,
    /// Loads programs that do nothing.
    pub null_lsm: PathBuf,
    /// Runs agents by their own commands.
    pub agent_host: PathBuf,
    /// The BPF object by itself, for inspection.
    pub bpf_object: PathBuf,
}

impl Artifacts {
    /// What reports say they are about: the agent, by its SHA-256.
    pub(crate) fn subjects(&self) -> Result<BTreeMap<String, String>> {
        let (digest, _) = kernel_matrix::Digest::of_file(&self.agent)
            .with_context(|| format!("cannot read {}", self.agent.display()))
            .or_exit(ExitCode::Infrastructure)?;
        Ok(BTreeMap::from([(
            "agent".to_owned(),
            format!("sha256:{digest}"),
        )]))
    }
}

/// The task: set-up, then [`build`], then the paths on standard output.
pub fn run(args: Args) -> Result<ExitCode> {
    let mut options = Options::new(setup::for_build()?)?;
    if let Some(root) = args.source_root {
        options.target_dir = root.join("target");
        options.source_root = root;
    }
    if let Some(dir) = args.target_dir {
        options.target_dir = dir;
    }
    options.source_root = std::path::absolute(&options.source_root)?;
    options.target_dir = std::path::absolute(&options.target_dir)?;
    let artifacts = build(&options)?;
    for path in [
        &artifacts.bpf_object,
        &artifacts.agent,
        &artifacts.guest_runner,
        &artifacts.probe,
        &artifacts.workload,
        &artifacts.null_lsm,
        &artifacts.agent_host,
    ] {
        output::print(&format!("{}\n", path.display()))?;
    }
    Ok(ExitCode::Ok)
}

/// Builds everything that goes into a guest.
///
/// Takes no lock: cargo has its own on each folder below `target_dir`.
pub fn build(options: &Options) -> Result<Artifacts> {
    let stages = Stages::new("build");
    let agent = build_agent(options)?;
    cargo(&stages, "guest", &command::guest(options))?;
    let executable = |name| {
        let path = command::executable(options, name);
        must_exist(&path).map(|()| path)
    };
    Ok(Artifacts {
        agent,
        guest_runner: executable("guest-runner")?,
        probe: executable("probe")?,
        workload: executable("workload")?,
        null_lsm: executable("null-lsm")?,
        agent_host: executable("agent-host")?,
        bpf_object: command::bpf_object(options),
    })
}

/// Builds the agent alone, with its BPF object inside.
pub fn build_agent(options: &Options) -> Result<PathBuf> {
    let stages = Stages::new("build");
    let bpf_object = build_bpf(options)?;
    cargo(&stages, "agent", &command::agent(options, &bpf_object))?;
    let agent = command::executable(options, "aegisbpf");
    must_exist(&agent)?;
    Ok(agent)
}

/// Builds the BPF object alone, which the agent needs to compile at all.
pub fn build_bpf(options: &Options) -> Result<PathBuf> {
    let object = command::bpf_object(options);
    let stages = Stages::new("build");
    cargo(&stages, "BPF programs", &command::bpf(options, "build"))?;
    must_exist(&object)?;
    Ok(object)
}

/// The variable by which the agent's build finds its BPF object.
pub const OBJECT_VARIABLE: &str = "AEGISBPF_BPF_OBJECT";

/// Runs clippy on the BPF programs, which a plain `cargo clippy` leaves out.
pub fn clippy_bpf(options: &Options) -> Invocation {
    command::bpf(options, "clippy").args(["--", "-D", "warnings"])
}

fn cargo(stages: &Stages, what: &str, invocation: &Invocation) -> Result<()> {
    let stage = stages.start(what);
    invocation
        .run(|line| stage.line(line))
        .or_exit(ExitCode::Failed)?;
    stage.done("built");
    Ok(())
}

fn must_exist(path: &Path) -> Result<()> {
    ensure!(
        path.is_file(),
        "cargo succeeded but left no {}; does the package still have a target of that name?",
        path.display()
    );
    Ok(())
}
