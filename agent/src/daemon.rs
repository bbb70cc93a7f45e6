//! The running agent: rings, signals, reloads.
//!
//! The space of an event in its ring is released when standard output took
//! it. Whoever reads slowly makes the ring fill, which the kernel counts and
//! which denies nothing less.

use std::{fmt::Write as _, io, path::PathBuf, time::Duration};

use aegisbpf_abi::{Event, Mode, Operation, RuleRef, names::shared_map};
use aya::maps::MapError;
use thiserror::Error;
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use crate::{
    fallback::{Candidate, Matcher},
    kernel::{
        counters::Counters,
        generation::Mechanism,
        ring::{Ring, RingError},
    },
    policy::Domain,
    record::{self, Denial, Domains, Record},
    startup::{InForce, StartError, bring_into_force},
};

/// How often losses are looked for when nothing else happens.
const LOSS_INTERVAL: Duration = Duration::from_secs(1);

/// What the daemon was told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The policy file.
    pub policy: PathBuf,
    /// The mode.
    pub mode: Mode,
}

/// Why the daemon ended otherwise than by a signal.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The policy did not come into force.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A ring cannot be read.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The counters cannot be read.
    #[error("cannot read the counters: {0}")]
    Counters(#[from] MapError),
    /// Standard output is gone, or the system refused something.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Bring the policy into force and report until a signal ends it.
pub async fn run(settings: &Settings) -> Result<(), DaemonError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut reload = signal(SignalKind::hangup())?;
    let in_force = bring_into_force(&settings.policy, settings.mode)?;
    warn_of_fallback(&in_force);
    announce(&in_force, settings.mode)?;
    let mut reporter = Reporter::new(in_force);
    let mut denials = Ring::open(shared_map::DENIALS)?.watch()?;
    let mut audits = Ring::open(shared_map::AUDITS)?.watch()?;
    let mut ticks = interval(LOSS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        reporter.drain("denials", denials.get_mut())?;
        reporter.drain("audits", audits.get_mut())?;
        reporter.report_losses()?;
        select! {
            ready = denials.readable_mut() => ready?.clear_ready(),
            ready = audits.readable_mut() => ready?.clear_ready(),
            _ = ticks.tick() => {}
            Some(()) = reload.recv() => reporter.reload(settings)?,
            () = either(&mut terminate, &mut interrupt) => break,
        }
    }
    reporter.drain("denials", denials.get_mut())?;
    reporter.drain("audits", audits.get_mut())?;
    record::write(&Record::Stopped {
        delivered_denials: reporter.delivered_denials,
        delivered_audits: reporter.delivered_audits,
        counters: Counters::read()?,
    })?;
    Ok(())
}

async fn either(one: &mut Signal, other: &mut Signal) {
    select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

fn warn_of_fallback(in_force: &InForce) {
    if let Some(obstacle) = &in_force.obstacle {
        eprintln!(
            "aegisbpf: fallback: nothing will be denied: {obstacle}. Operations are reported from \
             tracepoints, which see paths, not files."
        );
    }
}

fn announce(in_force: &InForce, mode: Mode) -> io::Result<()> {
    record::write(&Record::Ready {
        mode: if mode == Mode::Enforce {
            "enforce"
        } else {
            "audit"
        },
        domains: Domains::new(&in_force.modes, in_force.mechanism),
        policy_digest: hex(&in_force.generation.meta.digest),
        adopted: in_force.adopted,
        generation: in_force.generation.number,
        rules: in_force.policy.rules.len(),
        fallback_reason: in_force.obstacle.as_ref().map(ToString::to_string),
    })
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Turns events into lines, and counts them.
struct Reporter {
    in_force: InForce,
    matcher: Matcher,
    counters: Counters,
    delivered_denials: u64,
    delivered_audits: u64,
}

impl Reporter {
    fn new(in_force: InForce) -> Self {
        Self {
            matcher: Matcher::new(&in_force.policy),
            in_force,
            counters: Counters::default(),
            delivered_denials: 0,
            delivered_audits: 0,
        }
    }

    fn drain(&mut self, name: &'static str, ring: &mut Ring) -> Result<(), DaemonError> {
        while ring.next(|seq, event| self.report(name, seq, event))? {
            if name == "denials" {
                self.delivered_denials += 1;
            } else {
                self.delivered_audits += 1;
            }
        }
        Ok(())
    }

    fn report(&self, ring: &'static str, seq: u64, event: &Event) -> Result<(), DaemonError> {
        let Some(operation) = Operation::from_number(event.operation) else {
            return Err(RingError::Record {
                name: ring,
                length: size_of::<Event>(),
            }
            .into());
        };
        let mechanism = self.in_force.mechanism;
        let rule = match self.rule_of(operation, event) {
            Some(Candidate::Rule(index)) => Some(index),
            Some(Candidate::NoRule) => {
                return Ok(record::write(&Record::Dismissed { ring, seq })?);
            }
            Some(Candidate::Unresolved) => {
                return Ok(record::write(&Record::Unresolved {
                    ring,
                    seq,
                    operation: record::operation_name(operation),
                    path: record::text(&event.text),
                    pid: event.pid,
                    mode: "fallback",
                })?);
            }
            None => None,
        };
        let domain = Domain::of(operation);
        let verdict = record::verdict_name(event.verdict);
        if rule == Some(self.in_force.policy.rules.len()) {
            return Ok(record::write(&Record::Canary {
                ring,
                seq,
                domain,
                verdict,
            })?);
        }
        let rules = &self.in_force.policy.rules;
        let is_file = operation != Operation::Connect;
        Ok(record::write(&Record::Denial(Denial {
            ring,
            seq,
            lost_before: self.counters.lost(),
            time_unix_ns: record::unix_time_ns(event.monotonic_ns),
            domain,
            operation: record::operation_name(operation),
            rule: rule
                .and_then(|index| rules.get(index))
                .map(|rule| rule.id.as_str()),
            verdict,
            mode: match (mechanism, verdict) {
                (Mechanism::Tracepoints, _) => "fallback",
                (Mechanism::Lsm, "denied") => "enforce",
                (Mechanism::Lsm, _) => "audit",
            },
            pid: event.pid,
            tid: event.tid,
            uid: event.uid,
            gid: event.gid,
            cgroup: event.cgroup,
            command: record::text(&event.command),
            generation: event.generation,
            file: is_file.then(|| record::file_of(event, mechanism)),
            peer: (!is_file).then(|| record::peer_of(event)),
        }))?)
    }

    /// The rule that decided, or `None` when another policy's did.
    fn rule_of(&self, operation: Operation, event: &Event) -> Option<Candidate> {
        if event.generation != self.in_force.generation.number {
            return None;
        }
        if let Some(index) = RuleRef(event.rule).index() {
            return Some(Candidate::Rule(index as usize));
        }
        let end = event.text.iter().position(|byte| *byte == 0);
        let text = &event.text[..end.unwrap_or(event.text.len())];
        Some(
            self.matcher
                .find(operation, text, event.folder_fd, event.pid),
        )
    }

    fn report_losses(&mut self) -> Result<(), DaemonError> {
        let counters = Counters::read()?;
        if counters.lost() != self.counters.lost() {
            record::write(&Record::Loss { counters })?;
        }
        self.counters = counters;
        Ok(())
    }

    /// Take the policy file as it is now, or go on with what is in force.
    fn reload(&mut self, settings: &Settings) -> io::Result<()> {
        let reason = match bring_into_force(&settings.policy, settings.mode) {
            Ok(new) => {
                self.matcher = Matcher::new(&new.policy);
                self.in_force = new;
                None
            }
            Err(error) => {
                eprintln!("aegisbpf: the policy was refused, the old one goes on: {error}");
                Some(error.to_string())
            }
        };
        record::write(&Record::Policy {
            result: if reason.is_none() {
                "applied"
            } else {
                "refused"
            },
            policy_digest: hex(&self.in_force.generation.meta.digest),
            generation: self.in_force.generation.number,
            reason,
        })
    }
}
