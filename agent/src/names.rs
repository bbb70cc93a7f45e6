//! What the rules that events name are called.

use std::collections::BTreeMap;

use crate::{image::Origin, startup::InForce};

/// Names that are kept for events that are older than the policy in force.
const REMEMBERED: usize = 200_000;

/// The rule ids, by the numbers that events use, of the policies that came
/// into force one after the other.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<u64, Vec<Option<String>>>);

/// What an event says decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider<'a> {
    /// A rule, by its id.
    Rule(&'a str),
    /// The agent's test of itself.
    Canary,
    /// A policy that this process does not know.
    Unknown,
}

impl Names {
    /// Remember a policy's.
    pub fn remember(&mut self, in_force: &InForce) {
        let names = in_force.origins.iter().map(|origin| match origin {
            Origin::Policy(index) => Some(in_force.policy.rules[*index].id.clone()),
            Origin::Canary => None,
        });
        let generation = in_force.active.generation();
        self.0.insert(generation, names.collect());
        while self.0.len() > 1 && self.0.values().map(Vec::len).sum::<usize>() > REMEMBERED {
            self.0.pop_first();
        }
    }

    /// What decided, by generation and index of the rule.
    pub fn find(&self, generation: u64, index: u32) -> Decider<'_> {
        let names = self.0.get(&generation);
        match names.and_then(|names| names.get(index as usize)) {
            Some(Some(id)) => Decider::Rule(id),
            Some(None) => Decider::Canary,
            None => Decider::Unknown,
        }
    }
}
