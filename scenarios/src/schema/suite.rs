//! What a scenario is about, beside its rules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is asked of an agent.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// That rules hold for what they speak of, for nothing else, and are told.
    #[default]
    Enforce,
    /// How it starts, changes its policy, dies and goes.
    Lifecycle,
    /// That there is no way round a rule.
    Bypass,
    /// That faults around it change no verdict and hide no loss.
    Chaos,
    /// What the model found: random policies and operations, held against an
    /// oracle.
    Model,
    /// Nothing: that the probes themselves work.
    Probes,
}

impl Suite {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Enforce,
        Self::Lifecycle,
        Self::Bypass,
        Self::Chaos,
        Self::Model,
        Self::Probes,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Lifecycle => "lifecycle",
            Self::Bypass => "bypass",
            Self::Chaos => "chaos",
            Self::Model => "model",
            Self::Probes => "probes",
        }
    }
}

/// A way round a rule that is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bypass {
    /// In a few words; no other scenario has the same.
    pub technique: String,
    /// Where it is described: a manual page, the kernel's documentation or
    /// source, a CVE, a paper.
    pub reference: String,
    /// Why a sound agent of this kind may not close it. The scenario expects
    /// that it is open then, so that it fails once it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
}

impl Bypass {
    /// What is wrong with it.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let empty = |text: &str| text.trim().is_empty();
        if empty(&self.technique) {
            Some("`bypass.technique` is empty: say in a few words what is tried")
        } else if empty(&self.reference) {
            Some("`bypass.reference` is empty: say where the technique is described")
        } else if self.gap.as_deref().is_some_and(empty) {
            Some("`bypass.gap` is empty: say why it is open, or leave it out")
        } else {
            None
        }
    }
}
