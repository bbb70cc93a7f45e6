//! A scenario as a program for the guest, with its teeth.
//!
//! ```text
//! setup → control → steps → negative → release
//! ```
//!
//! *control*: every probe that must be refused is allowed without the agent.
//! *negative*: it is allowed again with the agent running but the rules gone.
//! *release*: the agent is stopped and detached, and the kernel holds no BPF
//! link any more. Cells whose scenario denies nothing have neither control nor
//! negative; cells that never start the agent have no release.
//!
//! What an agent cannot be held against is left out, and listed in the
//! program; see [`lacking`] for what makes the whole cell not expressible.

mod expressible;
mod fault;
mod making;
mod storm;
mod teeth;
mod without_agent;

use harness_proto::{Action, Exit};
use scenarios::{
    Expect, Mode, Scenario, Setup, StartExpect, Step,
    schema::{Degraded, Errno, LinksExpect, Lost, PauseSignal, ReloadExpect, Ring, SignalName},
};
use serde_json::Value;
use thiserror::Error;

pub use expressible::lacking;
use making::making;
use teeth::Tooth;
pub use without_agent::expand_idle;

use crate::{
    ability::Ability,
    adapter::{Adapter, PolicyFile, Role, Rules},
    expectation::{Blame, Expectation, LeftOut, Phase, PlannedAction, Program},
    outcome::FailCode,
};

// Generous, because two machines on a busy host slow each other; nothing waits
// for them to pass unless something is wrong.
const READY_MS: u64 = 30_000;
const EVENT_MS: u64 = 10_000;
const EXIT_MS: u64 = 10_000;
const COMMAND_MS: u64 = 20_000;
const STOP_MS: u64 = 10_000;

const SIGCONT: i32 = 18;

/// A scenario that cannot be a program.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("scenario {scenario}, step {}: {problem}", step + 1)]
pub struct ExpandError {
    /// Its id.
    pub scenario: String,
    /// Index of the step.
    pub step: usize,
    /// What is wrong.
    pub problem: &'static str,
}

/// Expand a scenario for an agent.
pub fn expand(scenario: &Scenario, adapter: &dyn Adapter) -> Result<Program, ExpandError> {
    if adapter.role() != Role::Judged {
        return Ok(expand_idle(scenario, adapter));
    }
    let mut expansion = Expansion::new(scenario, adapter);
    for setup in &scenario.setup {
        expansion.make(setup);
    }
    let teeth = teeth::of(scenario);
    expansion.teeth(&teeth, Phase::Control);
    expansion.phase = Phase::Steps;
    for (index, step) in scenario.steps.iter().enumerate() {
        expansion.source = Some(index);
        expansion.step(step).map_err(|problem| ExpandError {
            scenario: scenario.id.clone(),
            step: index,
            problem,
        })?;
    }
    expansion.source = None;
    expansion.lift_all();
    if !teeth.is_empty() {
        expansion.phase = Phase::Negative;
        expansion.remove_rules();
        expansion.teeth(&teeth, Phase::Negative);
    }
    expansion.release();
    Ok(Program {
        actions: expansion.actions,
        left_out: expansion.left_out,
        idle: false,
    })
}

/// What is known of the agent at some point of the program.
struct Expansion<'a> {
    scenario: &'a Scenario,
    adapter: &'a dyn Adapter,
    actions: Vec<PlannedAction>,
    left_out: Vec<LeftOut>,
    phase: Phase,
    source: Option<usize>,
    /// How many processes of the agent there were: each has its own name, so
    /// that their outputs can be told apart.
    started: usize,
    /// The names of those that got ready.
    processes: Vec<String>,
    /// The name of the one that runs.
    running: Option<String>,
    /// The name of the one that was ended last.
    ended: Option<String>,
    /// It was ready at some time and has not been detached since.
    attached: bool,
    /// Faults that are in place, by name, in order.
    faults: Vec<String>,
    /// How it was started.
    last_start: (Mode, Vec<Degraded>),
}

impl<'a> Expansion<'a> {
    fn new(scenario: &'a Scenario, adapter: &'a dyn Adapter) -> Self {
        Self {
            scenario,
            adapter,
            actions: Vec::new(),
            left_out: Vec::new(),
            phase: Phase::Setup,
            source: None,
            started: 0,
            processes: Vec::new(),
            running: None,
            ended: None,
            attached: false,
            faults: Vec::new(),
            last_start: (Mode::Enforce, Vec::new()),
        }
    }

    fn push(&mut self, action: Action, expectation: Expectation) {
        self.actions.push(PlannedAction {
            action,
            expectation,
            phase: self.phase,
            step: self.source,
        });
    }

    fn make(&mut self, setup: &Setup) {
        let (action, expectation) = making(setup);
        self.push(action, expectation);
    }

    fn teeth(&mut self, teeth: &[Tooth<'_>], phase: Phase) {
        self.phase = phase;
        for tooth in teeth {
            self.source = Some(tooth.step);
            for (action, expectation) in tooth.actions(phase == Phase::Control) {
                self.push(action, expectation);
            }
        }
        self.source = None;
    }

    fn step(&mut self, step: &Step) -> Result<(), &'static str> {
        match step {
            Step::Start {
                mode,
                degrade,
                without,
                raw_policy,
                canary_every,
                expect,
            } => {
                let every = canary_every.as_deref();
                let policy = self.policy(without, raw_policy.as_deref());
                self.start((*mode, degrade), every, &policy, expect)?;
            }
            Step::Reload {
                without,
                raw_policy,
                expect,
            } => self.reload(&self.policy(without, raw_policy.as_deref()), *expect)?,
            Step::Apply {
                without,
                raw_policy,
                confirm_within,
                dry_run,
                exit,
                says,
                matches,
            } => {
                self.write_policy(&self.policy(without, raw_policy.as_deref()));
                let argv = self.adapter.apply(*dry_run, confirm_within.as_deref());
                let prints = (*exit == 0).then(|| matches.clone());
                let argv = argv.ok_or("applies, which this agent has no command for")?;
                self.run(argv, *exit, prints, says);
            }
            Step::Probe {
                probe,
                run_as,
                expect,
                ..
            } => self.push(
                Action::Probe(teeth::task(probe, run_as)),
                self.denied_by_agent(expect),
            ),
            Step::Storm { storm } => self.storm(storm)?,
            Step::Hold { .. } => {
                if let Some(hold) = teeth::hold(step) {
                    self.push(hold, Expectation::Verdict(Expect::Allowed));
                }
            }
            Step::Make { make } => self.make(make),
            Step::Kill { signal } => self.kill(*signal)?,
            Step::Signal { signal } => self.signal(*signal)?,
            Step::Suspend { for_ms } => self.push(
                Action::Suspend { for_ms: *for_ms },
                Expectation::Done(Blame::Harness),
            ),
            Step::Fault { name, fault } => self.fault(name.as_deref(), fault)?,
            Step::Lift { fault } => self.lift(fault)?,
            Step::Ends { exit, says } => self.ends(*exit, says)?,
            Step::Accounting {
                ring,
                attempts,
                lost,
            } => self.account(*ring, *attempts, *lost)?,
            Step::Detach { exit, says } => self.detach(*exit, says),
            Step::Event {
                matches,
                count,
                exactly,
            } => {
                let at_most = exactly.then_some(*count);
                self.events(matches, *count, at_most)?;
            }
            Step::NoEvent { matches } => self.events(matches, 0, Some(0))?,
            Step::Health { .. } | Step::Unchanged { .. } if !self.adapter.can(Ability::Health) => {
                self.leave_out(Ability::Health, Vec::new());
            }
            Step::Health { exit, matches } => {
                self.run(self.adapter.health(), *exit, Some(matches.clone()), "");
            }
            Step::Unchanged { fields } => self.push(
                Action::Run {
                    argv: self.adapter.health(),
                    deadline_ms: COMMAND_MS,
                },
                Expectation::Unchanged(fields.clone()),
            ),
            Step::Links { expect } => {
                self.push(Action::ListBpfLinks, Expectation::Links(expect.clone()));
            }
        }
        Ok(())
    }

    /// What an agent denies has the errno of its own.
    fn denied_by_agent(&self, expect: &Expect) -> Expectation {
        match (expect, self.adapter.errnos()) {
            (Expect::Denied(Errno::EPERM), [errno]) => Expectation::Verdict(Expect::Denied(*errno)),
            (Expect::Denied(Errno::EPERM), errnos) => Expectation::DeniedWith(errnos.to_vec()),
            (other, _) => Expectation::Verdict(other.clone()),
        }
    }

    fn leave_out(&mut self, lacks: Ability, fields: Vec<String>) {
        self.left_out.push(LeftOut {
            step: self.source.unwrap_or_default(),
            lacks,
            fields,
        });
    }

    fn run(&mut self, argv: Vec<String>, exit: i32, prints: Option<Value>, says: &str) {
        self.push(
            Action::Run {
                argv,
                deadline_ms: COMMAND_MS,
            },
            Expectation::Ran {
                exit,
                prints,
                says: says.into(),
                otherwise: FailCode::StateMismatch,
            },
        );
    }

    fn policy(&self, without: &[String], raw: Option<&str>) -> PolicyFile {
        if let Some(raw) = raw {
            return PolicyFile {
                content: raw.into(),
                blanks: Vec::new(),
            };
        }
        let rules = self.scenario.rules.iter();
        self.adapter.policy(&Rules {
            rules: rules.filter(|rule| !without.contains(&rule.id)).collect(),
            never_deny: &self.scenario.never_deny,
        })
    }

    fn write_policy(&mut self, policy: &PolicyFile) {
        let action = Action::WriteFile {
            path: self.adapter.policy_path().into(),
            content: policy.content.clone(),
            mode: 0o600,
            blanks: policy.blanks.clone(),
        };
        self.push(action, Expectation::Done(Blame::Harness));
    }

    fn start(
        &mut self,
        (mode, degrade): (Mode, &[Degraded]),
        canary_every: Option<&str>,
        policy: &PolicyFile,
        expect: &StartExpect,
    ) -> Result<(), &'static str> {
        self.write_policy(policy);
        self.started += 1;
        let name = format!("agent-{}", self.started);
        let expectation = match expect {
            StartExpect::Ready => {
                if self.running.is_some() {
                    return Err("starts the agent while it is running and expects it to get ready");
                }
                self.running = Some(name.clone());
                self.processes.push(name.clone());
                self.attached = true;
                self.last_start = (mode, degrade.to_vec());
                Expectation::Ready {
                    verifier_exit: self.adapter.verifier_exit(),
                }
            }
            StartExpect::Refused { exit, says } => Expectation::Refused {
                exit: *exit,
                says: says.clone(),
            },
        };
        let mut argv = self.adapter.start(mode, degrade);
        argv.extend(self.adapter.canary_every(canary_every));
        let action = Action::Spawn {
            name,
            argv,
            ready: self.adapter.ready(),
            deadline_ms: READY_MS,
        };
        self.push(action, expectation);
        Ok(())
    }

    fn reload(&mut self, policy: &PolicyFile, expect: ReloadExpect) -> Result<(), &'static str> {
        let name = self.running.clone().ok_or("reloads, but no agent runs")?;
        let reload = self.adapter.reload();
        self.push(
            Action::Mark { name: name.clone() },
            Expectation::Done(Blame::Agent),
        );
        self.write_policy(policy);
        self.push(
            Action::Signal {
                name: name.clone(),
                signal: reload.signal,
            },
            Expectation::Done(Blame::Agent),
        );
        self.push(
            Action::AwaitLines {
                name,
                matches: reload.answer,
                count: 1,
                since_mark: true,
                deadline_ms: EVENT_MS,
            },
            Expectation::Answer(match expect {
                ReloadExpect::Applied => reload.applied,
                ReloadExpect::Refused => reload.refused,
            }),
        );
        Ok(())
    }

    fn kill(&mut self, signal: SignalName) -> Result<(), &'static str> {
        let name = self.running.take().ok_or("kills, but no agent runs")?;
        let exit = match signal {
            SignalName::SIGKILL => Exit::Signal(signal.number()),
            SignalName::SIGTERM => self.adapter.terminated(),
        };
        self.ended = Some(name.clone());
        self.push(
            Action::Signal {
                name: name.clone(),
                signal: signal.number(),
            },
            Expectation::Done(Blame::Agent),
        );
        self.push(
            Action::AwaitExit {
                name,
                deadline_ms: EXIT_MS,
            },
            Expectation::Ended { exit, says: None },
        );
        Ok(())
    }

    fn signal(&mut self, signal: PauseSignal) -> Result<(), &'static str> {
        let name = self.running.clone().ok_or("signals, but no agent runs")?;
        let action = match signal {
            PauseSignal::SIGSTOP => Action::Stop {
                name,
                deadline_ms: STOP_MS,
            },
            PauseSignal::SIGCONT => Action::Signal {
                name,
                signal: SIGCONT,
            },
        };
        self.push(action, Expectation::Done(Blame::Agent));
        Ok(())
    }

    fn account(&mut self, ring: Ring, attempts: u64, lost: Lost) -> Result<(), &'static str> {
        if self.ended.is_none() || self.running.is_some() {
            return Err("asks for the account of an agent, but none was ended");
        }
        let ledger = self
            .adapter
            .ledger(ring)
            .ok_or("asks for an account, which this agent does not give")?;
        self.push(
            Action::Tally {
                names: self.processes.clone(),
                matches: ledger.records.clone(),
                number: ledger.number.clone(),
                summary: ledger.summary.clone(),
                deadline_ms: EXIT_MS,
            },
            Expectation::Account {
                ledger,
                processes: self.processes.len(),
                attempts,
                lost,
            },
        );
        Ok(())
    }

    fn detach(&mut self, exit: i32, says: &str) {
        if exit == 0 {
            self.attached = false;
        }
        self.push(
            Action::Run {
                argv: self.adapter.detach(),
                deadline_ms: COMMAND_MS,
            },
            Expectation::Ran {
                exit,
                prints: None,
                says: says.into(),
                otherwise: FailCode::AgentExit,
            },
        );
    }

    fn events(
        &mut self,
        matches: &Value,
        at_least: u64,
        at_most: Option<u64>,
    ) -> Result<(), &'static str> {
        let name = self
            .running
            .clone()
            .ok_or("asks for events, but no agent runs")?;
        let Some((matches, untold)) = self.adapter.tells(matches) else {
            self.leave_out(Ability::Events, Vec::new());
            return Ok(());
        };
        // What is wider cannot be bounded by what was said of the narrower.
        let at_most = at_most.filter(|_| untold.is_empty());
        if !untold.is_empty() {
            self.leave_out(Ability::Events, untold);
        }
        if at_least == 0 && at_most.is_none() {
            return Ok(());
        }
        self.push(
            Action::AwaitLines {
                name,
                matches,
                count: at_least,
                since_mark: false,
                deadline_ms: EVENT_MS,
            },
            Expectation::Events { at_least, at_most },
        );
        Ok(())
    }

    /// Put a policy without rules in force, the cheaper way there is.
    fn remove_rules(&mut self) {
        let empty = self.adapter.policy(&Rules::default());
        let put = if self.running.is_some() {
            self.reload(&empty, ReloadExpect::Applied)
        } else {
            let (mode, degrade) = self.last_start.clone();
            self.start((mode, &degrade), None, &empty, &StartExpect::Ready)
        };
        debug_assert_eq!(put, Ok(()), "both are possible in these states");
    }

    fn release(&mut self) {
        if self.started == 0 {
            return;
        }
        self.phase = Phase::Release;
        if self.running.is_some() {
            let stopped = self.kill(SignalName::SIGTERM);
            debug_assert_eq!(stopped, Ok(()), "it runs");
        }
        if self.attached {
            self.detach(0, "");
        }
        self.push(Action::ListBpfLinks, Expectation::Links(LinksExpect::None));
    }
}

/// The longest that the guest may take for an action by its own deadline.
pub(crate) fn deadline_ms(action: &Action) -> u64 {
    match action {
        Action::Storm(storm) => storm.deadline_ms,
        Action::Suspend { for_ms } => *for_ms,
        Action::Probe(task) => task.probe.patience_ms(),
        Action::Soak(soak) => soak.duration_ms + 2 * soak.patience_ms,
        Action::Batch(batch) => batch.deadline_ms,
        Action::MountDisk { deadline_ms, .. }
        | Action::Spawn { deadline_ms, .. }
        | Action::Stop { deadline_ms, .. }
        | Action::AwaitExit { deadline_ms, .. }
        | Action::Inject { deadline_ms, .. }
        | Action::Tally { deadline_ms, .. }
        | Action::AwaitLines { deadline_ms, .. }
        | Action::Run { deadline_ms, .. } => *deadline_ms,
        Action::Mkdir { .. }
        | Action::WriteFile { .. }
        | Action::Copy { .. }
        | Action::MountMemory { .. }
        | Action::MakeWorld(_)
        | Action::EndWorld { .. }
        | Action::Listen { .. }
        | Action::RemoveFiles { .. }
        | Action::MakeFiles { .. }
        | Action::Hold { .. }
        | Action::Mark { .. }
        | Action::Signal { .. }
        | Action::Lift { .. }
        | Action::ListBpfLinks => 0,
    }
}

#[cfg(test)]
mod tests;
