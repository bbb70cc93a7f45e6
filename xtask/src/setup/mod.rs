//! `cargo xtask setup`: everything the other tasks need, made sure of again
//! and again at little cost. Other tasks call it first.

mod bpf_linker;
mod core_source;
mod debian_index;
mod debian_rust_src;
mod debian_signature;
pub(crate) mod debian_suite;
mod lock;
mod packages;
mod servers;
mod slot;
pub mod step;

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use self::bpf_linker::BpfLinker;
use self::core_source::CoreSource;
use self::servers::Servers;
use self::step::{State, Step};
use crate::exit_code::{ExitCode, OrExit as _};
use crate::progress::Stages;
use crate::rustc::Rustc;
use crate::workspace;

/// No options yet: set-up does what is needed, or says what to do.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// What the BPF programs are built with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BpfToolchain {
    /// bpf-linker.
    pub linker: PathBuf,
    /// The standard library's source, where the toolchain itself has none.
    pub core_source: Option<PathBuf>,
}

/// The task.
pub fn run(_: &Args) -> Result<ExitCode> {
    for_vms()?;
    Ok(ExitCode::Ok)
}

/// Makes sure of the tools for a build.
pub fn for_build() -> Result<BpfToolchain> {
    ensure(false)
}

/// Makes sure of the tools for a build and for virtual machines.
pub fn for_vms() -> Result<BpfToolchain> {
    ensure(true)
}

/// Makes sure of the servers that tests start; where they are.
pub fn for_services() -> Result<PathBuf> {
    let stages = Stages::new("setup");
    let cache = workspace::cache_dir().or_exit(ExitCode::Usage)?;
    let _lock = lock::acquire(&cache, &stages).or_exit(ExitCode::Infrastructure)?;
    let servers = Servers::new(&cache);
    make_sure(&servers, &stages)
        .map_err(|problem| anyhow!("set-up is not complete\n{problem}"))
        .or_exit(ExitCode::Infrastructure)?;
    Ok(servers.folder())
}

/// Makes sure of the shell that a guest can be given.
pub fn for_shells() -> Result<()> {
    let stages = Stages::new("setup");
    let cache = workspace::cache_dir().or_exit(ExitCode::Usage)?;
    let _lock = lock::acquire(&cache, &stages).or_exit(ExitCode::Infrastructure)?;
    make_sure(&packages::BUSYBOX, &stages)
        .map_err(|problem| anyhow!("set-up is not complete\n{problem}"))
        .or_exit(ExitCode::Infrastructure)
}

/// The shell of guests.
pub fn busybox() -> &'static Path {
    Path::new(packages::BUSYBOX_PROGRAM)
}

/// The QEMU that virtual machines run in.
pub fn qemu() -> &'static Path {
    Path::new(packages::QEMU_PROGRAM)
}

/// Looks at everything and changes nothing: names and states.
pub fn check_all() -> Result<Vec<(&'static str, State)>> {
    let rustc = Rustc::detect()?;
    let cache = workspace::cache_dir()?;
    steps(&rustc, &cache, true)
        .iter()
        .map(|step| Ok((step.name(), step.check()?)))
        .collect()
}

fn steps<'a>(rustc: &'a Rustc, cache: &'a Path, vms: bool) -> Vec<Box<dyn Step + 'a>> {
    let mut steps: Vec<Box<dyn Step>> = vec![
        Box::new(packages::STATIC_LIBC),
        Box::new(CoreSource::new(rustc, cache)),
        Box::new(BpfLinker::new(rustc, cache)),
    ];
    if vms {
        // First, because these may need a person.
        steps.insert(0, Box::new(packages::QEMU));
        steps.insert(1, Box::new(packages::MKE2FS));
    }
    steps
}

/// Runs all steps, also after one that cannot be done, so that a person
/// learns everything at once.
fn ensure(vms: bool) -> Result<BpfToolchain> {
    let stages = Stages::new("setup");
    let rustc = Rustc::detect().or_exit(ExitCode::Infrastructure)?;
    let cache = workspace::cache_dir().or_exit(ExitCode::Usage)?;
    let _lock = lock::acquire(&cache, &stages).or_exit(ExitCode::Infrastructure)?;
    let mut problems = Vec::new();
    for step in steps(&rustc, &cache, vms) {
        if let Err(problem) = make_sure(&*step, &stages) {
            problems.push(problem);
        }
    }
    if problems.is_empty() {
        Ok(BpfToolchain {
            linker: BpfLinker::new(&rustc, &cache).executable(),
            core_source: CoreSource::new(&rustc, &cache).outside_sysroot(),
        })
    } else {
        Err(anyhow!("set-up is not complete\n{}", problems.join("\n")))
            .or_exit(ExitCode::Infrastructure)
    }
}

/// One step; the error is what a person is told at the end.
fn make_sure(step: &dyn Step, stages: &Stages) -> Result<(), String> {
    let name = step.name();
    let told = |error: anyhow::Error| format!("{name}: {error:#}");
    let stage = stages.start(name);
    if let State::Present { detail } = step.check().map_err(told)? {
        stage.done(&format!("already there: {detail}"));
        return Ok(());
    }
    match step.install(&stage).map_err(told)? {
        State::Present { detail } => {
            stage.done(&format!("installed: {detail}"));
            Ok(())
        }
        State::Missing { why, remedy } => Err(format!("{name}: {why}\n  do this: {remedy}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Stage;

    struct Fake {
        checked: State,
        installed: State,
    }

    impl Step for Fake {
        fn name(&self) -> &'static str {
            "fake"
        }
        fn check(&self) -> Result<State> {
            Ok(self.checked.clone())
        }
        fn install(&self, _: &Stage) -> Result<State> {
            Ok(self.installed.clone())
        }
    }

    fn check(checked: State, installed: State, expected: Result<(), &str>) {
        let result = make_sure(&Fake { checked, installed }, &Stages::new("test"));
        assert_eq!(result, expected.map_err(str::to_owned));
    }

    #[test]
    fn a_step_is_done_when_it_is_there_before_or_after_installing() {
        let missing = || State::missing("gone", "buy one");
        check(State::present("1"), missing(), Ok(()));
        check(missing(), State::present("1"), Ok(()));
        let told = "fake: gone\n  do this: buy one";
        check(missing(), missing(), Err(told));
    }
}
