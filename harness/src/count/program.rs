//! What the guest does, and what must be observed of it.
//!
//! ```text
//! count without any agent
//! agent ready → a file and a peer denied → hooks listed → count → denied again → detached
//! null programs on the hooks that were listed → hooks listed → count → killed
//! count without any agent, once more
//! ```
//!
//! The null programs come after the agent, because the hooks are the agent's;
//! that counting without any agent gives the same at both ends shows that
//! nothing else has changed meanwhile.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use harness_proto::{
    Access, Action, Exit, Probe, RunAs, Task, Transport,
    count::{CountPlan, NULL_LSM_PATH, WORKLOAD_PATH, rule_file},
    probe::{OpenWay, SocketWay},
};
use perf::count::Subject;
use scenarios::{
    Expect, Mode, Rule, Target,
    rule::{FileObject, Held, NetworkTarget},
    schema::{Errno, LinksExpect},
};
use serde_json::json;

use crate::{
    Adapter,
    adapter::{PolicyFile, Rules},
    expectation::{Blame, Expectation, Phase, PlannedAction, Program},
    outcome::FailCode,
};

/// The guest's time is the number of its instructions, and passes several
/// times slower than the host's; only what hangs gets here.
const DEADLINE_MS: u64 = 600_000;
/// Where the agent's hooks are kept for the null programs.
const HOOKS_FILE: &str = "/run/hooks.json";
/// What the processes are called.
const AGENT: &str = "agent";
const NULL_LSM: &str = "null-lsm";
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
/// Answers on loopback, and nothing that is counted goes there.
const DENIED_PEER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 7);
/// The other peers of rules are above this.
const FIRST_PEER: u32 = u32::from_be_bytes([10, 128, 0, 0]);
const PORT: u16 = 9;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// How many rules about files the agent has, and about addresses as many;
    /// at least one.
    pub rules: u32,
    /// What is counted, and how often.
    pub plan: CountPlan,
    /// How many processes count the plan, one after the other, each time. What
    /// makes processes differs from one process to the next by more than from
    /// round to round: only several of them show it.
    pub processes: u32,
}

/// The program, and where in it the figures are.
#[derive(Debug, Clone, PartialEq)]
pub struct CountProgram {
    /// For the guest and the judge.
    pub program: Program,
    /// The indices of the actions that count.
    pub counts: Vec<(Subject, usize)>,
    /// The index of the action that lists the agent's hooks.
    pub agent_hooks: usize,
    /// The index of the one that lists the hooks of the null programs.
    pub null_hooks: usize,
}

/// The rules: exact files and exact addresses. The first of each is probed,
/// none is about anything that is counted.
pub fn rules(count: u32) -> Vec<Rule> {
    let files = (0..count).map(|number| Target::File {
        object: FileObject::Path(rule_file(number)),
        operations: Vec::new(),
    });
    let peers = (0..count).map(|number| {
        let address = match number {
            0 => DENIED_PEER,
            number => Ipv4Addr::from_bits(FIRST_PEER + number),
        };
        Target::Network(NetworkTarget {
            address: address.to_string(),
            ports: None,
            protocol: None,
            operations: Vec::new(),
        })
    });
    let rule = |(number, target)| Rule {
        id: format!("rule-{number}"),
        action: scenarios::rule::Action::Deny,
        target,
        scope: Vec::new(),
        except: Vec::new(),
        held: Held::Keep,
    };
    files.chain(peers).enumerate().map(rule).collect()
}

/// Build the program.
pub fn program(adapter: &dyn Adapter, request: &Request) -> CountProgram {
    let mut builder = Builder {
        adapter,
        request,
        actions: Vec::new(),
        counts: Vec::new(),
    };
    builder.before_any_agent();

    builder.policy(&rules(request.rules).iter().collect::<Vec<_>>());
    let agent_hooks = builder.agent(Subject::Agent);
    builder.probes(Phase::Release, &Expect::Allowed);
    let null_hooks = builder.null_lsm();
    builder.count(Subject::None);
    CountProgram {
        program: Program::of(builder.actions),
        counts: builder.counts,
        agent_hooks,
        null_hooks,
    }
}

/// A program that compares two agents, and where in it the figures are.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareProgram {
    /// For the guest and the judge.
    pub program: Program,
    /// The indices of the actions that count.
    pub counts: Vec<(Subject, usize)>,
}

/// Build a program in which each of two executables is the agent twice, in the
/// order base, head, head, base, so that what changes in the course of a boot
/// falls on both alike.
///
/// # Panics
/// When the adapter's agent has no executable: there is nothing to exchange.
pub fn comparison(
    adapter: &dyn Adapter,
    request: &Request,
    (base, head): (&str, &str),
) -> CompareProgram {
    let executable = adapter.executable().expect("two executables to compare");
    let mut builder = Builder {
        adapter,
        request,
        actions: Vec::new(),
        counts: Vec::new(),
    };
    builder.before_any_agent();
    builder.policy(&rules(request.rules).iter().collect::<Vec<_>>());
    for subject in [Subject::Base, Subject::Agent, Subject::Agent, Subject::Base] {
        let from = if subject == Subject::Base { base } else { head };
        let copy = Action::Copy {
            from: from.into(),
            to: executable.into(),
        };
        builder.push(Phase::Setup, copy, Expectation::Done(Blame::Harness));
        builder.agent(subject);
        builder.probes(Phase::Release, &Expect::Allowed);
    }
    builder.count(Subject::None);
    CompareProgram {
        program: Program::of(builder.actions),
        counts: builder.counts,
    }
}

struct Builder<'a> {
    adapter: &'a dyn Adapter,
    request: &'a Request,
    actions: Vec<PlannedAction>,
    counts: Vec<(Subject, usize)>,
}

impl Builder<'_> {
    fn before_any_agent(&mut self) {
        let rules = self.request.rules.to_string();
        let populate = [WORKLOAD_PATH, "populate", &rules];
        self.run(&populate, FailCode::ProbeBroken);
        self.probes(Phase::Control, &Expect::Allowed);
        self.count(Subject::None);
    }

    fn policy(&mut self, rules: &[&Rule]) {
        let PolicyFile { content, blanks } = self.adapter.policy(&Rules {
            rules: rules.to_vec(),
            never_deny: &[],
        });
        let policy = Action::WriteFile {
            path: self.adapter.policy_path().into(),
            content,
            mode: 0o600,
            blanks,
        };
        self.push(Phase::Setup, policy, Expectation::Done(Blame::Harness));
    }

    /// Returns where the hooks are listed.
    fn agent(&mut self, subject: Subject) -> usize {
        let start = Action::Spawn {
            name: AGENT.into(),
            argv: self.adapter.start(Mode::Enforce, &[]),
            ready: self.adapter.ready(),
            deadline_ms: DEADLINE_MS,
        };
        let ready = Expectation::Ready {
            verifier_exit: self.adapter.verifier_exit(),
        };
        self.push(Phase::Steps, start, ready);
        let denied = Expect::Denied(Errno::EPERM);
        self.probes(Phase::Steps, &denied);
        let hooks = self.run(&[NULL_LSM_PATH, "list", HOOKS_FILE], FailCode::ProbeBroken);
        self.count(subject);
        self.probes(Phase::Steps, &denied);
        self.end(AGENT, SIGTERM, self.adapter.terminated());
        let detach = self.adapter.detach();
        let words: Vec<&str> = detach.iter().map(String::as_str).collect();
        self.run(&words, FailCode::AgentExit);
        self.no_links();
        hooks
    }

    /// Returns where the hooks are listed.
    fn null_lsm(&mut self) -> usize {
        let start = Action::Spawn {
            name: NULL_LSM.into(),
            argv: [NULL_LSM_PATH, "attach", HOOKS_FILE]
                .map(String::from)
                .into(),
            ready: json!({"type": "ready"}),
            deadline_ms: DEADLINE_MS,
        };
        let ready = Expectation::Ready {
            verifier_exit: None,
        };
        self.push(Phase::Steps, start, ready);
        let hooks = self.run(&[NULL_LSM_PATH, "list"], FailCode::ProbeBroken);
        self.count(Subject::NullLsm);
        self.end(NULL_LSM, SIGKILL, Exit::Signal(SIGKILL));
        self.no_links();
        hooks
    }

    fn count(&mut self, subject: Subject) {
        let plan = serde_json::to_string(&self.request.plan).expect("plans have string keys");
        for _ in 0..self.request.processes {
            let index = self.run(&[WORKLOAD_PATH, "count", &plan], FailCode::ProbeBroken);
            self.counts.push((subject, index));
        }
    }

    fn probes(&mut self, phase: Phase, expect: &Expect) {
        let open = Probe::Open {
            path: rule_file(0),
            access: Access::Read,
            by: OpenWay::default(),
            cwd: None,
        };
        let connect = Probe::Connect {
            transport: Transport::Udp,
            address: SocketAddr::new(IpAddr::V4(DENIED_PEER), PORT),
            by: SocketWay::default(),
        };
        for probe in [open, connect] {
            self.push(
                phase,
                Action::Probe(Task {
                    probe,
                    run_as: RunAs::default(),
                }),
                Expectation::Verdict(expect.clone()),
            );
        }
    }

    fn end(&mut self, name: &str, signal: i32, exit: Exit) {
        let name = name.to_owned();
        let send = Action::Signal {
            name: name.clone(),
            signal,
        };
        self.push(Phase::Release, send, Expectation::Done(Blame::Agent));
        let wait = Action::AwaitExit {
            name,
            deadline_ms: DEADLINE_MS,
        };
        self.push(Phase::Release, wait, Expectation::Ended(exit));
    }

    fn no_links(&mut self) {
        let none = Expectation::Links(LinksExpect::None);
        self.push(Phase::Release, Action::ListBpfLinks, none);
    }

    fn run(&mut self, argv: &[&str], otherwise: FailCode) -> usize {
        let action = Action::Run {
            argv: argv.iter().map(ToString::to_string).collect(),
            deadline_ms: DEADLINE_MS,
        };
        let expectation = Expectation::Ran {
            exit: 0,
            prints: None,
            otherwise,
        };
        self.push(Phase::Steps, action, expectation)
    }

    fn push(&mut self, phase: Phase, action: Action, expectation: Expectation) -> usize {
        self.actions.push(PlannedAction {
            action,
            expectation,
            phase,
            step: None,
        });
        self.actions.len() - 1
    }
}
