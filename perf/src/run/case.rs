//! What is in force while operations are counted.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is in force while operations are counted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// No agent at all.
    None,
    /// LSM programs that do nothing, on the agent's hooks.
    NullLsm,
    /// The agent, with a policy.
    Agent(Policy),
}

/// A policy in a mode.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Policy {
    /// Whether it denies.
    pub mode: Mode,
    /// Of what it speaks.
    pub rules: Rules,
}

/// Whether a policy denies.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It only reports.
    Audit,
    /// It denies.
    Enforce,
}

/// Of what a policy speaks. All but the first have one exact rule about a file and
/// one about an address besides.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rules {
    /// So many files, elsewhere than what is measured, and as many addresses.
    Exact(u32),
    /// So many files in the folder of what is measured.
    Siblings(u32),
    /// One folder with all beneath it, elsewhere.
    Subtree,
    /// Networks of so many lengths, none around the peer that is measured, each as
    /// near to it as its length allows.
    Networks(u32),
    /// Nothing else, but the rule about a file revokes open descriptors.
    Revoking,
}

impl Case {
    /// The agent in enforce.
    pub const fn enforce(rules: Rules) -> Self {
        let mode = Mode::Enforce;
        Self::Agent(Policy { mode, rules })
    }

    /// The agent in audit.
    pub const fn audit(rules: Rules) -> Self {
        let mode = Mode::Audit;
        Self::Agent(Policy { mode, rules })
    }

    /// Its exact rules of each kind, in enforce.
    pub const fn exact_in_enforce(self) -> Option<u32> {
        match self {
            Self::Agent(Policy {
                mode: Mode::Enforce,
                rules: Rules::Exact(count),
            }) => Some(count),
            _ => None,
        }
    }

    /// Whether what the first rules speak of is refused.
    pub const fn refuses(self) -> bool {
        match self {
            Self::Agent(policy) => {
                matches!(policy.mode, Mode::Enforce) && !matches!(policy.rules, Rules::Exact(0))
            }
            Self::None | Self::NullLsm => false,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Policy { mode, rules } = match self {
            Self::None => return f.pad("none"),
            Self::NullLsm => return f.pad("null-lsm"),
            Self::Agent(policy) => policy,
        };
        let mode = match mode {
            Mode::Audit => "audit",
            Mode::Enforce => "enforce",
        };
        let name = match rules {
            Rules::Exact(count) => format!("{mode}-{count}"),
            Rules::Siblings(count) => format!("{mode}-siblings-{count}"),
            Rules::Subtree => format!("{mode}-subtree"),
            Rules::Networks(lengths) => format!("{mode}-networks-{lengths}"),
            Rules::Revoking => format!("{mode}-revoking"),
        };
        f.pad(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, Rules};

    #[test]
    fn only_enforce_with_a_rule_refuses() {
        assert!(Case::enforce(Rules::Exact(1)).refuses());
        assert!(Case::enforce(Rules::Subtree).refuses());
        let none = [
            Case::None,
            Case::NullLsm,
            Case::enforce(Rules::Exact(0)),
            Case::audit(Rules::Exact(10)),
        ];
        assert!(none.iter().all(|case| !case.refuses()));
    }

    #[test]
    fn names_say_mode_and_rules() {
        let names = [
            Case::None,
            Case::NullLsm,
            Case::audit(Rules::Exact(10)),
            Case::enforce(Rules::Siblings(3)),
            Case::enforce(Rules::Networks(4)),
        ];
        let names = names.map(|case| case.to_string()).join(" ");
        assert_eq!(
            names,
            "none null-lsm audit-10 enforce-siblings-3 enforce-networks-4"
        );
    }
}
