//! As whom a probe does its work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// As whom a probe does its work: what is absent is as the guest's runner has
/// it. Applied in the order of the fields; what cannot be is no verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunAs {
    /// Executed instead of the probe: a copy of it, at another path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// In this cgroup: a path from the root of the v2 hierarchy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// In a mount namespace of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_namespace: Option<MountNamespace>,
    /// With this folder as its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chroot: Option<String>,
    /// With this group, and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// As this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Under this name, in `comm` and as first argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disguise: Option<String>,
    /// By a child that `clone3(2)` puts into this cgroup as it makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone_into: Option<String>,
    /// Who does the work.
    #[serde(default, skip_serializing_if = "is_default")]
    pub doer: Doer,
}

impl RunAs {
    /// Whether it is as the guest's runner has it.
    pub fn is_runner(&self) -> bool {
        *self == Self::default()
    }
}

/// A mount namespace that is not the runner's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MountNamespace {
    /// Made for it.
    New,
    /// One that was kept under this name.
    Kept(String),
}

/// Who of a probe does its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Doer {
    /// The process itself.
    #[default]
    Itself,
    /// A child of it.
    Child,
    /// A second thread of it.
    Thread,
    /// A child that executes the probe, whose program is so another one.
    Program,
}
