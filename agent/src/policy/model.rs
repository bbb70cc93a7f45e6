//! Rules after every check. A value of these types is a policy that makes
//! sense, whatever the kernel can do with it.

use std::path::{Path, PathBuf};

use aegisbpf_abi::{Domain, Operations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::{Network, Ports};

/// Rules that one policy can hold.
pub const MAX_RULES: usize = 110_000;

/// A whole policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// In the order of the file; of the rules with the strongest action that
    /// apply, the first is the one that is named.
    pub rules: Vec<Rule>,
    /// Programs that no rule denies anything.
    pub never_deny: Vec<AbsolutePath>,
}

impl Policy {
    /// The same with the rules of one domain only.
    pub fn about(&self, domain: Domain) -> Self {
        let mut rules = self.rules.clone();
        rules.retain(|rule| rule.target.speaks_of(domain));
        Self {
            rules,
            never_deny: self.never_deny.clone(),
        }
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Unique in the policy; events name it.
    pub id: String,
    /// What becomes of an operation to which it applies.
    pub action: Action,
    /// Which operations on which objects.
    pub target: Target,
    /// What becomes of descriptors that are older than the rule.
    pub held: Held,
    /// Whose operations: of any of these subjects. Empty: everyone's.
    pub scope: Vec<Subject>,
    /// Whose operations it leaves alone: of any of these subjects.
    pub except: Vec<Subject>,
}

/// What a rule does. Later ones are stronger.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Report, whatever the mode.
    Audit,
    /// Deny with `EPERM` and report.
    #[default]
    Deny,
    /// Deny, report, and end the process with `SIGKILL`.
    Kill,
}

/// What becomes of descriptors that were open before the rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// They go on.
    #[default]
    Keep,
    /// Reading and writing through them is denied as well.
    Revoke,
}

/// Objects and the operations on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Files and folders.
    File {
        /// Which.
        object: FileObject,
        /// Of [`Operations::FILE`]; never empty.
        operations: Operations,
    },
    /// Programs: [`Operations::EXEC`].
    Exec(Programs),
    /// Sockets.
    Network {
        /// The peer for `connect` and `send`, the local address for `bind` and
        /// `listen`.
        address: Network,
        /// Ports at that address.
        ports: Ports,
        /// Every protocol when absent.
        protocol: Option<Protocol>,
        /// Of [`Operations::PEER`] and [`Operations::LOCAL`]; never empty.
        operations: Operations,
    },
    /// The kernel itself.
    Kernel {
        /// Of [`Operations::KERNEL`]; never empty.
        operations: Operations,
    },
}

/// Files of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileObject {
    /// The file at a path, and whatever gets its place.
    Path(AbsolutePath),
    /// A folder and everything beneath it.
    Subtree(AbsolutePath),
    /// An inode, wherever it is named.
    Inode {
        /// Major and minor number of the file system's device.
        device: (u32, u32),
        /// Its number.
        inode: u64,
    },
}

/// Programs of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Programs {
    /// The file at a path, and whatever gets its place.
    Path(AbsolutePath),
    /// Everything beneath a folder.
    Subtree(AbsolutePath),
    /// Every file with this SHA-256 of its content.
    Sha256([u8; 32]),
    /// Everything but these: an allow-list. Never empty.
    AllBut(Vec<AbsolutePath>),
}

/// A transport protocol.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// 6.
    Tcp,
    /// 17.
    Udp,
}

impl Protocol {
    /// Its IANA number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

/// Who tries: all that is given must hold; at least one is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The process's program, as the object it was when the policy was
    /// applied.
    pub program: Option<AbsolutePath>,
    /// In this cgroup or beneath it: a path from the root of the v2 hierarchy.
    pub cgroup: Option<AbsolutePath>,
    /// Real user id, both ends included.
    pub uid: Option<(u32, u32)>,
    /// Inode number of the mount namespace, as `readlink /proc/PID/ns/mnt`
    /// shows it.
    pub mount_namespace: Option<u32>,
}

impl Target {
    /// The operations it speaks of.
    pub const fn operations(&self) -> Operations {
        match self {
            Self::File { operations, .. }
            | Self::Network { operations, .. }
            | Self::Kernel { operations } => *operations,
            Self::Exec(_) => Operations::EXEC,
        }
    }

    /// Whether it speaks of a domain.
    pub fn speaks_of(&self, domain: Domain) -> bool {
        !self.operations().of(domain).is_empty()
    }
}

/// A path that starts at the root and has no `.` or `..`; never the root
/// itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^/+[^/]"))]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl TryFrom<String> for AbsolutePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("path {text:?} {why}"));
        if !text.starts_with('/') {
            return refuse("is not absolute: write it from the root, such as /etc/shadow");
        }
        if text.contains('\0') {
            return refuse("holds a NUL byte");
        }
        if text.len() > 4095 {
            return refuse("is longer than the 4095 bytes that Linux allows");
        }
        let mut names = text.split('/').filter(|name| !name.is_empty()).peekable();
        if names.peek().is_none() {
            return refuse("is the root folder: name something in it");
        }
        for name in names {
            if name == "." || name == ".." {
                return refuse("has a `.` or `..`: write the path without it");
            }
            if name.len() > aegisbpf_abi::NAME_LENGTH {
                return refuse("has a name longer than the 255 bytes that Linux allows");
            }
        }
        // Doubled and trailing slashes go, so that one path has one text.
        Ok(Self(PathBuf::from(text).components().collect()))
    }
}
