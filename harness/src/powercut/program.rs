//! What the guest does in each boot: look at what is in force and at the
//! history, then apply one policy after the other until it is killed.

use harness_proto::{Access, Action, Probe, RunAs, Task, probe::OpenWay};
use serde_json::json;

use crate::{
    expectation::{Blame, Expectation, Phase, PlannedAction, Program},
    outcome::FailCode,
};

/// Where the agent keeps its policies and its history.
const STATE: &str = "/var/lib/aegisbpf";
const EXECUTABLE: &str = "/bin/aegisbpf";
/// Read only where nothing is stored: in the first boot.
const FIRST_POLICY: &str = "/etc/aegisbpf/policy.yaml";
const DISK: &str = "/dev/nvme0n1";
const FILE_SYSTEM: &str = "ext4";
const DISK_MS: u64 = 10_000;
const READY_MS: u64 = 30_000;
const COMMAND_MS: u64 = 20_000;
/// More than are acknowledged before any cut.
const APPLIES: usize = 12;
/// Files that each policy denies, and the other does not.
const FILES: usize = 3;

/// One of the two policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one of the first boot.
    A,
    /// The other.
    B,
}

impl Which {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The policies that a boot applies, in order.
    pub fn applied(number: usize) -> Self {
        if number.is_multiple_of(2) {
            Self::B
        } else {
            Self::A
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
        }
    }

    fn files(self) -> impl Iterator<Item = String> {
        (0..FILES).map(move |number| format!("/srv/{}{number}", self.letter()))
    }

    fn path(self) -> String {
        format!("/tmp/{}.yaml", self.letter())
    }

    fn text(self) -> String {
        let rules: Vec<_> = self
            .files()
            .enumerate()
            .map(|(number, path)| {
                json!({"id": format!("{}{number}", self.letter()), "file": {"path": path, "operations": ["read"]}})
            })
            .collect();
        json!({"version": 1, "rules": rules}).to_string()
    }
}

/// The program, and where in it things are.
#[derive(Debug, Clone, PartialEq)]
pub struct CutProgram {
    /// What the guest does.
    pub program: Program,
    /// The agent's start.
    pub start: usize,
    /// The first probe: of the files of A, then of those of B.
    pub probes: usize,
    /// The history.
    pub history: usize,
    /// The first policy that is applied.
    pub applies: usize,
}

/// How many probes there are.
pub const PROBES: usize = 2 * FILES;

/// The same for every boot.
pub fn program() -> CutProgram {
    let mut actions = Vec::new();
    let mut push = |action, expectation| {
        actions.push(PlannedAction {
            action,
            expectation,
            phase: Phase::Steps,
            step: None,
        });
        actions.len() - 1
    };
    let done = || Expectation::Done(Blame::Harness);
    let write = |path: String, content: String| Action::WriteFile {
        path,
        content,
        mode: 0o600,
        blanks: Vec::new(),
    };
    for which in [Which::A, Which::B] {
        for path in which.files() {
            push(write(path, "secret".into()), done());
        }
        push(write(which.path(), which.text()), done());
    }
    push(write(FIRST_POLICY.into(), Which::A.text()), done());
    push(
        Action::MountDisk {
            device: DISK.into(),
            kind: FILE_SYSTEM.into(),
            target: STATE.into(),
            deadline_ms: DISK_MS,
        },
        done(),
    );
    let spawn = |name: &str, words: &[&str], ready| Action::Spawn {
        name: name.into(),
        argv: argv(words),
        ready,
        deadline_ms: READY_MS,
    };
    let ready = || Expectation::Ready {
        verifier_exit: None,
    };
    let start = push(
        spawn(
            "agent",
            &["run", "--mode", "enforce"],
            json!({"type": "ready"}),
        ),
        ready(),
    );
    let mut probes = Vec::new();
    for path in Which::A.files().chain(Which::B.files()) {
        let probe = Probe::Open {
            path,
            access: Access::Read,
            by: OpenWay::Openat,
            cwd: None,
        };
        let task = Task {
            probe,
            run_as: RunAs::default(),
        };
        // Judged by the ledger: which of them are denied is the question.
        probes.push(push(
            Action::Probe(task),
            Expectation::Verdict(scenarios::Expect::Allowed),
        ));
    }
    // Its one line can be longer than what is kept of a command's output.
    let history = push(
        spawn("history", &["policy", "history", "--json"], json!({})),
        ready(),
    );
    let mut applies = Vec::new();
    for number in 0..APPLIES {
        let path = Which::applied(number).path();
        let action = Action::Run {
            argv: argv(&["policy", "apply", &path, "--json"]),
            deadline_ms: COMMAND_MS,
        };
        let expectation = Expectation::Ran {
            exit: 0,
            prints: None,
            says: String::new(),
            otherwise: FailCode::Reload,
        };
        applies.push(push(action, expectation));
    }
    CutProgram {
        start,
        probes: probes[0],
        history,
        applies: applies[0],
        program: Program::of(actions),
    }
}

fn argv(words: &[&str]) -> Vec<String> {
    let words = words.iter().map(ToString::to_string);
    std::iter::once(EXECUTABLE.to_owned())
        .chain(words)
        .collect()
}
