//! Attempts out of the agent's JSON lines.

use std::{net::IpAddr, path::Path};

use aegisbpf_abi::{Key, Operation};
use serde::Deserialize;
use thiserror::Error;

use super::{
    Host, Verdict,
    attempt::{Attempt, What, of_event},
};
use crate::{
    policy::{Policy, Rule},
    resolve::device_number,
};

/// A denial, as far as it matters here. Fields that are new are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// The operation.
    pub operation: String,
    /// The rule that decided, if the agent knew it.
    pub rule: Option<String>,
    /// Why it was denied without a rule.
    pub reason: Option<String>,
    /// `denied`, `killed`, `would-deny` or `audited`.
    pub verdict: String,
    /// Real user id.
    pub uid: u32,
    /// Id of the cgroup.
    pub cgroup: u64,
    /// Name of the task.
    pub command: String,
    /// Through a descriptor that was open before.
    #[serde(default)]
    pub held: bool,
    /// The file.
    pub file: Option<File>,
    /// The peer.
    pub peer: Option<Peer>,
}

/// A file of an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct File {
    /// Its name in its folder, or, without an inode, the path.
    pub name: String,
    /// Inode; 0 or absent when there is none.
    pub inode: Option<u64>,
    /// `major:minor`.
    pub device: Option<String>,
}

/// A peer of an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Peer {
    /// IPv4 or IPv6.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
}

/// Why a line cannot be replayed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// It is none of the agent's.
    #[error("is no record of the agent: {0}")]
    Malformed(String),
    /// A name that this version does not know.
    #[error("has the {what} {name:?}, which this version does not know")]
    Unknown {
        /// Of what.
        what: &'static str,
        /// The name.
        name: String,
    },
}

/// A line: `None` for records of another type than `denial`.
pub fn read(line: &str) -> Result<Option<Event>, RecordError> {
    #[derive(Deserialize)]
    struct Typed {
        r#type: String,
    }
    let malformed = |error: serde_json::Error| RecordError::Malformed(error.to_string());
    let Typed { r#type } = serde_json::from_str(line).map_err(malformed)?;
    if r#type != "denial" {
        return Ok(None);
    }
    serde_json::from_str(line).map(Some).map_err(malformed)
}

impl File {
    /// The object, when the event tells one.
    pub fn object(&self) -> Option<Key> {
        let (major, minor) = self.device.as_deref()?.split_once(':')?;
        let device = device_number(major.parse().ok()?, minor.parse().ok()?);
        let inode = self.inode.filter(|inode| *inode != 0)?;
        Some(Key::object(inode, 0, device))
    }
}

impl Event {
    /// What was decided.
    pub fn verdict(&self) -> Result<Verdict, RecordError> {
        match self.verdict.as_str() {
            "audited" => Ok(Verdict::Audited),
            "denied" | "would-deny" => Ok(Verdict::Denied),
            "killed" => Ok(Verdict::Killed),
            _ => Err(RecordError::Unknown {
                what: "verdict",
                name: self.verdict.clone(),
            }),
        }
    }

    /// The operation that it names.
    pub fn operation(&self) -> Result<Operation, RecordError> {
        operation(&self.operation).ok_or_else(|| RecordError::Unknown {
            what: "operation",
            name: self.operation.clone(),
        })
    }

    /// The rule that decided, in the policy that was in force.
    pub fn rule_of<'a>(&self, policy: &'a Policy) -> Option<&'a Rule> {
        let mut rules = policy.rules.iter();
        rules.find(|rule| self.rule.as_ref() == Some(&rule.id))
    }

    /// What was tried, with what this machine knows of the file and the
    /// cgroup, and the policy under which it was recorded of who tried.
    pub fn attempt(&self, host: &Host, recorded: Option<&Policy>) -> Result<Attempt, RecordError> {
        let named = self.operation()?;
        let held = match named {
            Operation::Read if self.held => Some(Operation::HeldRead.alone()),
            Operation::Write if self.held => Some(Operation::HeldWrite.alone()),
            _ => None,
        };
        let executed = matches!(named, Operation::Exec | Operation::MmapExec);
        let what = match (&self.file, &self.peer) {
            // The fallback gives a path instead.
            (Some(file), _) if file.inode.is_none() => host.at(Path::new(&file.name), executed),
            (Some(file), _) => {
                let rule = recorded.and_then(|policy| self.rule_of(policy));
                host.recorded(file, executed, rule)
            }
            (None, Some(peer)) => What::Peer {
                address: octets(peer.address),
                port: peer.port,
                protocol: None,
            },
            (None, None) if named == Operation::Mount => What::SomeFile,
            (None, None) => What::Kernel,
        };
        Ok(Attempt {
            operations: held.map_or_else(|| of_event(named), |held| vec![held]),
            what,
            who: host.who(self, recorded),
        })
    }

    /// For people: what was tried, on what, by whom.
    pub fn shown(&self) -> String {
        let object = match (&self.file, &self.peer) {
            (Some(file), _) => format!(" {:?}", file.name),
            (None, Some(peer)) => format!(" {} port {}", peer.address, peer.port),
            (None, None) => String::new(),
        };
        let Self {
            operation,
            command,
            uid,
            ..
        } = self;
        format!("{operation}{object} by {command:?}, uid {uid}")
    }
}

/// An address as the image holds it.
pub fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The operation that a policy calls so.
pub fn operation(name: &str) -> Option<Operation> {
    Operation::ALL.into_iter().find(|one| one.name() == name)
}
