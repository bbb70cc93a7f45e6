//! Putting the actions of a program that counts after each other.

use std::net::{IpAddr, SocketAddr};

use harness_proto::{
    Access, Action, Exit, Probe, RunAs, Task, Transport,
    count::{CountPlan, DENIED_PEER, NULL_LSM_PATH, WORKLOAD_PATH, rule_file},
    probe::{OpenWay, SocketWay},
};
use scenarios::{Expect, Mode, Rule, schema::LinksExpect};
use serde_json::json;

use crate::{
    Adapter,
    adapter::{PolicyFile, Rules},
    expectation::{Blame, Expectation, Phase, PlannedAction},
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
const PORT: u16 = 9;

/// Puts actions after each other. `L` is what a count is of.
pub(super) struct Builder<'a, L> {
    pub(super) adapter: &'a dyn Adapter,
    pub(super) actions: Vec<PlannedAction>,
    /// What was counted, and the index of the action that counts it.
    pub(super) counts: Vec<(L, usize)>,
}

/// An agent that is in force.
pub(super) struct InForce<'a> {
    pub(super) mode: Mode,
    /// What the first rules come to.
    pub(super) probed: Expect,
    /// How often what is counted.
    pub(super) plan: &'a CountPlan,
    pub(super) processes: u32,
}

impl<'a, L: Copy> Builder<'a, L> {
    pub(super) fn new(adapter: &'a dyn Adapter) -> Self {
        Self {
            adapter,
            actions: Vec::new(),
            counts: Vec::new(),
        }
    }

    pub(super) fn populate(&mut self, rules: u32, siblings: u32) {
        let (rules, siblings) = (rules.to_string(), siblings.to_string());
        let populate = [WORKLOAD_PATH, "populate", &rules, &siblings];
        self.run(&populate, FailCode::ProbeBroken);
        self.probes(Phase::Control, &Expect::Allowed);
    }

    pub(super) fn policy(&mut self, rules: &[&Rule]) {
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
    pub(super) fn agent(&mut self, label: L, agent: &InForce<'_>) -> usize {
        self.start(agent.mode);
        self.probes(Phase::Steps, &agent.probed);
        let hooks = self.list_hooks();
        self.count(label, agent.plan, agent.processes);
        self.probes(Phase::Steps, &agent.probed);
        self.stop();
        hooks
    }

    /// Keeps them for the null programs, and returns where they are listed.
    pub(super) fn list_hooks(&mut self) -> usize {
        self.run(&[NULL_LSM_PATH, "list", HOOKS_FILE], FailCode::ProbeBroken)
    }

    pub(super) fn start(&mut self, mode: Mode) {
        let start = Action::Spawn {
            name: AGENT.into(),
            argv: self.adapter.start(mode, &[]),
            ready: self.adapter.ready(),
            deadline_ms: DEADLINE_MS,
        };
        let ready = Expectation::Ready {
            verifier_exit: self.adapter.verifier_exit(),
        };
        self.push(Phase::Steps, start, ready);
    }

    /// Nothing of it may be left.
    pub(super) fn stop(&mut self) {
        self.end(AGENT, SIGTERM, self.adapter.terminated());
        let detach = self.adapter.detach();
        let words: Vec<&str> = detach.iter().map(String::as_str).collect();
        self.run(&words, FailCode::AgentExit);
        self.no_links();
    }

    /// Returns where the hooks are listed.
    pub(super) fn null_lsm(&mut self, label: L, plan: &CountPlan, processes: u32) -> usize {
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
        self.count(label, plan, processes);
        self.end(NULL_LSM, SIGKILL, Exit::Signal(SIGKILL));
        self.no_links();
        hooks
    }

    pub(super) fn count(&mut self, label: L, plan: &CountPlan, processes: u32) {
        let plan = serde_json::to_string(plan).expect("plans have string keys");
        for _ in 0..processes {
            let index = self.run(&[WORKLOAD_PATH, "count", &plan], FailCode::ProbeBroken);
            self.counts.push((label, index));
        }
    }

    /// Of the first rule of each kind.
    pub(super) fn probes(&mut self, phase: Phase, expect: &Expect) {
        let connect = Probe::Connect {
            transport: Transport::Udp,
            address: SocketAddr::new(IpAddr::V4(DENIED_PEER), PORT),
            by: SocketWay::default(),
        };
        for probe in [open(rule_file(0)), connect] {
            self.probe(phase, probe, expect);
        }
    }

    pub(super) fn probe(&mut self, phase: Phase, probe: Probe, expect: &Expect) {
        let task = Task {
            probe,
            run_as: RunAs::default(),
        };
        let verdict = Expectation::Verdict(expect.clone());
        self.push(phase, Action::Probe(task), verdict);
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
        self.push(
            Phase::Release,
            wait,
            Expectation::Ended { exit, says: None },
        );
    }

    fn no_links(&mut self) {
        let none = Expectation::Links(LinksExpect::None);
        self.push(Phase::Release, Action::ListBpfLinks, none);
    }

    pub(super) fn run(&mut self, argv: &[&str], otherwise: FailCode) -> usize {
        let action = Action::Run {
            argv: argv.iter().map(ToString::to_string).collect(),
            deadline_ms: DEADLINE_MS,
        };
        let expectation = Expectation::Ran {
            exit: 0,
            prints: None,
            says: String::new(),
            otherwise,
        };
        self.push(Phase::Steps, action, expectation)
    }

    pub(super) fn push(&mut self, phase: Phase, action: Action, expectation: Expectation) -> usize {
        self.actions.push(PlannedAction {
            action,
            expectation,
            phase,
            step: None,
        });
        self.actions.len() - 1
    }
}

/// Reading a file.
pub(super) fn open(path: String) -> Probe {
    Probe::Open {
        path,
        access: Access::Read,
        by: OpenWay::default(),
        cwd: None,
    }
}
