//! Rules in no agent's own language; an adapter of the harness writes them in
//! the policy of the agent under test.
//!
//! What only the guest can know, such as the number of an inode, is named by
//! what it is of (`inode-of`), and looked up there.

mod text;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::operation::{FileOperation, KernelOperation, NetworkOperation};

/// One rule of a scenario's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "text::RuleText", into = "text::RuleText")]
pub struct Rule {
    /// Unique in the scenario; events name it.
    pub id: String,
    /// What becomes of an operation to which it applies.
    pub action: Action,
    /// Which operations on which objects.
    pub target: Target,
    /// Whose operations: of any of these subjects. Empty: everyone's.
    pub scope: Vec<Subject>,
    /// Whose operations it leaves alone.
    pub except: Vec<Subject>,
    /// What becomes of descriptors that are older than the rule.
    pub held: Held,
}

/// What a rule does.
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
pub enum Action {
    /// Report, whatever the mode.
    Audit,
    /// Deny and report.
    #[default]
    Deny,
    /// Deny, report, and end the process.
    Kill,
}

/// What becomes of descriptors that are older than a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// They go on.
    #[default]
    Keep,
    /// Reading and writing through them is denied as well.
    Revoke,
}

/// Objects, and the operations on them. No operations mean the agent's
/// default for such an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Files and folders.
    File {
        /// Which.
        object: FileObject,
        /// What is done to them.
        operations: Vec<FileOperation>,
    },
    /// Programs.
    Exec(Programs),
    /// Sockets.
    Network(NetworkTarget),
    /// The kernel itself. Never empty.
    Kernel(Vec<KernelOperation>),
}

/// Files of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileObject {
    /// The file at a path, and whatever gets its place.
    Path(String),
    /// A folder and everything beneath it.
    Subtree(String),
    /// The inode that has this name when the policy is written.
    InodeOf(String),
}

/// Programs of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Programs {
    /// The file at a path, and whatever gets its place.
    Path(String),
    /// Everything beneath a folder.
    Subtree(String),
    /// Every file with the content that this one has when the policy is
    /// written.
    Sha256Of(String),
    /// Everything but these.
    AllBut(Vec<String>),
}

/// Sockets of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetworkTarget {
    /// An address, or a network in CIDR form; the peer's for `connect` and
    /// `send`, the local one for `bind` and `listen`.
    pub address: String,
    /// Every port when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Ports>,
    /// Every protocol when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// What is done with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<NetworkOperation>,
}

/// Ports of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Ports {
    /// One.
    One(u16),
    /// From a first to a last, such as "8000-8999".
    Range(String),
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// 6.
    Tcp,
    /// 17.
    Udp,
}

/// Who tries: all that is given must hold; at least one is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Subject {
    /// The process's program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// In this cgroup or beneath it: a path from the root of the v2 hierarchy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// Real user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uids>,
    /// The mount namespace that a setup made under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_namespace_of: Option<String>,
}

/// User ids of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Uids {
    /// One.
    One(u32),
    /// From a first to a last, such as "1000-1999".
    Range(String),
}

impl Subject {
    /// Whether it says nothing, and so would be everyone.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Rule {
    /// What is wrong with it beyond its syntax.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.scope.iter().chain(&self.except).any(Subject::is_empty) {
            return Some(format!("rule \"{}\" has a subject that is empty", self.id));
        }
        match &self.target {
            Target::Kernel(operations) if operations.is_empty() => Some(format!(
                "rule \"{}\" names no operation of the kernel",
                self.id
            )),
            Target::Network(network) if !is_network(&network.address) => Some(format!(
                "rule \"{}\": \"{}\" is no address and no network",
                self.id, network.address
            )),
            _ => None,
        }
    }
}

fn is_network(text: &str) -> bool {
    let (address, bits) = text.split_once('/').unwrap_or((text, "0"));
    address.parse::<IpAddr>().is_ok() && bits.parse::<u8>().is_ok()
}
