//! The running agent: rings, signals, reloads.
//!
//! The space of an event in its ring is released when standard output took
//! it. Whoever reads slowly makes the ring fill, which the kernel counts and
//! which denies nothing less.

use std::{
    future::pending,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use aegisbpf_abi::{Domain, Event, Mode, Operation, Operations, Reference, names::shared_map};
use aya::maps::MapError;
use thiserror::Error;
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    task::yield_now,
    time::{Instant, Interval, MissedTickBehavior, interval, interval_at},
};

use crate::{
    cli,
    control::{
        Applied, Apply, DaemonHealth, Deadline, Enforce, NextStart, Refusal, Rehearsal, Request,
        Response, Rules, Writer,
        socket::{self, Question},
        writer::Asked,
    },
    degrade::Degrade,
    fallback::{Candidate, Matcher},
    held::Held,
    hex,
    history::{Disk, History},
    kernel::{
        counters::Counters,
        programs::Mechanism,
        ring::{Ring, RingError},
    },
    names::{Decider, Names},
    paths,
    policy::Policy,
    record::{self, Denial, Domains, Record},
    startup::{self, Enforcer, InForce},
    trouble::Trouble,
};

/// How often losses are looked for when nothing else happens.
const LOSS_INTERVAL: Duration = Duration::from_secs(1);

/// Records of a ring that are reported before anything else gets its turn:
/// whoever is denied without pause fills a ring as fast as it is emptied.
const RECORDS_PER_TURN: u32 = 256;
/// More than a ring holds: after so many, all that was there has been reported.
const RECORDS_AT_END: u32 = 16 * 1024;

/// What the daemon was told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The policy file; when absent, the stored policy, and the usual file only
    /// where none is stored.
    pub policy: Option<PathBuf>,
    /// The mode.
    pub mode: Mode,
    /// What may be audited instead where it cannot be enforced.
    pub degrade: Degrade,
    /// How often the canary is tried; `None` for never.
    pub canary_every: Option<Duration>,
}

/// Why the daemon ended otherwise than by a signal.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The policy did not come into force.
    #[error("{}", .0.reason)]
    Start(Refusal),
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

impl From<Refusal> for DaemonError {
    fn from(refusal: Refusal) -> Self {
        Self::Start(refusal)
    }
}

/// Bring the policy into force, report, and answer on the socket, until a signal ends it.
pub async fn run(settings: &Settings) -> Result<(), DaemonError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut reload = signal(SignalKind::hangup())?;
    let live = Live::new(settings);
    let history = History::open(Disk, Path::new(paths::HISTORY)).map_err(Refusal::from)?;
    let mut reporter = Reporter::new(Writer::new(history, Rules::here()?, live), settings);
    let offered = reporter.offered(settings, false)?;
    reporter.writer.start(cli::now(), offered.as_ref())?;
    // Nothing that could still fail comes after it says that it is ready.
    let mut denials = Ring::open(shared_map::DENIALS)?.watch()?;
    let mut audits = Ring::open(shared_map::AUDITS)?.watch()?;
    // Whoever was told that it is ready may ask it.
    let mut questions = socket::listen(Path::new(paths::CONTROL))?;
    if let Some(running) = &reporter.writer.enforcer.running {
        warn_of_fallback(&running.enforcer, &running.in_force);
        announce(&running.enforcer, &running.in_force, settings.mode)?;
    }
    let mut ticks = interval(LOSS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut canary = settings.canary_every.map(every);
    loop {
        let more = reporter.drain("denials", denials.get_mut(), RECORDS_PER_TURN)?
            | reporter.drain("audits", audits.get_mut(), RECORDS_PER_TURN)?;
        reporter.report_losses()?;
        reporter.take_back_in_time()?;
        select! {
            () = yield_now(), if more => {}
            ready = denials.readable_mut() => ready?.clear_ready(),
            ready = audits.readable_mut() => ready?.clear_ready(),
            _ = ticks.tick() => {}
            () = due(&mut canary) => reporter.test()?,
            Some(question) = questions.recv() => reporter.answer(question)?,
            Some(()) = reload.recv() => reporter.reload(settings)?,
            () = either(&mut terminate, &mut interrupt) => break,
        }
    }
    reporter.drain("denials", denials.get_mut(), RECORDS_AT_END)?;
    reporter.drain("audits", audits.get_mut(), RECORDS_AT_END)?;
    reporter.report_losses()?;
    record::write(&Record::Stopped {
        delivered_denials: reporter.delivered_denials,
        delivered_audits: reporter.delivered_audits,
        counters: reporter.counters,
    })?;
    Ok(())
}

/// Ticks, the first of them after a while.
fn every(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn due(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => pending().await,
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

fn warn_of_fallback(enforcer: &Enforcer, in_force: &InForce) {
    let Some(obstacle) = &enforcer.obstacle else {
        return;
    };
    let lowered = |domain: &Domain| in_force.modes.of(*domain) == Mode::Audit;
    let lowered: Vec<_> = Domain::ALL.into_iter().filter(lowered).collect();
    let names: Vec<_> = lowered.iter().map(|domain| domain.name()).collect();
    match (enforcer.mechanism, names.as_slice()) {
        (Mechanism::Cgroup, []) => eprintln!(
            "aegisbpf: the network is enforced by programs on the cgroup at the root: {obstacle}"
        ),
        (Mechanism::Cgroup, names) => eprintln!(
            "aegisbpf: DEGRADED as asked by --degrade: nothing will be denied of {}: {obstacle}. \
             It is reported from tracepoints, which see paths, not files.",
            names.join(", ")
        ),
        _ => eprintln!(
            "aegisbpf: fallback: nothing will be denied: {obstacle}. Operations are reported from \
             tracepoints, which see paths, not files."
        ),
    }
}

/// What nobody audits must not look as if it were.
fn warn_of_unseen(in_force: &InForce) {
    if !in_force.unseen.is_empty() {
        eprintln!(
            "aegisbpf: without BPF LSM these rules are not even audited: {}",
            in_force.unseen.join(", ")
        );
    }
}

fn announce(enforcer: &Enforcer, in_force: &InForce, mode: Mode) -> io::Result<()> {
    warn_of_unseen(in_force);
    record::write(&Record::Ready {
        mode: if mode == Mode::Enforce {
            "enforce"
        } else {
            "audit"
        },
        domains: Domains::new(&in_force.modes, enforcer.mechanism),
        policy_digest: hex::encode(&in_force.meta.digest),
        adopted: in_force.adopted,
        generation: in_force.active.generation(),
        rules: in_force.policy.rules.len(),
        fallback_reason: enforcer
            .obstacle
            .as_ref()
            .filter(|_| mode != Mode::Enforce || in_force.modes.0.contains(&Mode::Audit))
            .map(ToString::to_string),
        unseen: &in_force.unseen,
        held: in_force.held.count(),
    })
}

/// Brings policies into force, and knows the one that is.
struct Live {
    mode: Mode,
    degrade: Degrade,
    /// Absent until the first one is.
    running: Option<Running>,
    names: Names,
}

struct Running {
    enforcer: Enforcer,
    in_force: InForce,
    matcher: Matcher,
}

impl Live {
    fn new(settings: &Settings) -> Self {
        Self {
            mode: settings.mode,
            degrade: settings.degrade,
            running: None,
            names: Names::default(),
        }
    }
}

impl Enforce for Live {
    fn rehearse(&mut self, policy: &Policy) -> Result<Rehearsal, Refusal> {
        let Some(running) = &mut self.running else {
            return NextStart.rehearse(policy);
        };
        Ok(Rehearsal::of(&running.enforcer.rehearse(policy)?, true))
    }

    fn enforce(&mut self, policy: Policy) -> Result<Applied, Refusal> {
        let (enforcer, in_force) = match self.running.take() {
            None => startup::start(policy, self.mode, self.degrade)?,
            Some(mut running) => match running.enforcer.bring_into_force(policy) {
                Ok(new) => (running.enforcer, new),
                Err(error) => {
                    self.running = Some(running);
                    return Err(error.into());
                }
            },
        };
        self.names.remember(&in_force);
        let generation = Some(in_force.active.generation());
        let held = Some(in_force.held.clone());
        self.running = Some(Running {
            matcher: Matcher::new(&in_force.policy),
            enforcer,
            in_force,
        });
        Ok(Applied {
            generation,
            held,
            ..Applied::default()
        })
    }
}

/// Turns events into lines, and counts them.
struct Reporter {
    writer: Writer<Disk, Live>,
    counters: Counters,
    delivered_denials: u64,
    delivered_audits: u64,
    canary_every: Option<Duration>,
    degraded: Option<Trouble>,
    deadline: Deadline,
}

/// What becomes of a record of a ring.
enum Reported<'a> {
    /// Somebody's attempt.
    Denial {
        rule: Option<&'a str>,
        reason: Option<&'static str>,
    },
    /// The agent's own.
    Canary,
    /// A file elsewhere with the name of a rule's.
    Dismissed,
    /// A path that could not be made whole.
    Unresolved,
}

impl Reporter {
    fn new(writer: Writer<Disk, Live>, settings: &Settings) -> Self {
        Self {
            writer,
            counters: Counters::default(),
            delivered_denials: 0,
            delivered_audits: 0,
            canary_every: settings.canary_every,
            degraded: None,
            deadline: Deadline::default(),
        }
    }

    /// Report what is in a ring, and say whether there may be more.
    fn drain(
        &mut self,
        name: &'static str,
        ring: &mut Ring,
        at_most: u32,
    ) -> Result<bool, DaemonError> {
        for _ in 0..at_most {
            if !ring.next(|seq, event| self.report(name, seq, event))? {
                return Ok(false);
            }
            if name == "denials" {
                self.delivered_denials += 1;
            } else {
                self.delivered_audits += 1;
            }
        }
        Ok(true)
    }

    fn report(&self, ring: &'static str, seq: u64, event: &Event) -> Result<(), DaemonError> {
        let Some(operation) = Operations(event.operations).first() else {
            return Err(RingError::Record {
                name: ring,
                length: size_of::<Event>(),
            }
            .into());
        };
        let Some(running) = &self.writer.enforcer.running else {
            return Ok(());
        };
        let mechanism = running.enforcer.mechanism;
        let domain = operation.domain().name();
        let verdict = record::verdict_name(event.effect);
        let line = match self.judge(running, operation, event) {
            Reported::Dismissed => Record::Dismissed { ring, seq },
            Reported::Unresolved => Record::Unresolved {
                ring,
                seq,
                operation: operation.name(),
                path: record::text(&event.text),
                pid: event.pid,
                mode: "fallback",
            },
            Reported::Canary => Record::Canary {
                ring,
                seq,
                domain,
                verdict,
            },
            Reported::Denial { rule, reason } => Record::Denial(Denial {
                ring,
                seq,
                lost_before: self.counters.lost(),
                time_unix_ns: record::unix_time_ns(event.monotonic_ns),
                domain,
                operation: operation.name(),
                held: Operations::HELD.has(operation),
                rule,
                reason,
                verdict,
                mode: record::mode_name(
                    mechanism,
                    event.effect,
                    running.in_force.modes.of(operation.domain()),
                ),
                pid: event.pid,
                tid: event.tid,
                uid: event.uid,
                gid: event.gid,
                cgroup: event.cgroup,
                command: record::text(&event.command),
                generation: event.generation,
                file: matches!(operation.domain(), Domain::File | Domain::Exec)
                    .then(|| record::file_of(event, mechanism)),
                peer: (operation.domain() == Domain::Network).then(|| record::peer_of(event)),
            }),
        };
        Ok(record::write(&line)?)
    }

    fn judge<'a>(
        &'a self,
        running: &'a Running,
        operation: Operation,
        event: &Event,
    ) -> Reported<'a> {
        let reference = Reference(event.rule);
        let without = |reason| Reported::Denial {
            rule: None,
            reason: Some(reason),
        };
        if reference == Reference::TOO_DEEP {
            return without("too-deep");
        }
        if reference == Reference::UNREADABLE {
            return without("unreadable");
        }
        if reference.is_none() {
            let found = running
                .matcher
                .find(operation, text(event), event.folder_fd, event.pid);
            return match found {
                Candidate::Rule(index) => Reported::Denial {
                    rule: running
                        .in_force
                        .policy
                        .rules
                        .get(index)
                        .map(|rule| rule.id.as_str()),
                    reason: None,
                },
                Candidate::Canary => Reported::Canary,
                Candidate::NoRule => Reported::Dismissed,
                Candidate::Unresolved => Reported::Unresolved,
            };
        }
        match self
            .writer
            .enforcer
            .names
            .find(event.generation, reference.index())
        {
            Decider::Rule(id) => Reported::Denial {
                rule: Some(id),
                reason: None,
            },
            Decider::Canary => Reported::Canary,
            Decider::Unknown => Reported::Denial {
                rule: None,
                reason: None,
            },
        }
    }

    fn report_losses(&mut self) -> Result<(), DaemonError> {
        let Some(running) = &self.writer.enforcer.running else {
            return Ok(());
        };
        let counters = running.enforcer.counters.read()?;
        if counters.lost() > self.counters.lost() {
            record::write(&Record::Loss { counters })?;
        }
        self.counters = counters;
        Ok(())
    }

    /// The policy that is offered at a start, or, whether one is stored or not, at
    /// a reload.
    fn offered(&self, settings: &Settings, anyway: bool) -> Result<Option<Apply>, Refusal> {
        match &settings.policy {
            Some(file) => cli::offer(file, None).map(Some),
            None if self.writer.has_policy() && !anyway => Ok(None),
            None => cli::offer(Path::new(paths::POLICY), None).map(Some),
        }
    }

    fn reload(&mut self, settings: &Settings) -> io::Result<()> {
        let offered = self.offered(settings, true);
        let taken = offered.and_then(|offered| self.writer.start(cli::now(), offered.as_ref()));
        self.announce_switch(taken.err().map(|refusal| refusal.reason))
    }

    fn answer(&mut self, question: Question) -> io::Result<()> {
        let switches = match &question.request {
            Request::Apply(apply) => !apply.dry_run,
            Request::Rollback { .. } => true,
            _ => false,
        };
        let asked = Asked {
            by: question.by,
            ..cli::now()
        };
        let answer = match question.request {
            Request::Health => Response::Health(Box::new(self.health())),
            request => self.writer.answer(asked, request),
        };
        if switches {
            self.announce_switch(match &answer {
                Response::Refused(refusal) => Some(refusal.reason.clone()),
                _ => None,
            })?;
        }
        // Whoever asked may be gone.
        let _ = question.answer.send(answer);
        Ok(())
    }

    fn take_back_in_time(&mut self) -> io::Result<()> {
        let mut asked = cli::now();
        let confirm_by = self.writer.confirm_by();
        asked.at = self
            .deadline
            .time(confirm_by, asked.at, std::time::Instant::now());
        match self.writer.tick(asked) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => self.announce_switch(None),
            Err(refusal) => self.announce_switch(Some(refusal.reason)),
        }
    }

    /// Try the canary, and say what is not as it should be.
    fn test(&mut self) -> io::Result<()> {
        let Some(running) = &self.writer.enforcer.running else {
            return Ok(());
        };
        let Err(degraded) = running.enforcer.test(&running.in_force) else {
            return self.recover();
        };
        eprintln!(
            "aegisbpf: DEGRADED: the policy may not be in force: {}",
            degraded.reason
        );
        record::write(&Record::Degraded {
            operation: degraded.operation.map(Operation::name),
            domain: degraded.operation.map(|tried| tried.domain().name()),
            reason: &degraded.reason,
            detached: &degraded.detached,
        })?;
        self.degraded = Some(degraded);
        Ok(())
    }

    /// What the canary showed just now.
    fn recover(&mut self) -> io::Result<()> {
        match (self.degraded.take(), &self.writer.enforcer.running) {
            (Some(_), Some(running)) => {
                eprintln!("aegisbpf: recovered: the canary is denied again");
                let generation = running.in_force.active.generation();
                record::write(&Record::Recovered { generation })
            }
            _ => Ok(()),
        }
    }

    fn health(&self) -> DaemonHealth {
        let running = self.writer.enforcer.running.as_ref();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        DaemonHealth {
            canary_every_ms: self.canary_every.map(milliseconds),
            degraded: self.degraded.as_ref().map(|found| found.reason.clone()),
            held: running.map_or_else(Held::default, |running| running.in_force.held.clone()),
        }
    }

    fn announce_switch(&mut self, reason: Option<String>) -> io::Result<()> {
        let Some(running) = &self.writer.enforcer.running else {
            return Ok(());
        };
        let applied = reason.is_none();
        if let Some(reason) = &reason {
            eprintln!("aegisbpf: the policy was refused, the old one goes on: {reason}");
        }
        record::write(&Record::Policy {
            result: if applied { "applied" } else { "refused" },
            policy_digest: hex::encode(&running.in_force.meta.digest),
            generation: running.in_force.active.generation(),
            held: running.in_force.held.count(),
            reason,
        })?;
        if applied { self.recover() } else { Ok(()) }
    }
}

/// The path of an event of the fallback, without the bytes behind it.
fn text(event: &Event) -> &[u8] {
    let end = event.text.iter().position(|byte| *byte == 0);
    &event.text[..end.unwrap_or(event.text.len())]
}
