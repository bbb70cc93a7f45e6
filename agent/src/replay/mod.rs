//! What a policy would decide about an attempt, without the kernel: for
//! `policy simulate` and `policy explain`. The rules are those of the compiled
//! image, and [`aegisbpf_abi::verdict::decide`] decides.
//!
//! What is not known of an attempt is never guessed: the answer is then what
//! is decided at least and what at most, and which facts are missing.
//!
//! | module | holds |
//! | --- | --- |
//! | [`attempt`] | what is known of an attempt, and of who tried |
//! | [`judge`] | the image held against it; pure |
//! | [`record`] | attempts out of the agent's JSON lines |
//! | [`host`] | what paths, files and cgroups are on this machine |
//! | [`simulate`] | many attempts, summed up by rule; pure |
//! | [`explain`] | one attempt, rule by rule; pure |

pub mod attempt;
pub mod explain;
pub mod host;
pub mod judge;
pub mod record;
pub mod simulate;

use std::collections::BTreeSet;

use aegisbpf_abi::Effect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use attempt::{Attempt, Location, Missing, What, Who};
pub use host::Host;
pub use judge::{Judgement, judge};

/// What becomes of an attempt where the policy is enforced.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No rule applies.
    Allowed,
    /// Reported, and allowed.
    Audited,
    /// Denied; in audit mode `would-deny`.
    Denied,
    /// Denied, and the process ended.
    Killed,
}

impl Verdict {
    /// By the number of an [`Effect`].
    pub const fn of_effect(effect: u32) -> Self {
        match effect {
            _ if effect == Effect::None as u32 => Self::Allowed,
            _ if effect == Effect::Audit as u32 => Self::Audited,
            _ if effect == Effect::Kill as u32 => Self::Killed,
            _ => Self::Denied,
        }
    }
}

/// A value that is written as one word, as JSON has it.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Such words.
fn words<T: Serialize>(values: &BTreeSet<T>) -> String {
    let words: Vec<String> = values.iter().map(word).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests;
