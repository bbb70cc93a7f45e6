//! What is said on standard output, as JSON lines. Every line is one object
//! with a `type`.

use std::{
    io::{self, Write as _},
    net::Ipv6Addr,
    time::{SystemTime, UNIX_EPOCH},
};

use aegisbpf_abi::{Domain, Effect, Event, Mode};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::{
    held::Held,
    image::Modes,
    kernel::{counters::Counters, programs::Mechanism},
};

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Record<'a> {
    /// The policy is in force and the canary has shown it.
    Ready {
        /// `enforce` or `audit`.
        mode: &'static str,
        /// State of each domain.
        domains: Domains,
        /// SHA-256 of what is in the maps.
        policy_digest: String,
        /// The kernel's side was there already and has been kept.
        adopted: bool,
        /// Number of the generation.
        generation: u64,
        /// How many rules.
        rules: usize,
        /// Why something is left to the fallback.
        #[serde(skip_serializing_if = "Option::is_none")]
        fallback_reason: Option<String>,
        /// Rules that the fallback cannot see and that are not audited.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        unseen: &'a [String],
        /// Descriptors that were open already.
        held: Held,
    },
    /// An operation was denied, or would have been.
    Denial(Denial<'a>),
    /// The agent's own canary; a record like any other, so it has a number.
    Canary {
        /// Which ring.
        ring: &'static str,
        /// Number in the ring.
        seq: u64,
        /// `file`, `exec`, `network` or `kernel`.
        domain: &'static str,
        /// `denied` or `would-deny`.
        verdict: &'static str,
    },
    /// Fallback: a path with the name of a rule, which is no rule's.
    Dismissed {
        /// Which ring.
        ring: &'static str,
        /// Number in the ring.
        seq: u64,
    },
    /// Fallback: a relative path of a process that is gone.
    Unresolved {
        /// Which ring.
        ring: &'static str,
        /// Number in the ring.
        seq: u64,
        /// The operation.
        operation: &'static str,
        /// The path as the process gave it.
        path: String,
        /// Process id.
        pid: u32,
        /// Always `fallback`.
        mode: &'static str,
    },
    /// A policy was offered while running.
    Policy {
        /// `applied` or `refused`.
        result: &'static str,
        /// SHA-256 of what is in the maps now.
        policy_digest: String,
        /// Number of the generation that is in force now.
        generation: u64,
        /// Descriptors that were open already when it came into force.
        held: Held,
        /// Why it was refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The canary was not denied any more, or what is in force was changed from
    /// outside. Said each time that it is tried.
    Degraded {
        /// What was tried, when the canary failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        operation: Option<&'static str>,
        /// Its domain.
        #[serde(skip_serializing_if = "Option::is_none")]
        domain: Option<&'static str>,
        /// What was seen.
        reason: &'a str,
        /// Hooks that are needed and not attached any more.
        #[serde(skip_serializing_if = "<[&str]>::is_empty")]
        detached: &'a [&'static str],
    },
    /// The canary is denied again.
    Recovered {
        /// Number of the generation that is in force.
        generation: u64,
    },
    /// Something was lost since the last such line.
    Loss {
        /// The kernel's counters.
        #[serde(flatten)]
        counters: Counters,
    },
    /// The agent stops; enforcement goes on.
    Stopped {
        /// Records of the ring of denials that this process delivered.
        delivered_denials: u64,
        /// Records of the ring of reports that this process delivered.
        delivered_audits: u64,
        /// The kernel's counters.
        #[serde(flatten)]
        counters: Counters,
    },
}

/// An operation that was denied, or would have been.
#[derive(Debug, Serialize)]
pub struct Denial<'a> {
    /// Which ring.
    pub ring: &'static str,
    /// Number in the ring; a gap is a loss after the kernel.
    pub seq: u64,
    /// Events the kernel could not deliver, since it booted.
    pub lost_before: u64,
    /// Nanoseconds since 1970.
    pub time_unix_ns: u64,
    /// `file`, `exec`, `network` or `kernel`.
    pub domain: &'static str,
    /// Such as `read`, `exec` or `connect`.
    pub operation: &'static str,
    /// Through a descriptor that was open before, which a rule revokes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// Id of the rule; absent when a policy decided that this process does
    /// not know, or no rule did (see `reason`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    /// Why it was denied without a rule: `too-deep` or `unreadable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// `denied`, `killed`, `would-deny` or `audited`.
    pub verdict: &'static str,
    /// `enforce`, `audit` or `fallback`.
    pub mode: &'static str,
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Id of the cgroup.
    pub cgroup: u64,
    /// Name of the task.
    pub command: String,
    /// Generation that decided.
    pub generation: u64,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileObject>,
    /// The peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
}

/// A file of an event.
#[derive(Debug, Serialize)]
pub struct FileObject {
    /// Its name in its folder; in the fallback the path as it was given.
    pub name: String,
    /// Inode; absent in the fallback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Device as `major:minor`; absent in the fallback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// A peer of an event.
#[derive(Debug, Serialize)]
pub struct Peer {
    /// IPv4 addresses are written as such, whatever socket reached them.
    pub address: String,
    /// Port.
    pub port: u16,
}

/// State of each domain: `enforce`, `audit`, `fallback` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Domains {
    /// Files and folders.
    pub file: &'static str,
    /// Programs.
    pub exec: &'static str,
    /// Sockets.
    pub network: &'static str,
    /// The kernel itself.
    pub kernel: &'static str,
}

impl Domains {
    /// As they are under these modes and this mechanism.
    pub const fn new(modes: &Modes, mechanism: Mechanism) -> Self {
        Self {
            file: state(modes.of(Domain::File), mechanism),
            exec: state(modes.of(Domain::Exec), mechanism),
            network: state(modes.of(Domain::Network), mechanism),
            kernel: state(modes.of(Domain::Kernel), mechanism),
        }
    }
}

/// The state of a domain, in a word.
pub const fn state(mode: Mode, mechanism: Mechanism) -> &'static str {
    match (mode, mechanism) {
        (Mode::Off, _) => "off",
        (_, Mechanism::Tracepoints) | (Mode::Audit, Mechanism::Cgroup) => "fallback",
        (Mode::Audit, Mechanism::Lsm) => "audit",
        (Mode::Enforce, Mechanism::Lsm | Mechanism::Cgroup) => "enforce",
    }
}

/// The name of a verdict that is reported.
pub const fn verdict_name(effect: u8) -> &'static str {
    match effect {
        _ if effect == Effect::Audit as u8 => "audited",
        _ if effect == Effect::WouldDeny as u8 => "would-deny",
        _ if effect == Effect::Kill as u8 => "killed",
        _ => "denied",
    }
}

/// The state in which a domain was when it decided. The effect of a rule that
/// audits is the same in each; then it is that of `now`.
pub const fn mode_name(mechanism: Mechanism, effect: u8, now: Mode) -> &'static str {
    match effect {
        _ if effect == Effect::WouldDeny as u8 => state(Mode::Audit, mechanism),
        _ if effect == Effect::Audit as u8 => state(now, mechanism),
        _ => "enforce",
    }
}

/// The file of an event.
pub fn file_of(event: &Event, mechanism: Mechanism) -> FileObject {
    let known = mechanism == Mechanism::Lsm;
    FileObject {
        name: text(&event.text),
        inode: known.then_some(event.inode),
        device: known.then(|| format!("{}:{}", event.device >> 20, event.device & 0xf_ffff)),
    }
}

/// The peer of an event.
pub fn peer_of(event: &Event) -> Peer {
    Peer {
        address: Ipv6Addr::from(event.address).to_canonical().to_string(),
        port: event.port,
    }
}

/// Text that ends with a NUL byte or fills its field.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Nanoseconds since 1970 of a moment of the monotonic clock.
pub fn unix_time_ns(monotonic_ns: u64) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let monotonic = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(monotonic.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(monotonic.tv_nsec).unwrap_or_default();
    let age = (seconds * 1_000_000_000 + nanoseconds).saturating_sub(monotonic_ns);
    u64::try_from(now.as_nanos())
        .unwrap_or(u64::MAX)
        .saturating_sub(age)
}

/// Write a line and hand it over.
pub fn write(record: &Record<'_>) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    let written = out.write_all(&line).and_then(|()| out.flush());
    written.map_err(|error| {
        let problem = format!("cannot report on standard output: {error}; what is in force stays");
        io::Error::new(error.kind(), problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_the_mode_of_its_domain() {
        let check = |effect: Effect, now, expected| {
            assert_eq!(mode_name(Mechanism::Lsm, effect as u8, now), expected);
        };
        check(Effect::Audit, Mode::Audit, "audit");
        check(Effect::Audit, Mode::Enforce, "enforce");
        // Decided before the mode was changed.
        check(Effect::WouldDeny, Mode::Enforce, "audit");
        check(Effect::Deny, Mode::Audit, "enforce");
        let check = |mechanism, effect: Effect, now, expected| {
            assert_eq!(mode_name(mechanism, effect as u8, now), expected);
        };
        let fallback = Mechanism::Tracepoints;
        check(fallback, Effect::Audit, Mode::Audit, "fallback");
        let degraded = Mechanism::Cgroup;
        check(degraded, Effect::WouldDeny, Mode::Audit, "fallback");
        check(degraded, Effect::Audit, Mode::Enforce, "enforce");
        check(degraded, Effect::Deny, Mode::Enforce, "enforce");
    }
}
