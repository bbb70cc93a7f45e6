//! Whether one action came to what it had to.

use std::collections::BTreeMap;

use harness_proto::{
    Action, BpfLink, Exit, LogStream, Observation, Verdict, action::matches_subset,
};
use scenarios::{
    Expect,
    schema::{Errno, LinksExpect},
};
use serde_json::Value;

use super::{account::check_account, storm::check_storm};
use crate::{
    expectation::{Blame, Expectation, Phase, PlannedAction},
    outcome::{FailCode, InfraCode, Outcome},
    session::{End, Transcript},
    soak::account,
};

/// What earlier actions showed and later ones are held against.
pub(super) struct Memory<'a> {
    transcript: &'a Transcript,
    links: BTreeMap<&'a str, &'a [BpfLink]>,
    /// What each command printed last.
    printed: BTreeMap<&'a [String], Value>,
}

type Checked = Result<(), Outcome>;

const SIGKILL: i32 = 9;

fn fail(code: FailCode, reason: impl Into<String>) -> Checked {
    Err(Outcome::failed(code, reason))
}

impl<'a> Memory<'a> {
    pub(super) fn new(transcript: &'a Transcript) -> Self {
        Self {
            transcript,
            links: BTreeMap::new(),
            printed: BTreeMap::new(),
        }
    }

    pub(super) fn check(&mut self, planned: &'a PlannedAction, seen: &'a Observation) -> Checked {
        use Expectation as E;
        use Observation as O;
        match (&planned.expectation, seen) {
            (expectation, O::Broken { message }) => Err(broken(expectation, message)),
            (E::Done(_), O::Done) => Ok(()),
            (E::Verdict(expect), O::Probed(verdict)) => check_verdict(planned, expect, verdict),
            (E::DeniedWith(errnos), O::Probed(verdict)) => check_denied(planned, errnos, verdict),
            (E::Ready { verifier_exit }, O::Spawned { ready, exit }) => {
                check_ready(ready.as_ref(), *exit, *verifier_exit)
            }
            (E::Refused { exit, says }, O::Spawned { ready, exit: found }) => {
                let refused = check_refused(ready.as_ref(), *found, *exit);
                refused.and_then(|()| self.check_said(&planned.action, says))
            }
            (E::Ended { exit, says }, O::Exited(found)) => {
                check_ended(*found, *exit)?;
                let says = says.as_deref().unwrap_or_default();
                self.check_said(&planned.action, says)
            }
            (E::Events { at_least, at_most }, O::Lines { count, last }) => {
                check_events(&planned.action, *at_least, *at_most, *count, last.as_ref())
            }
            (E::Answer(expected), O::Lines { last, .. }) => match last {
                Some(last) if matches_subset(last, expected) => Ok(()),
                Some(last) => fail(
                    FailCode::Reload,
                    format!("the agent answered {last}, expected {expected} in it"),
                ),
                None => fail(FailCode::Reload, "the agent did not answer in time"),
            },
            (
                E::Ran {
                    exit,
                    prints,
                    says,
                    otherwise,
                },
                O::Ran {
                    exit: found,
                    stdout,
                    stderr,
                },
            ) => {
                self.remember(&planned.action, stdout);
                check_ran(
                    (*exit, prints.as_ref(), says, *otherwise),
                    (*found, stdout, stderr),
                )
            }
            (E::Unchanged(fields), O::Ran { stdout, .. }) => {
                self.check_unchanged(&planned.action, fields, stdout)
            }
            (
                E::Account {
                    ledger,
                    processes,
                    attempts,
                    lost,
                },
                O::Tally {
                    count,
                    gaps,
                    summary,
                },
            ) => check_account(
                ledger,
                (*processes, *attempts, *lost),
                (*count, *gaps, summary.as_ref()),
            )
            .map_err(|problem| Outcome::failed(FailCode::Accounting, problem)),
            (
                E::Storm {
                    errno,
                    rounds,
                    generations,
                },
                O::Stormed(seen),
            ) => check_storm(seen, *errno, *rounds, *generations),
            (
                E::Soak {
                    denied,
                    before,
                    ledger,
                },
                O::Soaked(seen),
            ) => account::check(ledger, denied, *before, seen),
            (E::Batched { attempts }, O::Batched(seen)) if seen.codes.len() == *attempts => Ok(()),
            (E::Links(expect), O::BpfLinks(links)) => self.check_links(expect, links),
            (_, other) => Err(Outcome::infra(
                InfraCode::Harness,
                format!("the guest answered with another kind of observation: {other:?}"),
            )),
        }
    }

    /// Output arrives after the last record: without the end of the cell it
    /// cannot be missed.
    fn check_said(&self, action: &Action, says: &str) -> Checked {
        let (Action::Spawn { name, .. } | Action::AwaitExit { name, .. }) = action else {
            return Ok(());
        };
        if !matches!(self.transcript.end, End::Final { .. }) {
            return Ok(());
        }
        let key = (name.clone(), LogStream::Stderr);
        let said = self.transcript.logs.get(&key).map_or("", String::as_str);
        if said.contains(says) {
            return Ok(());
        }
        fail(
            FailCode::AgentExit,
            format!("the agent ended without saying \"{says}\" on standard error"),
        )
    }

    fn remember(&mut self, action: &'a Action, stdout: &str) {
        if let Action::Run { argv, .. } = action
            && let Ok(printed) = serde_json::from_str(stdout)
        {
            self.printed.insert(argv, printed);
        }
    }

    fn check_unchanged(&self, action: &Action, fields: &[String], stdout: &str) -> Checked {
        let before = match action {
            Action::Run { argv, .. } => self.printed.get(argv.as_slice()),
            _ => None,
        };
        let Some(before) = before else {
            let problem = "the scenario compares with what no step before asked for";
            return Err(Outcome::infra(InfraCode::Harness, problem));
        };
        let now: Value = serde_json::from_str(stdout).unwrap_or_default();
        for field in fields {
            let (before, now) = (before.get(field), now.get(field));
            if before.is_none() || before != now {
                let shown = |value: Option<&Value>| value.map_or("absent".into(), Value::to_string);
                return fail(
                    FailCode::StateMismatch,
                    format!(
                        "`{field}` was {} and is {}, expected no change",
                        shown(before),
                        shown(now)
                    ),
                );
            }
        }
        Ok(())
    }

    fn check_links(&mut self, expect: &'a LinksExpect, links: &'a [BpfLink]) -> Checked {
        match expect {
            LinksExpect::None if links.is_empty() => Ok(()),
            LinksExpect::None => fail(
                FailCode::LeftoverLinks,
                format!("the kernel holds {} BPF links, expected none", links.len()),
            ),
            LinksExpect::Remember(_) if links.is_empty() => fail(
                FailCode::StateMismatch,
                "the kernel holds no BPF link, expected some",
            ),
            LinksExpect::Remember(name) => {
                self.links.insert(name, links);
                Ok(())
            }
            LinksExpect::SameAs(name) => match self.links.get(name.as_str()) {
                Some(remembered) if *remembered == links => Ok(()),
                Some(remembered) => fail(
                    FailCode::Adoption,
                    format!(
                        "the BPF links (link:program) are {}, expected the same as \"{name}\": {}",
                        listed(links),
                        listed(remembered)
                    ),
                ),
                None => Err(Outcome::infra(
                    InfraCode::Harness,
                    format!("the scenario compares with links \"{name}\", which no step remembers"),
                )),
            },
        }
    }
}

fn broken(expectation: &Expectation, message: &str) -> Outcome {
    let reason = format!("the guest could not do it: {message}");
    match expectation {
        Expectation::Done(Blame::Agent)
        | Expectation::Ended { .. }
        | Expectation::Ready { .. }
        | Expectation::Refused { .. }
        | Expectation::Events { .. }
        | Expectation::Answer(_)
        | Expectation::Account { .. }
        | Expectation::Soak { .. }
        | Expectation::Unchanged(_)
        | Expectation::Ran { .. } => Outcome::failed(FailCode::AgentExit, reason),
        Expectation::Verdict(_)
        | Expectation::DeniedWith(_)
        | Expectation::Storm { .. }
        | Expectation::Batched { .. } => Outcome::failed(FailCode::ProbeBroken, reason),
        Expectation::Done(Blame::Harness) | Expectation::Links(_) => {
            Outcome::infra(InfraCode::Harness, reason)
        }
    }
}

fn check_verdict(planned: &PlannedAction, expect: &Expect, verdict: &Verdict) -> Checked {
    let met = match (verdict, expect) {
        (Verdict::Allowed, Expect::Allowed) => true,
        (Verdict::Killed { signal }, Expect::Killed) => *signal == SIGKILL,
        (Verdict::Denied { errno }, Expect::Denied(expected)) => *errno == expected.number(),
        _ => false,
    };
    if met {
        return Ok(());
    }
    if planned.phase == Phase::Setup {
        return Err(Outcome::infra(
            InfraCode::Harness,
            format!("the setup {:?} came to {verdict:?}", planned.action),
        ));
    }
    let code = match (planned.phase, verdict, expect) {
        (_, Verdict::Broken { .. }, _) => FailCode::ProbeBroken,
        (Phase::Control, ..) => FailCode::ControlFailed,
        (Phase::Negative, ..) => FailCode::NegativeFailed,
        (_, Verdict::Allowed, _) => FailCode::NotDenied,
        (_, _, Expect::Denied(_) | Expect::Killed) => FailCode::WrongErrno,
        (_, _, Expect::Allowed) => FailCode::UnexpectedDeny,
    };
    let expected = match expect {
        Expect::Allowed => "allowed".into(),
        Expect::Killed => "killed".into(),
        Expect::Denied(errno) => format!("denied with {errno:?} ({})", errno.number()),
    };
    let found = match verdict {
        Verdict::Allowed => "allowed".into(),
        Verdict::Denied { errno } => format!("denied with errno {errno}"),
        Verdict::Killed { signal } => format!("killed by signal {signal}"),
        Verdict::Broken { message } => format!("broken: {message}"),
    };
    let probe = serde_json::to_string(&planned.action).unwrap_or_default();
    fail(code, format!("{probe} was {found}, expected {expected}"))
}

/// Where any of several errnos will do, what is said of another is said of the
/// first.
fn check_denied(planned: &PlannedAction, errnos: &[Errno], verdict: &Verdict) -> Checked {
    let found = errnos.iter().find(
        |errno| matches!(verdict, Verdict::Denied { errno: found } if *found == errno.number()),
    );
    match found.or(errnos.first()) {
        Some(errno) => check_verdict(planned, &Expect::Denied(*errno), verdict),
        None => Err(Outcome::infra(
            InfraCode::Harness,
            "the adapter names no errno that a denial has",
        )),
    }
}

fn check_ready(ready: Option<&Value>, exit: Option<Exit>, verifier: Option<i32>) -> Checked {
    match (ready, exit) {
        (Some(_), _) => Ok(()),
        (None, Some(Exit::Status(status))) if Some(status) == verifier => fail(
            FailCode::Verifier,
            "the kernel's verifier refused a program of the agent",
        ),
        (None, Some(exit)) => fail(
            FailCode::AgentExit,
            format!("the agent {} before it was ready", ended(exit)),
        ),
        (None, None) => fail(
            FailCode::AgentNotReady,
            "the agent did not get ready in time",
        ),
    }
}

fn check_refused(ready: Option<&Value>, found: Option<Exit>, expected: i32) -> Checked {
    match (ready, found) {
        (Some(line), _) => fail(
            FailCode::StateMismatch,
            format!("the agent got ready, expected that it refuses: {line}"),
        ),
        (None, Some(Exit::Status(status))) if status == expected => Ok(()),
        (None, Some(exit)) => fail(
            FailCode::AgentExit,
            format!("the agent {}, expected exit status {expected}", ended(exit)),
        ),
        (None, None) => fail(
            FailCode::AgentNotReady,
            "the agent neither got ready nor refused in time",
        ),
    }
}

fn check_ended(found: Option<Exit>, expected: Exit) -> Checked {
    match found {
        Some(found) if found == expected => Ok(()),
        Some(found) => fail(
            FailCode::AgentExit,
            format!(
                "the agent {}, expected that it {}",
                ended(found),
                ended(expected)
            ),
        ),
        None => fail(FailCode::Timeout, "the agent did not end in time"),
    }
}

fn check_events(
    action: &Action,
    at_least: u64,
    at_most: Option<u64>,
    count: u64,
    last: Option<&Value>,
) -> Checked {
    let wanted = match action {
        Action::AwaitLines { matches, .. } => matches.to_string(),
        other => format!("{other:?}"),
    };
    if count < at_least {
        return fail(
            FailCode::EventMissing,
            format!("{count} events match {wanted}, expected at least {at_least}"),
        );
    }
    match at_most {
        Some(at_most) if count > at_most => fail(
            FailCode::EventUnexpected,
            format!(
                "{count} events match {wanted}, expected at most {at_most}; the last: {}",
                last.map(ToString::to_string).unwrap_or_default()
            ),
        ),
        _ => Ok(()),
    }
}

fn check_ran(
    (exit, prints, says, otherwise): (i32, Option<&Value>, &str, FailCode),
    (found, stdout, stderr): (Option<Exit>, &str, &str),
) -> Checked {
    let said = stderr.trim().lines().next_back().unwrap_or("nothing");
    match found {
        Some(Exit::Status(status)) if status == exit => {}
        Some(found) => {
            return fail(
                otherwise,
                format!(
                    "the command {}, expected exit status {exit}; it said: {said}",
                    ended(found)
                ),
            );
        }
        None => return fail(FailCode::Timeout, "the command did not end in time"),
    }
    if !stderr.contains(says) {
        let expected = format!("the command said: {said}; expected \"{says}\" in it");
        return fail(otherwise, expected);
    }
    let Some(expected) = prints else {
        return Ok(());
    };
    match serde_json::from_str::<Value>(stdout) {
        Ok(printed) if matches_subset(&printed, expected) => Ok(()),
        Ok(printed) => fail(
            otherwise,
            format!("the command printed {printed}, expected {expected} in it"),
        ),
        Err(error) => fail(
            otherwise,
            format!("the command printed no JSON ({error}): {}", stdout.trim()),
        ),
    }
}

fn ended(exit: Exit) -> String {
    match exit {
        Exit::Status(status) => format!("exited with status {status}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
    }
}

fn listed(links: &[BpfLink]) -> String {
    let pairs: Vec<String> = links
        .iter()
        .map(|link| format!("{}:{}", link.id, link.program_id))
        .collect();
    format!("[{}]", pairs.join(", "))
}
