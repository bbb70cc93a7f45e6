//! What the guest does in a soak.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use harness_proto::{
    Access, Action, PROBE_PATH, Probe, RunAs, Task, Transport,
    probe::{ExecWay, OpenWay, SocketWay},
    soak::{Load, Soak, Swap},
};
use scenarios::{
    Expect, Mode, Rule, Target,
    rule::{self, FileObject, Held, NetworkTarget, Programs},
    schema::{Errno, LinksExpect, Ring},
};
use serde_json::json;

use crate::{
    adapter::{Adapter, Rules},
    expectation::{Blame, Expectation, Phase, PlannedAction, Program},
    outcome::FailCode,
};

const AGENT: &str = "agent";
const DEADLINE_MS: u64 = 60_000;
/// A hundred and twenty looks at least, however short it is.
const LOOKS: u64 = 120;
/// More often says nothing more, and costs more.
const LEAST_SAMPLE_MS: u64 = 1_000;
/// It is given another policy at every so manieth look.
const SWAP_EVERY: u32 = 4;
const ROUND_MS: u64 = 50;
const CANARY_EVERY: &str = "5s";
const SIGTERM: i32 = 15;

const PEER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const DENIED_PORT: u16 = 4444;
const ALLOWED_PORT: u16 = 4445;

/// The program, and where in it the soak is.
#[derive(Debug, Clone, PartialEq)]
pub struct SoakProgram {
    /// For the guest and the judge.
    pub program: Program,
    /// The soak itself.
    pub soak: usize,
    /// What the load does, and whether each is denied.
    pub load: Vec<(Probe, bool)>,
}

/// What the load does, and whether it must be denied.
fn load() -> Vec<(Probe, bool)> {
    vec![
        (open("/srv/secret"), true),
        (open("/srv/open"), false),
        (execute("/srv/tool"), true),
        (execute("/srv/fine"), false),
        (connect(DENIED_PORT), true),
        (connect(ALLOWED_PORT), false),
    ]
}

/// Build the program; `None` for an agent that does not account for its events.
pub fn program(adapter: &dyn Adapter, duration: Duration) -> Option<SoakProgram> {
    let ledger = adapter.ledger(Ring::Denials)?;
    let load = load();
    let mut builder = Builder {
        adapter,
        actions: Vec::new(),
        phase: Phase::Setup,
    };
    builder.make();
    builder.phase = Phase::Control;
    builder.probes(&load, |_| Expect::Allowed);

    builder.phase = Phase::Steps;
    let policies = [&rules()[..3], &rules()].map(|rules| builder.policy(rules));
    builder.write(adapter.policy_path(), policies[0].clone());
    builder.start();
    builder.probes(&load, |denied| {
        if denied {
            Expect::Denied(Errno::EPERM)
        } else {
            Expect::Allowed
        }
    });
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let reload = adapter.reload();
    let soak = Soak {
        agent: AGENT.into(),
        load: Load {
            probes: load.iter().map(|(probe, _)| probe.clone()).collect(),
            round_ms: ROUND_MS,
        },
        duration_ms,
        sample_ms: (duration_ms / LOOKS).max(LEAST_SAMPLE_MS),
        swap_every: SWAP_EVERY,
        swap: Swap {
            policy_path: adapter.policy_path().into(),
            // Never the one that it has.
            policies: policies.into_iter().rev().collect(),
            signal: reload.signal,
            answer: reload.answer,
            applied: reload.applied,
        },
        records: ledger.records.clone(),
        number: ledger.number.clone(),
        canary: json!({"type": "canary"}),
        degraded: json!({"type": "degraded"}),
        summary: ledger.summary.clone(),
        stop: SIGTERM,
        patience_ms: DEADLINE_MS,
    };
    let expectation = Expectation::Soak {
        denied: load.iter().map(|(_, denied)| *denied).collect(),
        // Each was tried once before, and once without the agent.
        before: load.iter().filter(|(_, denied)| *denied).count() as u64,
        ledger,
    };
    let soak = builder.push(Action::Soak(Box::new(soak)), expectation);
    builder.phase = Phase::Release;
    builder.push(
        Action::AwaitExit {
            name: AGENT.into(),
            deadline_ms: DEADLINE_MS,
        },
        Expectation::Ended {
            exit: adapter.terminated(),
            says: None,
        },
    );
    builder.detach();
    builder.phase = Phase::Negative;
    builder.probes(&load, |_| Expect::Allowed);
    Some(SoakProgram {
        program: Program::of(builder.actions),
        soak,
        load,
    })
}

/// Three about what the load does, and one more.
fn rules() -> [Rule; 4] {
    let file = |path: &str| Target::File {
        object: FileObject::Path(path.into()),
        operations: Vec::new(),
    };
    let network = NetworkTarget {
        address: PEER.to_string(),
        ports: Some(rule::Ports::One(DENIED_PORT)),
        protocol: None,
        operations: Vec::new(),
    };
    [
        ("secret", file("/srv/secret")),
        ("tool", Target::Exec(Programs::Path("/srv/tool".into()))),
        ("peer", Target::Network(network)),
        ("more", file("/srv/more")),
    ]
    .map(|(id, target)| Rule {
        id: id.into(),
        action: rule::Action::Deny,
        target,
        scope: Vec::new(),
        except: Vec::new(),
        held: Held::Keep,
    })
}

fn open(path: &str) -> Probe {
    Probe::Open {
        path: path.into(),
        access: Access::Read,
        by: OpenWay::default(),
        cwd: None,
    }
}

fn execute(path: &str) -> Probe {
    Probe::Exec {
        path: path.into(),
        by: ExecWay::default(),
    }
}

fn connect(port: u16) -> Probe {
    Probe::Connect {
        transport: Transport::Tcp,
        address: SocketAddr::from((PEER, port)),
        by: SocketWay::default(),
    }
}

struct Builder<'a> {
    adapter: &'a dyn Adapter,
    actions: Vec<PlannedAction>,
    phase: Phase,
}

impl Builder<'_> {
    /// Returns where it is.
    fn push(&mut self, action: Action, expectation: Expectation) -> usize {
        self.actions.push(PlannedAction {
            action,
            expectation,
            phase: self.phase,
            step: None,
        });
        self.actions.len() - 1
    }

    fn harness(&mut self, action: Action) {
        self.push(action, Expectation::Done(Blame::Harness));
    }

    fn write(&mut self, path: &str, content: String) {
        self.harness(Action::WriteFile {
            path: path.into(),
            content,
            mode: 0o600,
            blanks: Vec::new(),
        });
    }

    fn make(&mut self) {
        for path in ["/srv/secret", "/srv/open", "/srv/more"] {
            self.write(path, "content".into());
        }
        for to in ["/srv/tool", "/srv/fine"] {
            self.harness(Action::Copy {
                from: PROBE_PATH.into(),
                to: to.into(),
            });
        }
        for port in [DENIED_PORT, ALLOWED_PORT] {
            self.harness(Action::Listen {
                transport: Transport::Tcp,
                address: SocketAddr::from((PEER, port)),
            });
        }
    }

    fn policy(&self, rules: &[Rule]) -> String {
        let rules = Rules {
            rules: rules.iter().collect(),
            never_deny: &[],
        };
        self.adapter.policy(&rules).content
    }

    fn start(&mut self) {
        let mut argv = self.adapter.start(Mode::Enforce, &[]);
        argv.extend(self.adapter.canary_every(Some(CANARY_EVERY)));
        let action = Action::Spawn {
            name: AGENT.into(),
            argv,
            ready: self.adapter.ready(),
            deadline_ms: DEADLINE_MS,
        };
        let ready = Expectation::Ready {
            verifier_exit: self.adapter.verifier_exit(),
        };
        self.push(action, ready);
    }

    fn probes(&mut self, load: &[(Probe, bool)], expect: impl Fn(bool) -> Expect) {
        for (probe, denied) in load {
            let task = Task {
                probe: probe.clone(),
                run_as: RunAs::default(),
            };
            self.push(Action::Probe(task), Expectation::Verdict(expect(*denied)));
        }
    }

    fn detach(&mut self) {
        let action = Action::Run {
            argv: self.adapter.detach(),
            deadline_ms: DEADLINE_MS,
        };
        let expectation = Expectation::Ran {
            exit: 0,
            prints: None,
            says: String::new(),
            otherwise: FailCode::AgentExit,
        };
        self.push(action, expectation);
        self.push(Action::ListBpfLinks, Expectation::Links(LinksExpect::None));
    }
}

#[cfg(test)]
mod tests {
    use super::{Expectation, program};
    use crate::adapter::{AegisBpf, Null};
    use harness_proto::Action;
    use std::time::Duration;

    #[test]
    fn it_lasts_as_long_as_it_is_told_and_looks_often_enough() {
        let check = |duration, sample_ms| {
            let planned = program(&AegisBpf, duration).unwrap();
            let planned = &planned.program.actions[planned.soak];
            let (Action::Soak(soak), Expectation::Soak { denied, before, .. }) =
                (&planned.action, &planned.expectation)
            else {
                panic!("{planned:?}");
            };
            assert_eq!(u128::from(soak.duration_ms), duration.as_millis());
            assert_eq!(soak.sample_ms, sample_ms);
            assert_eq!(soak.load.probes.len(), denied.len());
            assert_eq!(*before, 3);
            assert_ne!(soak.swap.policies[0], soak.swap.policies[1]);
        };
        check(Duration::from_secs(30), 1000);
        check(Duration::from_mins(10), 5000);
        check(Duration::from_hours(4), 120_000);
        assert!(program(&Null, Duration::from_mins(1)).is_none());
    }
}
