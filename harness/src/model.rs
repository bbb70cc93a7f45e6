//! Many cases of the model in one machine.
//!
//! ```text
//! for each case: its world → its attempts, without an agent → the world ends
//! the agent starts
//! for each case: its world → its policy comes into force → its attempts
//! no rules: the agent ends and is detached
//! ```
//!
//! A world is made while the policy of the case before is in force, which speaks
//! of another world, and ends when its successor's policy is.

use std::net::{Ipv6Addr, SocketAddr};

use harness_proto::{Action, Batch, PROBE_PATH, Transport};
use model::{
    Case,
    case::{Abilities, CGROUPS, LISTENING, OTHER_PROGRAM, WORLDS, doers},
};
use scenarios::{
    KernelOperation, Mode, NetworkOperation, Rule, Target,
    rule::{self, FileObject, Held, NetworkTarget, Subject, Uids},
};

use crate::{
    adapter::{Adapter, Rules},
    expectation::{Blame, Expectation, Phase, PlannedAction, Program},
    outcome::FailCode,
};

const AGENT: &str = "agent";
const CGROUP_ROOT: &str = "/sys/fs/cgroup";
const DEADLINE_MS: u64 = 60_000;
const SIGTERM: i32 = 15;
/// A user that no doer is.
const NOBODY: u32 = 4000;

/// The program, and where in it things are.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelProgram {
    /// What the guest does.
    pub program: Program,
    /// The attempts of each case without an agent.
    pub controls: Vec<usize>,
    /// The answer to the policy of each.
    pub answers: Vec<usize>,
    /// The attempts of each under its policy.
    pub decided: Vec<usize>,
}

/// Whether an agent that attaches what its rules need has to do so for each
/// policy anew, which takes most of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hooks {
    /// Each policy has rules about everything, for a user that there is not, so
    /// that what is needed stays the same.
    Kept,
    /// Only what the policy's own rules need.
    AsNeeded,
}

/// Build the program of some cases.
pub fn program(
    adapter: &dyn Adapter,
    cases: &[Case],
    able: Abilities,
    hooks: Hooks,
) -> ModelProgram {
    let kept = match hooks {
        Hooks::Kept => about_everything(able),
        Hooks::AsNeeded => Vec::new(),
    };
    let mut builder = Builder {
        adapter,
        actions: Vec::new(),
        phase: Phase::Setup,
    };
    let harness = || Expectation::Done(Blame::Harness);
    builder.push(
        Action::Copy {
            from: PROBE_PATH.into(),
            to: OTHER_PROGRAM.into(),
        },
        harness(),
    );
    for cgroup in CGROUPS {
        let path = format!("{CGROUP_ROOT}{cgroup}");
        builder.push(Action::Mkdir { path }, harness());
    }

    for port in LISTENING {
        for transport in [Transport::Tcp, Transport::Udp] {
            let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            builder.push(Action::Listen { transport, address }, harness());
        }
    }

    builder.phase = Phase::Control;
    let mut controls = Vec::new();
    for case in cases {
        builder.push(Action::MakeWorld(case.world.clone()), harness());
        controls.push(builder.batch(case));
        builder.end_world(case);
    }

    builder.phase = Phase::Steps;
    builder.policy(&kept);
    builder.start();
    let (mut answers, mut decided) = (Vec::new(), Vec::new());
    let mut before = None;
    for case in cases {
        builder.push(Action::MakeWorld(case.world.clone()), harness());
        answers.push(builder.reload(&[case.rules.as_slice(), &kept].concat()));
        if let Some(before) = before.replace(case) {
            builder.end_world(before);
        }
        decided.push(builder.batch(case));
    }
    builder.phase = Phase::Release;
    builder.reload(&[]);
    if let Some(last) = before {
        builder.end_world(last);
    }
    builder.end();
    ModelProgram {
        program: Program::of(builder.actions),
        controls,
        answers,
        decided,
    }
}

/// Rules that mean nobody, about every operation.
fn about_everything(able: Abilities) -> Vec<Rule> {
    let mut kernel = vec![
        KernelOperation::Ptrace,
        KernelOperation::ModuleLoad,
        KernelOperation::Kexec,
        KernelOperation::Bpf,
        KernelOperation::Mount,
    ];
    if able.user_namespaces {
        kernel.push(KernelOperation::UserNamespace);
    }
    let targets = [
        Target::File {
            object: FileObject::Path(format!("{WORLDS}-nothing")),
            operations: Vec::new(),
        },
        Target::Network(NetworkTarget {
            address: "192.0.2.1".into(),
            ports: None,
            protocol: None,
            operations: vec![
                NetworkOperation::Connect,
                NetworkOperation::Send,
                NetworkOperation::Bind,
                NetworkOperation::Listen,
            ],
        }),
        Target::Kernel(kernel),
    ];
    let numbered = targets.into_iter().enumerate();
    let rules = numbered.map(|(number, target)| Rule {
        id: format!("nobody-{number}"),
        action: rule::Action::Deny,
        target,
        scope: vec![Subject {
            uid: Some(Uids::One(NOBODY)),
            ..Subject::default()
        }],
        except: Vec::new(),
        held: Held::Keep,
    });
    rules.collect()
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

    fn batch(&mut self, case: &Case) -> usize {
        let batch = Batch {
            doers: doers(),
            attempts: case.attempts.clone(),
            deadline_ms: DEADLINE_MS,
        };
        let attempts = case.attempts.len();
        self.push(
            Action::Batch(Box::new(batch)),
            Expectation::Batched { attempts },
        )
    }

    fn end_world(&mut self, case: &Case) {
        let root = case.world.root.clone();
        let done = Expectation::Done(Blame::Harness);
        self.push(Action::EndWorld { root }, done);
    }

    fn policy(&mut self, rules: &[Rule]) {
        let policy = self.adapter.policy(&Rules {
            rules: rules.iter().collect(),
            never_deny: &[],
        });
        let action = Action::WriteFile {
            path: self.adapter.policy_path().into(),
            content: policy.content,
            mode: 0o600,
            blanks: policy.blanks,
        };
        self.push(action, Expectation::Done(Blame::Harness));
    }

    fn start(&mut self) {
        let mut argv = self.adapter.start(Mode::Enforce, &[]);
        argv.extend(self.adapter.canary_every(None));
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

    /// Returns where the answer is.
    fn reload(&mut self, rules: &[Rule]) -> usize {
        let reload = self.adapter.reload();
        let name = || AGENT.to_owned();
        let agent = || Expectation::Done(Blame::Agent);
        self.push(Action::Mark { name: name() }, agent());
        self.policy(rules);
        let signal = Action::Signal {
            name: name(),
            signal: reload.signal,
        };
        self.push(signal, agent());
        let answer = Action::AwaitLines {
            name: name(),
            matches: reload.answer,
            count: 1,
            since_mark: true,
            deadline_ms: DEADLINE_MS,
        };
        self.push(answer, Expectation::Answer(reload.applied))
    }

    fn end(&mut self) {
        let signal = Action::Signal {
            name: AGENT.into(),
            signal: SIGTERM,
        };
        self.push(signal, Expectation::Done(Blame::Agent));
        let exit = Action::AwaitExit {
            name: AGENT.into(),
            deadline_ms: DEADLINE_MS,
        };
        self.push(
            exit,
            Expectation::Ended {
                exit: self.adapter.terminated(),
                says: None,
            },
        );
        let detach = Action::Run {
            argv: self.adapter.detach(),
            deadline_ms: DEADLINE_MS,
        };
        let detached = Expectation::Ran {
            exit: 0,
            prints: None,
            says: String::new(),
            otherwise: FailCode::AgentExit,
        };
        self.push(detach, detached);
    }
}
