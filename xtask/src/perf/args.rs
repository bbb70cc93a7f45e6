//! What the tasks that count are told alike.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use harness_proto::count::Operation;

use crate::matrix::MirrorArgs;

/// An agent must take 100,000 rules, and takes 10,000 more: half are about files, half
/// about addresses.
pub(super) const MOST_RULES: i64 = 55_000;

/// Kernels, rules, and how often.
#[derive(Debug, clap::Args)]
pub(super) struct Counting {
    /// How many rules about files the agent has, and about addresses as many;
    /// all exact, none about what is counted.
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..=MOST_RULES))]
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
    /// Print JSON; its schema is in docs/schema.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    mirror: MirrorArgs,
}

impl Counting {
    pub(super) fn kernels(&self) -> Vec<String> {
        if self.kernels.is_empty() {
            vec!["6.12".into()]
        } else {
            self.kernels.clone()
        }
    }

    /// In the order of tables, each once; those of `usual` when none is named.
    pub(super) fn operations(&self, usual: impl Fn(Operation) -> bool) -> Vec<Operation> {
        let asked_for = |one: &Operation| match self.operations.as_slice() {
            [] => usual(*one),
            named => named.contains(one),
        };
        Operation::ALL.into_iter().filter(asked_for).collect()
    }

    pub(super) fn mirror(&self) -> Option<String> {
        self.mirror.mirror.clone()
    }
}

/// An operation by its name.
pub(super) fn operation_parser() -> impl clap::builder::TypedValueParser<Value = Operation> {
    PossibleValuesParser::new(Operation::ALL.map(Operation::name)).try_map(|name| {
        let mut all = Operation::ALL.into_iter();
        all.find(|operation| operation.name() == name)
            .ok_or("no such operation")
    })
}
