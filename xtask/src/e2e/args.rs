//! The command line of `cargo xtask e2e`.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use harness::{
    accel::Accel,
    plan::{Filter, Shard},
};
use kernel_matrix::{BootMode, Tier};
use scenarios::schema::Suite;

use super::{Agent, Options, PROCESSORS, Request};
use crate::{
    matrix::{MirrorArgs, tier_parser},
    model, soak,
};

/// Boots kernels in QEMU, puts the agent through scenarios and judges it.
///
/// The suite `model` is more than its scenarios: with it, and with all of a tier
/// but smoke, `cargo xtask model` runs as well.
///
/// Exit codes: 0 every cell passed or was skipped for a reason; 1 a cell
/// failed; 2 bad usage, such as an unknown kernel or scenario; 3 a cell could
/// not be judged: download, QEMU, machine, disk; 130 interrupted, with the
/// reports written.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kernels and scenarios of this tier and the ones before it.
    #[arg(long, default_value = "pr", value_parser = tier_parser())]
    tier: Tier,
    /// Only this kernel, of whatever tier; may be repeated.
    #[arg(long = "kernel", value_name = "SERIES")]
    kernels: Vec<String>,
    /// Only scenarios whose id matches, such as 'open-*'; may be repeated.
    #[arg(long = "scenario", value_name = "GLOB")]
    scenarios: Vec<String>,
    /// Only scenarios of this suite, of whatever tier; may be repeated. `soak` is
    /// `cargo xtask soak` on each kernel.
    #[arg(long = "suite", value_name = "NAME", value_parser = suite_parser())]
    suites: Vec<Chosen>,
    /// How long a soak lasts [default: 10m].
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Only this boot mode; may be repeated.
    #[arg(long = "boot-mode", value_name = "MODE", value_parser = boot_mode_parser())]
    boot_modes: Vec<BootMode>,
    /// Which agent: a name in adapters/, or the folder of an adapter of your
    /// own (docs/adapters.md). With null, the scenarios themselves are tried:
    /// what an agent must refuse is allowed then, again and again.
    #[arg(long, value_name = "NAME|DIR", default_value_t = Agent::Aegisbpf)]
    agent: Agent,
    /// Only this part of the plan, such as 2/3; `cargo xtask report merge` puts
    /// the reports of all parts together.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Go on with a run that was interrupted: with the cells that have no
    /// outcome yet. What the run was to be is known in its folder.
    #[arg(long, value_name = "RUN", conflicts_with_all = [
        "tier", "kernels", "scenarios", "suites", "boot_modes", "agent", "shard", "seed", "processors",
        "report", "list", "kernel_image",
    ])]
    pub(super) resume: Option<PathBuf>,
    /// From this and its name follows what a cell's guest is given as
    /// randomness.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How many machines run at a time [default: one for each processor].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// How many processors each machine has.
    #[arg(long, value_name = "N", default_value_t = PROCESSORS,
          value_parser = clap::value_parser!(u32).range(1..=64))]
    processors: u32,
    /// What executes the guests' instructions.
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    accel: AccelChoice,
    /// Where the results go [default: a new folder in target/e2e, with a link
    /// `latest` to it].
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print the report (or, with --list, the plan) as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Print the plan and run nothing.
    #[arg(long)]
    pub(super) list: bool,
    /// A kernel of your own instead: a bzImage or a vmlinux ELF file.
    #[arg(long, value_name = "PATH", conflicts_with = "kernels")]
    kernel_image: Option<PathBuf>,
    #[command(flatten)]
    mirror: MirrorArgs,
}

/// What `--suite` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    Suite(Suite),
    /// Not scenarios, but a task of its own.
    Soak,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AccelChoice {
    /// KVM where it really works, else TCG.
    Auto,
    /// The processor, through /dev/kvm.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

const SOAK: &str = "soak";

impl Args {
    /// The soaks that are asked for instead of scenarios, one for each kernel.
    pub(super) fn soaks(&self) -> anyhow::Result<Vec<soak::Args>> {
        if !self.suites.contains(&Chosen::Soak) {
            anyhow::ensure!(self.duration.is_none(), "`--for` is for `--suite soak`");
            return Ok(Vec::new());
        }
        let alone = self.suites.len() == 1 && self.scenarios.is_empty() && !self.list;
        anyhow::ensure!(
            alone && self.agent == Agent::Aegisbpf,
            "`--suite soak` takes `--for`, `--kernel`, `--json` and `--mirror` only"
        );
        let mut kernels: Vec<_> = self.kernels.iter().map(Some).collect();
        if kernels.is_empty() {
            kernels.push(None);
        }
        let soak = |kernel: Option<&String>| {
            soak::Args::of(self.duration, kernel.cloned(), self.json, &self.mirror)
        };
        Ok(kernels.into_iter().map(soak).collect())
    }

    pub(super) fn options(&self) -> Options {
        Options {
            request: Request {
                filter: Filter {
                    tier: self.tier,
                    kernels: self.kernels.clone(),
                    scenarios: self.scenarios.clone(),
                    boot_modes: self.boot_modes.clone(),
                    suites: self.suites.iter().filter_map(|it| it.suite()).collect(),
                },
                agent: self.agent.clone(),
                shard: self.shard,
                seed: self.seed,
                processors: self.processors,
                kernel_image: self.kernel_image.clone(),
            },
            jobs: self.jobs,
            accel: match self.accel {
                AccelChoice::Auto => None,
                AccelChoice::Kvm => Some(Accel::Kvm),
                AccelChoice::Tcg => Some(Accel::Tcg),
            },
            report: self.report.clone(),
            mirror: self.mirror.mirror.clone(),
            artifacts: None,
            shell: None,
        }
    }
}

impl Args {
    /// What the model is to try beside the scenarios: where its suite is asked
    /// for, or everything of a tier. Of shards each takes some of the kernels.
    pub(super) fn model(&self) -> Option<model::Request> {
        let everything = self.scenarios.is_empty()
            && self.suites.is_empty()
            && self.boot_modes.is_empty()
            && self.tier > Tier::Smoke;
        let asked = self.suites.contains(&Chosen::Suite(Suite::Model)) || everything;
        let possible =
            self.agent == Agent::Aegisbpf && self.kernel_image.is_none() && self.resume.is_none();
        (asked && possible).then(|| model::Request {
            tier: self.tier,
            kernels: self.kernels.clone(),
            shard: self.shard,
            decisions: None,
            seed: (self.seed != 0).then_some(self.seed),
            jobs: self.jobs,
            fault: None,
            json: false,
            mirror: self.mirror.clone(),
        })
    }
}

impl Chosen {
    const fn suite(self) -> Option<Suite> {
        match self {
            Self::Suite(suite) => Some(suite),
            Self::Soak => None,
        }
    }
}

fn suite_parser() -> impl clap::builder::TypedValueParser<Value = Chosen> {
    let names = Suite::ALL.map(Suite::name).into_iter().chain([SOAK]);
    PossibleValuesParser::new(names).map(|name| {
        let named = |suite: &Suite| suite.name() == name;
        let suite = Suite::ALL.into_iter().find(named);
        suite.map_or(Chosen::Soak, Chosen::Suite)
    })
}

fn boot_mode_parser() -> impl clap::builder::TypedValueParser<Value = BootMode> {
    PossibleValuesParser::new(BootMode::ALL.map(BootMode::name))
        .try_map(|name| name.parse::<BootMode>())
}
