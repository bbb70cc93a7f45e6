//! Rules after every check. A value of these types is a policy that makes
//! sense, whatever the kernel can do with it.

use std::{fmt, path::PathBuf};

use aegisbpf_abi::Operation;
use serde::{Deserialize, Serialize};

use super::network::{Network, Ports};

/// Rules that one policy can hold.
pub const MAX_RULES: usize = 100_000;

/// A whole policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// In the order of the file; the first rule that applies is the one that
    /// is named.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Unique in the policy; events name it.
    pub id: String,
    /// What is denied.
    pub target: Target,
}

/// What a rule denies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// Opening a file.
    Open {
        /// Absolute.
        path: AbsolutePath,
    },
    /// Executing a file.
    Exec {
        /// Absolute.
        path: AbsolutePath,
    },
    /// Connecting to a peer.
    Connect {
        /// Address or network.
        to: Network,
        /// Every port when absent.
        #[serde(default)]
        port: Ports,
    },
}

/// A part of the system with hooks and a mode of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Domain {
    /// Opening files.
    File,
    /// Executing files.
    Exec,
    /// Connecting sockets.
    Network,
}

impl Domain {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::File, Self::Exec, Self::Network];

    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Exec => "exec",
            Self::Network => "network",
        }
    }

    /// The domain of an operation.
    pub const fn of(operation: Operation) -> Self {
        match operation {
            Operation::Open => Self::File,
            Operation::Exec => Self::Exec,
            Operation::Connect => Self::Network,
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Target {
    /// The operation that is denied.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Open { .. } => Operation::Open,
            Self::Exec { .. } => Operation::Exec,
            Self::Connect { .. } => Operation::Connect,
        }
    }

    /// The domain it belongs to.
    pub const fn domain(&self) -> Domain {
        Domain::of(self.operation())
    }

    /// The path of a rule about files.
    pub fn path(&self) -> Option<&AbsolutePath> {
        match self {
            Self::Open { path } | Self::Exec { path } => Some(path),
            Self::Connect { .. } => None,
        }
    }
}

/// A path that starts at the root, names a file and has no `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// The path.
    pub fn as_path(&self) -> &std::path::Path {
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
            return refuse("is the root folder: name a file");
        }
        for name in names {
            if name == "." || name == ".." {
                return refuse("has a `.` or `..`: write the path without it");
            }
            if name.len() > aegisbpf_abi::NAME_LENGTH {
                return refuse("has a name longer than the 255 bytes that Linux allows");
            }
        }
        Ok(Self(PathBuf::from(text)))
    }
}
