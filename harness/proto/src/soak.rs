//! A mixed load for a long time, while an agent is looked at again and again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::probe::{Probe, Verdict};

/// How, and for how long. At the end the agent is told to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soak {
    /// The agent's process.
    pub agent: String,
    /// What is done all the time.
    pub load: Load,
    /// For so long, in milliseconds.
    pub duration_ms: u64,
    /// It is looked at so often, in milliseconds.
    pub sample_ms: u64,
    /// It is given a policy at every so manieth look.
    pub swap_every: u32,
    /// How it is given one.
    pub swap: Swap,
    /// What its lines hold that are numbered.
    pub records: Value,
    /// The field with the number.
    pub number: String,
    /// What those of its lines hold that are of its own tests.
    pub canary: Value,
    /// What the line holds in which it says that its own test failed.
    pub degraded: Value,
    /// What the line holds in which it sums up.
    pub summary: Value,
    /// The signal that stops it.
    pub stop: i32,
    /// For an answer, and for its end, in milliseconds.
    pub patience_ms: u64,
}

/// What a process does all the time, in rounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// What is done in each round, once each.
    pub probes: Vec<Probe>,
    /// A round takes so long at least, in milliseconds.
    pub round_ms: u64,
}

/// Giving an agent policies, in turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// Where it reads them.
    pub policy_path: String,
    /// The policies.
    pub policies: Vec<String>,
    /// The signal that makes it look.
    pub signal: i32,
    /// What its answer holds.
    pub answer: Value,
    /// What the answer holds as well when the policy is in force.
    pub applied: Value,
}

/// What came of a soak.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soaked {
    /// In order.
    pub samples: Vec<Sample>,
    /// What came of each probe of the load, in its order.
    pub tried: Vec<Tried>,
    /// How many policies came into force.
    pub swaps: u64,
    /// Lines with a number.
    pub lines: u64,
    /// Of these, without the number that was due.
    pub gaps: u64,
    /// Of these, of its own tests.
    pub canaries: u64,
    /// How often it said that its own test failed.
    pub degraded: u64,
    /// The line in which it summed up.
    pub summary: Option<Value>,
    /// What went wrong and ended it early.
    pub trouble: Option<String>,
}

/// The agent at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Since the beginning, in milliseconds.
    pub at_ms: u64,
    /// Its memory that is resident, in KiB.
    pub resident_kib: u64,
    /// Its open descriptors.
    pub descriptors: u64,
    /// Its threads.
    pub threads: u64,
    /// The BPF maps of the machine.
    pub maps: u64,
    /// What they take as the kernel says, in KiB.
    pub map_kib: u64,
    /// The BPF links of the machine.
    pub links: u64,
    /// Lines with a number so far.
    pub lines: u64,
}

/// How often what came of a probe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// It was done.
    pub allowed: u64,
    /// It was refused, by errno.
    pub denied: BTreeMap<i32, u64>,
    /// It was neither.
    pub other: u64,
}

impl Tried {
    /// Count one.
    pub fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Allowed => self.allowed += 1,
            Verdict::Denied { errno } => *self.denied.entry(*errno).or_default() += 1,
            Verdict::Killed { .. } | Verdict::Broken { .. } => self.other += 1,
        }
    }
}
