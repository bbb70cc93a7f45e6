//! A file that is opened without pause while the agent is given policies, or
//! killed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What [`crate::Action::Storm`] does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storm {
    /// Absolute path of what is opened for reading.
    pub path: String,
    /// By so many processes, each as fast as it can.
    pub openers: u32,
    /// At least so many opens in all, however long the rounds take.
    pub opens: u64,
    /// How often.
    pub rounds: u32,
    /// What is done in each round.
    pub round: Round,
    /// The agent's policy file.
    pub policy_path: String,
    /// The policies, which take turns.
    pub policies: Vec<String>,
    /// The process.
    pub agent: String,
    /// Which of its lines say under which policy an open was denied.
    pub decided: Decided,
    /// For each round, in milliseconds.
    pub round_deadline_ms: u64,
    /// For all of it, in milliseconds.
    pub deadline_ms: u64,
}

/// What is done again and again during a storm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Round {
    /// The next policy is written, and the agent is told so; it must answer.
    Swap {
        /// The signal that tells it.
        signal: i32,
        /// Subset of its answer.
        answer: Value,
        /// What the answer holds as well when the policy is in force.
        applied: Value,
    },
    /// The next policy is written, the agent is told so and then killed
    /// with `SIGKILL`, up to `within_us` later, and started again, with that
    /// policy; it must get ready.
    Kill {
        /// The signal that tells it of a policy.
        signal: i32,
        /// In microseconds.
        within_us: u64,
        /// Decides how much later in each round.
        seed: u64,
        /// Program and arguments.
        argv: Vec<String>,
        /// Subset of the line that says that it is ready.
        ready: Value,
    },
}

/// How an agent says which policy decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// Subset of the lines.
    pub matches: Value,
    /// The field of these lines that is another number for every policy.
    pub generation: String,
}

/// What `probe storm` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opener {
    /// Absolute path.
    pub path: String,
    /// It says so when there were so many opens.
    pub announce: u64,
}

/// What an opener has counted so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Opens {
    /// The kernel opened the file.
    pub allowed: u64,
    /// It refused, by errno.
    pub denied: BTreeMap<i32, u64>,
}

impl Opens {
    /// How many there were.
    pub fn total(&self) -> u64 {
        self.allowed + self.denied.values().sum::<u64>()
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.allowed += other.allowed;
        for (errno, count) in &other.denied {
            *self.denied.entry(*errno).or_default() += count;
        }
    }
}

/// What was seen of a storm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stormed {
    /// What came of the opens.
    pub opens: Opens,
    /// Rounds in which the agent answered, or got ready.
    pub rounds: u32,
    /// The first round that went otherwise, and how.
    pub trouble: Option<String>,
    /// Denials that the agent delivered.
    pub delivered: u64,
    /// How many different policies they name.
    pub generations: u64,
    /// How long rounds took, in microseconds: half of them at most this.
    pub median_us: u64,
    /// The longest.
    pub longest_us: u64,
    /// All of it, in milliseconds.
    pub took_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::Opens;

    #[test]
    fn opens_of_two_are_added_errno_by_errno() {
        let mut all = Opens {
            allowed: 1,
            denied: [(1, 5)].into(),
        };
        let other = Opens {
            allowed: 0,
            denied: [(1, 2), (13, 1)].into(),
        };
        all.add(&other);
        assert_eq!(all.denied, [(1, 7), (13, 1)].into());
        assert_eq!(all.total(), 9);
    }
}
