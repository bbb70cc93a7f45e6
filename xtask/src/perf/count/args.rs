//! The command line of `cargo xtask perf count`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use harness_proto::count::Operation;

use crate::{matrix::MirrorArgs, workspace};

/// Count guest instructions per operation: without an agent, with programs that
/// do nothing on the agent's hooks, and with the agent in enforce.
///
/// QEMU counts instructions, not time: figures repeat on any machine, however
/// busy, but for some ten instructions that depend on how a boot seeds its hash
/// tables, and say nothing of latency. In one boot for each kernel all three are
/// counted; the agent is shown to deny before and after. A row is the operation
/// itself, without interrupts; "with background" is what the agent adds with
/// everything that runs meanwhile, its own process included.
///
/// Exit codes: 0 counted, and nothing beyond its bound; 1 something is, or the
/// agent did not do what it should; 2 bad usage; 3 no counts: download, QEMU,
/// machine, disk; 4 inconclusive: the counter was not proven, or rounds are too
/// far apart; 130 interrupted.
#[derive(Debug, clap::Args)]
pub(in crate::perf) struct Args {
    /// How many rules about files the agent has, and about addresses as many;
    /// all exact, none about what is counted.
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) rules: u32,
    /// Count on this kernel; may be repeated [default: 6.12].
    #[arg(long = "kernel", value_name = "SERIES")]
    kernels: Vec<String>,
    /// Only this operation; may be repeated.
    #[arg(long = "operation", value_name = "NAME", value_parser = operation_parser())]
    operations: Vec<Operation>,
    /// How many processes count, one after the other, without an agent and with
    /// each.
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) processes: u32,
    /// How often a process counts everything; the first time warms up.
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(3..=100))]
    pub(super) rounds: u32,
    /// What figures are held against [default: perf/bounds.toml].
    #[arg(long, value_name = "FILE")]
    bounds: Option<PathBuf>,
    /// Print JSON; its schema is docs/schema/perf-count.schema.json.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    mirror: MirrorArgs,
}

impl Args {
    pub(super) fn kernels(&self) -> Vec<String> {
        if self.kernels.is_empty() {
            vec!["6.12".into()]
        } else {
            self.kernels.clone()
        }
    }

    /// In the order of tables, each once.
    pub(super) fn operations(&self) -> Vec<Operation> {
        let asked_for =
            |one: &Operation| self.operations.is_empty() || self.operations.contains(one);
        Operation::ALL.into_iter().filter(asked_for).collect()
    }

    pub(super) fn bounds(&self) -> PathBuf {
        let own = || workspace::root().join("perf/bounds.toml");
        self.bounds.clone().unwrap_or_else(own)
    }

    pub(super) fn mirror(&self) -> Option<String> {
        self.mirror.mirror.clone()
    }
}

fn operation_parser() -> impl clap::builder::TypedValueParser<Value = Operation> {
    PossibleValuesParser::new(Operation::ALL.map(Operation::name)).try_map(|name| {
        let mut all = Operation::ALL.into_iter();
        all.find(|operation| operation.name() == name)
            .ok_or("no such operation")
    })
}
