//! As many rules as an agent takes, and one more.
//!
//! ```text
//! control → a small policy → one rule too many: refused, the small policy holds
//! → as many as it takes: a sample of them denied, their neighbours allowed → memory
//! → no rules: the sample is allowed
//! ```

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
};

use harness_proto::{
    Access, Action, Probe, RunAs, Task, Transport,
    probe::{OpenWay, SocketWay},
};
use scenarios::{
    Expect, Mode, Rule, Target,
    rule::{self, FileObject, Held, NetworkTarget},
    schema::Errno,
};

use crate::{
    adapter::{Adapter, Rules},
    expectation::{Blame, Expectation, Phase, PlannedAction, Program},
    outcome::FailCode,
};

const FOLDER: &str = "/srv/many";
const SMALL: &str = "/srv/small";
/// Files and networks behind those of the rules, which nothing is said of.
const NEIGHBOURS: u32 = 50;
/// All of it is this machine, and answers.
const FIRST_NETWORK: u32 = u32::from_be_bytes([127, 128, 0, 0]);
const NETWORK_BITS: u32 = 4;
const PORT: u16 = 9;
const AGENT: &str = "agent";
const DEADLINE_MS: u64 = 600_000;
const SIGTERM: i32 = 15;

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// Rules about one file each.
    pub files: u32,
    /// Rules about one network each.
    pub networks: u32,
    /// How many of the files, and as many of the networks, are tried.
    pub sample: u32,
    /// Decides which.
    pub seed: u64,
}

/// The program, and where in it the figures are.
#[derive(Debug, Clone, PartialEq)]
pub struct CapacityProgram {
    /// For the guest and the judge.
    pub program: Program,
    /// The answer to the policy with one rule too many.
    pub refused: usize,
    /// The answer to the one that fits.
    pub applied: usize,
    /// The agent's health under it.
    pub health: usize,
}

/// Whether the kernel has room for what the agent takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// The policy must come into force.
    Enough,
    /// The kernel says no: the policy must be refused whole.
    TooLittle,
}

/// Build the program. A policy of `amount` must be all that the agent takes.
pub fn program(adapter: &dyn Adapter, amount: Amount, room: Room) -> CapacityProgram {
    let mut builder = Builder {
        adapter,
        actions: Vec::new(),
        phase: Phase::Setup,
    };
    let harness = || Expectation::Done(Blame::Harness);
    let folder = Action::MakeFiles {
        folder: FOLDER.into(),
        count: amount.files + NEIGHBOURS,
    };
    builder.push(folder, harness());
    builder.write(SMALL, "small".into());
    let denied = || Expect::Denied(Errno::EPERM);
    let sample = sample(amount);
    let small = [open(SMALL.into())];

    builder.phase = Phase::Control;
    builder.probes(&sample, &Expect::Allowed);
    builder.probes(&small, &Expect::Allowed);

    builder.phase = Phase::Steps;
    let small_rule = file_rule("small".into(), SMALL.into());
    builder.policy(std::slice::from_ref(&small_rule));
    builder.start();
    builder.probes(&small, &denied());

    let mut rules = rules(amount);
    rules.push(small_rule);
    let refused = builder.reload(&rules, false);
    builder.probes(&small, &denied());
    builder.probes(&sample[..10], &Expect::Allowed);

    rules.pop();
    let applied = builder.reload(&rules, room == Room::Enough);
    match room {
        Room::Enough => {
            builder.probes(&small, &Expect::Allowed);
            builder.probes(&sample, &denied());
        }
        Room::TooLittle => {
            builder.probes(&small, &denied());
            builder.probes(&sample, &Expect::Allowed);
        }
    }
    builder.probes(&neighbours(amount), &Expect::Allowed);
    let health = builder.run(adapter.health());

    builder.phase = Phase::Negative;
    builder.reload(&[], true);
    builder.probes(&sample, &Expect::Allowed);
    builder.phase = Phase::Release;
    builder.end();
    builder.run(adapter.detach());
    CapacityProgram {
        program: Program::of(builder.actions),
        refused,
        applied,
        health,
    }
}

fn rules(amount: Amount) -> Vec<Rule> {
    let files = (0..amount.files).map(|number| file_rule(format!("file-{number}"), file(number)));
    let networks = (0..amount.networks).map(|number| {
        let target = Target::Network(NetworkTarget {
            address: format!("{}/{}", network(number), 32 - NETWORK_BITS),
            ports: None,
            protocol: None,
            operations: Vec::new(),
        });
        plain(format!("network-{number}"), target)
    });
    files.chain(networks).collect()
}

fn file(number: u32) -> String {
    format!("{FOLDER}/{number}")
}

fn network(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST_NETWORK + (number << NETWORK_BITS))
}

fn file_rule(id: String, path: String) -> Rule {
    let target = Target::File {
        object: FileObject::Path(path),
        operations: Vec::new(),
    };
    plain(id, target)
}

fn plain(id: String, target: Target) -> Rule {
    Rule {
        id,
        action: rule::Action::Deny,
        target,
        scope: Vec::new(),
        except: Vec::new(),
        held: Held::Keep,
    }
}

/// The first, the last, and what the seed says between them.
fn sample(amount: Amount) -> Vec<Probe> {
    let files = numbers(amount.files, amount.sample, amount.seed);
    let networks = numbers(amount.networks, amount.sample, !amount.seed);
    let peers = networks.into_iter().map(|number| {
        // Somewhere in it.
        let inside = number % (1 << NETWORK_BITS);
        connect(Ipv4Addr::from_bits(network(number).to_bits() + inside))
    });
    let files = files.into_iter().map(|number| open(file(number)));
    files.chain(peers).collect()
}

fn neighbours(amount: Amount) -> Vec<Probe> {
    let files = (amount.files..amount.files + NEIGHBOURS).map(|number| open(file(number)));
    let networks = amount.networks..amount.networks + NEIGHBOURS;
    files
        .chain(networks.map(|number| connect(network(number))))
        .collect()
}

fn numbers(below: u32, count: u32, seed: u64) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::from([0, below.saturating_sub(1)]);
    let mut state = seed;
    while numbers.len() < count.min(below) as usize {
        // The upper bits of a linear generator are random enough.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let drawn = u32::try_from(state >> 33).unwrap_or_default();
        numbers.insert(drawn % below);
    }
    numbers
}

fn open(path: String) -> Probe {
    Probe::Open {
        path,
        access: Access::Read,
        by: OpenWay::Openat,
        cwd: None,
    }
}

fn connect(address: Ipv4Addr) -> Probe {
    Probe::Connect {
        transport: Transport::Udp,
        address: SocketAddr::from((address, PORT)),
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

    fn write(&mut self, path: &str, content: String) {
        let action = Action::WriteFile {
            path: path.into(),
            content,
            mode: 0o600,
            blanks: Vec::new(),
        };
        self.push(action, Expectation::Done(Blame::Harness));
    }

    fn policy(&mut self, rules: &[Rule]) {
        let policy = self.adapter.policy(&Rules {
            rules: rules.iter().collect(),
            never_deny: &[],
        });
        self.write(self.adapter.policy_path(), policy.content);
    }

    fn start(&mut self) {
        let action = Action::Spawn {
            name: AGENT.into(),
            argv: self.adapter.start(Mode::Enforce, &[]),
            ready: self.adapter.ready(),
            deadline_ms: DEADLINE_MS,
        };
        let ready = Expectation::Ready {
            verifier_exit: self.adapter.verifier_exit(),
        };
        self.push(action, ready);
    }

    /// Returns where the answer is.
    fn reload(&mut self, rules: &[Rule], fits: bool) -> usize {
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
        let expected = if fits { reload.applied } else { reload.refused };
        self.push(answer, Expectation::Answer(expected))
    }

    fn probes(&mut self, probes: &[Probe], expect: &Expect) {
        for probe in probes {
            let task = Task {
                probe: probe.clone(),
                run_as: RunAs::default(),
            };
            self.push(Action::Probe(task), Expectation::Verdict(expect.clone()));
        }
    }

    fn run(&mut self, argv: Vec<String>) -> usize {
        let action = Action::Run {
            argv,
            deadline_ms: DEADLINE_MS,
        };
        let expectation = Expectation::Ran {
            exit: 0,
            prints: None,
            says: String::new(),
            otherwise: FailCode::AgentExit,
        };
        self.push(action, expectation)
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
        let ended = Expectation::Ended {
            exit: self.adapter.terminated(),
            says: None,
        };
        self.push(exit, ended);
    }
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn a_sample_holds_both_ends_and_is_the_same_for_the_same_seed() {
        let drawn = numbers(100_000, 200, 7);
        assert_eq!(drawn.len(), 200);
        assert!(drawn.contains(&0) && drawn.contains(&99_999));
        assert_eq!(drawn, numbers(100_000, 200, 7));
        assert_ne!(drawn, numbers(100_000, 200, 8));
        assert_eq!(numbers(3, 200, 7).len(), 3);
    }
}
