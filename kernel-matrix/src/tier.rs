//! How often a kernel is tested.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::unknown::UnknownName;

/// How often a kernel is tested: each tier holds the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// With every `cargo xtask test`.
    Smoke,
    /// With every change.
    Pr,
    /// Every night.
    Nightly,
}

impl Tier {
    /// Every tier, the smallest first.
    pub const ALL: [Self; 3] = [Self::Smoke, Self::Pr, Self::Nightly];

    /// The name in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Pr => "pr",
            Self::Nightly => "nightly",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Tier {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        UnknownName::look_up("tier", text, Self::ALL, Self::name)
    }
}
