//! Machines without QEMU, for tests: a guest that plays a life.

use std::{
    collections::VecDeque,
    io,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use harness_proto::{
    Action, Facts, GuestMessage, HostMessage, Observation, PROTOCOL_VERSION, Probe, Task, Verdict,
    wire,
};
use kernel_matrix::BootMode;

use crate::{
    expectation::Program,
    vm::{BootSpec, Booted, Hypervisor, Machine, Received, Snapshot, VmError},
};

/// What becomes of one boot.
#[derive(Debug, Clone)]
pub(crate) enum Life {
    /// It boots; each cell is played by [`Guest`].
    Boots(Guest),
    /// It ends before it says anything, with this on the console.
    Dies(&'static str),
    /// Something on the host ends QEMU before it says anything.
    Killed,
    /// Its runner gives up.
    GivesUp(&'static str),
    /// Its runner is of another version.
    Speaks(u32),
    /// QEMU is not there.
    DoesNotStart,
}

/// A guest that allows everything but what a toy agent denies while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    /// The programs in its initramfs.
    pub(crate) programs: Vec<(String, Program)>,
    /// What it does wrong.
    pub(crate) flaw: Flaw,
    /// In which program; in all of them by default.
    pub(crate) only: Option<&'static str>,
}

/// What a guest does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// The agent denies nothing.
    AllowsAll,
    /// It ends after so many records.
    DiesAfter(usize),
    /// Something on the host ends QEMU after so many records.
    KilledAfter(usize),
    /// Its final record is of another cell.
    OtherNonce,
    /// It leaves out the last record.
    LosesRecord,
    /// Its kernel warns.
    Splats,
    /// Its kernel panics after so many records.
    PanicsAfter(usize),
    /// It says nothing more after so many records.
    HangsAfter(usize),
    /// The same, and fills its console meanwhile.
    FloodsConsole,
    /// It can write no file.
    OutOfDisk,
}

/// Plays one life for each boot.
pub(crate) struct FakeHypervisor {
    lives: Mutex<VecDeque<Life>>,
}

impl FakeHypervisor {
    pub(crate) fn new(lives: impl IntoIterator<Item = Life>) -> Self {
        Self {
            lives: Mutex::new(lives.into_iter().collect()),
        }
    }
}

pub(crate) fn spec() -> BootSpec {
    BootSpec {
        image: "/vmlinux".into(),
        initramfs: "/guest.cpio".into(),
        boot_mode: BootMode::BpfLsm,
        lsms: Vec::new(),
        folder: "/nowhere".into(),
        disk: None,
    }
}

fn facts() -> Facts {
    Facts {
        release: "6.12.0-fake".into(),
        lsm: vec!["capability".into(), "bpf".into()],
        bpf: true,
        btf: true,
        features: std::collections::BTreeSet::new(),
    }
}

impl Hypervisor for FakeHypervisor {
    fn boot(&self, _: &BootSpec) -> Result<Box<dyn Booted>, VmError> {
        let life = self.lives.lock().unwrap().pop_front().expect("a life");
        let hello = |protocol| {
            wire::encode(&GuestMessage::Hello {
                protocol,
                facts: facts(),
            })
        };
        let mut machine = FakeMachine::default();
        match life {
            Life::DoesNotStart => {
                return Err(VmError::Start {
                    program: "qemu".into(),
                    cause: io::ErrorKind::NotFound.into(),
                });
            }
            Life::Dies(console) => machine.console = console.into(),
            Life::Killed => machine.killed = true,
            Life::GivesUp(message) => machine.lines.push_back(wire::encode(&GuestMessage::Fatal {
                message: message.into(),
            })),
            Life::Speaks(protocol) => machine.lines.push_back(hello(protocol)),
            Life::Boots(guest) => {
                machine
                    .lines
                    .extend(["\u{0}".into(), hello(PROTOCOL_VERSION)]);
                machine.guest = Some(Arc::new(guest));
            }
        }
        Ok(Box::new(machine))
    }
}

#[derive(Default)]
struct FakeMachine {
    lines: VecDeque<String>,
    console: String,
    killed: bool,
    hangs: bool,
    guest: Option<Arc<Guest>>,
}

impl Machine for FakeMachine {
    fn send(&mut self, line: &str) -> io::Result<()> {
        let message = wire::decode(line).expect("a message");
        let HostMessage::Start { cell, nonce, .. } = message else {
            return Ok(());
        };
        let guest = self.guest.clone().expect("a guest");
        let (_, program) = guest
            .programs
            .iter()
            .find(|(name, _)| *name == cell)
            .expect("the program of the cell");
        let flawed = guest.only.is_none_or(|only| only == cell);
        let flaw = if flawed { guest.flaw } else { Flaw::None };
        self.play(flaw, &nonce, program);
        Ok(())
    }

    fn receive(&mut self, _: Instant) -> Received {
        match self.lines.pop_front() {
            Some(line) => Received::Line(line.trim_end().to_owned()),
            None if self.hangs => Received::Deadline,
            None => Received::Closed,
        }
    }

    fn suspend(&mut self, _: Duration) -> Result<(), VmError> {
        Ok(())
    }

    fn end(self: Box<Self>) -> Result<String, VmError> {
        if self.killed {
            let how = "signal: 9 (SIGKILL)".into();
            return Err(VmError::Died { how });
        }
        Ok(self.console)
    }
}

impl FakeMachine {
    fn play(&mut self, flaw: Flaw, nonce: &str, program: &Program) {
        let mut say = |message| self.lines.push_back(wire::encode(&message));
        say(GuestMessage::Started {
            nonce: nonce.into(),
        });
        let mut agent = ToyAgent::default();
        let actions = &program.actions;
        let told = match flaw {
            Flaw::LosesRecord => actions.len() - 1,
            Flaw::DiesAfter(records)
            | Flaw::KilledAfter(records)
            | Flaw::PanicsAfter(records)
            | Flaw::HangsAfter(records) => records,
            _ => actions.len(),
        };
        for (index, planned) in (0..).zip(&actions[..told]) {
            let observation = match &planned.action {
                Action::WriteFile { path, .. } if flaw == Flaw::OutOfDisk => Observation::Broken {
                    message: format!("write {path}: No space left on device"),
                },
                action => agent.observe(action, flaw),
            };
            say(GuestMessage::Record {
                index,
                observation,
                micros: 10,
            });
        }
        if flaw == Flaw::Splats {
            self.console = "BUG: scheduling while atomic\n".into();
        }
        if matches!(flaw, Flaw::PanicsAfter(_)) {
            self.console = "ok\nKernel panic - not syncing: Attempted to kill init!\n".into();
        }
        if flaw == Flaw::FloodsConsole {
            self.console = "ok passed BUG\n".repeat(1 << 20);
        }
        self.killed = matches!(flaw, Flaw::KilledAfter(_));
        self.hangs = matches!(flaw, Flaw::HangsAfter(_) | Flaw::FloodsConsole);
        let ends = matches!(flaw, Flaw::DiesAfter(_) | Flaw::PanicsAfter(_));
        if self.killed || self.hangs || ends {
            return;
        }
        let nonce = match flaw {
            Flaw::OtherNonce => "another",
            _ => nonce,
        };
        self.lines.push_back(wire::encode(&GuestMessage::Final {
            nonce: nonce.into(),
            records: u32::try_from(actions.len()).unwrap(),
        }));
    }
}

/// Denies opening what its policy names, while it runs.
#[derive(Default)]
struct ToyAgent {
    policy: String,
    running: bool,
}

impl ToyAgent {
    fn observe(&mut self, action: &Action, flaw: Flaw) -> Observation {
        match action {
            Action::WriteFile { path, content, .. } if path.contains("policy") => {
                self.policy.clone_from(content);
                Observation::Done
            }
            Action::Probe(Task {
                probe: Probe::Open { path, .. },
                ..
            }) => {
                let denies = self.running
                    && flaw != Flaw::AllowsAll
                    && self.policy.contains(&format!("\"{path}\""));
                Observation::Probed(if denies {
                    Verdict::Denied { errno: 1 }
                } else {
                    Verdict::Allowed
                })
            }
            Action::Spawn { ready, .. } => {
                self.running = true;
                Observation::Spawned {
                    ready: Some(ready.clone()),
                    exit: None,
                }
            }
            Action::AwaitLines { matches, count, .. } => {
                let mut last = matches.clone();
                if matches["type"] == "policy" {
                    last["result"] = "applied".into();
                }
                Observation::Lines {
                    count: *count,
                    last: Some(last),
                }
            }
            Action::AwaitExit { .. } => {
                self.running = false;
                Observation::Exited(Some(harness_proto::Exit::Status(0)))
            }
            Action::Run { .. } => Observation::Ran {
                exit: Some(harness_proto::Exit::Status(0)),
                stdout: String::new(),
                stderr: String::new(),
            },
            Action::ListBpfLinks => Observation::BpfLinks(Vec::new()),
            _ => Observation::Done,
        }
    }
}

impl Booted for FakeMachine {
    fn save(self: Box<Self>) -> Result<Box<dyn Snapshot>, VmError> {
        Ok(Box::new(FakeSnapshot(self.guest.expect("a guest"))))
    }
}

struct FakeSnapshot(Arc<Guest>);

impl Snapshot for FakeSnapshot {
    fn restore(&self, _: &Path) -> Result<Box<dyn Machine>, VmError> {
        Ok(Box::new(FakeMachine {
            guest: Some(Arc::clone(&self.0)),
            ..FakeMachine::default()
        }))
    }
}
