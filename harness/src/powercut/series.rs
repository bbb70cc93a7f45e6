//! One disk, cut after cut.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use harness_proto::{GuestMessage, Observation, Verdict, wire};
use kernel_matrix::{BootMode, Capability};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::{
    ledger::{Found, Ledger, Survivor},
    moment::Moment,
    program::{CutProgram, PROBES, Which},
};
use crate::{
    boot::{BootFailure, Greeted, check_facts, greet},
    judge::find_trouble,
    session::{Start, answer},
    vm::{BootSpec, Hypervisor, Received},
};

/// For one action; the slowest is the agent's start.
const PATIENCE: Duration = Duration::from_mins(1);
const EPERM: i32 = 1;

/// One cut and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// Which one of its series, from 0.
    pub number: u32,
    /// Policies that were acknowledged since the boot.
    pub acknowledged: u64,
    /// So long after the last of them, in microseconds.
    pub after_us: u64,
    /// A policy took so long just before, in microseconds.
    pub usual_us: u64,
    /// What was in force after the next boot.
    pub survivor: Survivor,
}

/// Why a series ended early.
#[derive(Debug, Error)]
pub enum SeriesError {
    /// The agent lost or tore something.
    #[error("after cut {cut}: {problem}")]
    Lost {
        /// The last cut; none was made when absent.
        cut: String,
        /// What is wrong.
        problem: String,
    },
    /// The machine, or something on this host.
    #[error("{0}")]
    Host(String),
}

/// Of every file system that is made here.
const DISK_ID: &str = "61656769-7362-7066-0000-000000000001";

/// What a series needs.
pub struct Series<'a> {
    /// What runs the machines.
    pub hypervisor: &'a dyn Hypervisor,
    /// An uncompressed kernel.
    pub image: &'a Path,
    /// It holds the program under `name`.
    pub initramfs: &'a Path,
    /// What the guest calls the program.
    pub name: &'a str,
    /// What the guest does in each boot.
    pub program: &'a CutProgram,
    /// What the matrix says of the kernel.
    pub capabilities: &'a BTreeSet<Capability>,
    /// The disk and the logs go here.
    pub folder: PathBuf,
    /// Decides when the power is cut.
    pub seed: u64,
}

/// The program that makes file systems. Debian keeps it out of the `PATH` of
/// those who are not root.
pub fn mke2fs() -> &'static Path {
    let places = ["/usr/sbin/mke2fs", "/sbin/mke2fs"].map(Path::new);
    let there = places.into_iter().find(|place| place.is_file());
    there.unwrap_or(Path::new("mke2fs"))
}

/// Make an empty file system in a file: the same one each time, so that what is
/// made of it can be compared.
pub fn make_disk(path: &Path, bytes: u64) -> io::Result<()> {
    fs::File::create(path)?.set_len(bytes)?;
    let made = Command::new(mke2fs())
        .args(["-q", "-F", "-t", "ext4", "-U", DISK_ID])
        .args(["-E", &format!("hash_seed={DISK_ID}")])
        .env("E2FSPROGS_FAKE_TIME", "1")
        .arg(path)
        .output()?;
    if made.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    Err(io::Error::other(format!("mke2fs: {}", said.trim())))
}

/// What was being done when the power was cut.
struct Pending {
    number: u32,
    acknowledged: u64,
    after: Duration,
    usual: Duration,
}

impl Series<'_> {
    /// Cut the power so often, and look after each cut; `tell` hears of each.
    pub fn run(&self, cuts: u32, tell: &dyn Fn(&Cut)) -> Result<Vec<Cut>, SeriesError> {
        let disk = self.folder.join("disk.ext4");
        let mut ledger = Ledger::default();
        let mut made = Vec::new();
        let mut pending: Option<Pending> = None;
        for number in 0..=cuts {
            let lost = |problem| SeriesError::Lost {
                cut: pending
                    .as_ref()
                    .map_or_else(|| "none".into(), |cut| cut.number.to_string()),
                problem,
            };
            let mut boot = self.boot(&disk, number)?;
            let found = boot.find(self.program).map_err(lost)?;
            match &pending {
                None => ledger.begin(found).map_err(lost)?,
                Some(cut) => {
                    let survivor = ledger.survive(found).map_err(lost)?;
                    let cut = Cut {
                        number: cut.number,
                        acknowledged: cut.acknowledged,
                        after_us: micros(cut.after),
                        usual_us: micros(cut.usual),
                        survivor,
                    };
                    tell(&cut);
                    made.push(cut);
                }
            }
            if number < cuts {
                let moment = Moment::of(self.seed.wrapping_add(u64::from(number)));
                let next = boot
                    .apply_until(number, moment, &mut ledger)
                    .map_err(lost)?;
                pending = Some(next);
            }
            // Which kills it, wherever it is.
            let console = boot
                .machine
                .end()
                .map_err(|error| SeriesError::Host(error.to_string()))?;
            if let Some(trouble) = find_trouble(&console) {
                return Err(SeriesError::Host(format!(
                    "the console says \"{}\"",
                    trouble.line()
                )));
            }
        }
        fs::remove_file(&disk).map_err(|error| SeriesError::Host(error.to_string()))?;
        Ok(made)
    }

    fn boot(&self, disk: &Path, number: u32) -> Result<Boot, SeriesError> {
        let host = |error: String| SeriesError::Host(error);
        let folder = self.folder.join(format!("boot-{number}"));
        fs::create_dir_all(&folder).map_err(|error| host(error.to_string()))?;
        let spec = BootSpec {
            image: self.image.to_owned(),
            initramfs: self.initramfs.to_owned(),
            boot_mode: BootMode::BpfLsm,
            lsms: Vec::new(),
            folder,
            disk: Some(disk.to_owned()),
        };
        // Nothing has touched the disk before user space.
        let again = |failure: BootFailure| {
            if failure.before_user_space {
                greet(self.hypervisor, &spec)
            } else {
                Err(failure)
            }
        };
        let greeted = greet(self.hypervisor, &spec).or_else(again);
        let Greeted {
            mut machine, facts, ..
        } = greeted.map_err(|failure| host(failure.reason))?;
        check_facts(&facts, self.capabilities)
            .map_err(|outcome| host(outcome.reason().unwrap_or_default()))?;
        let start = Start::fresh(self.name.to_owned()).map_err(|error| host(error.to_string()))?;
        answer(&mut *machine, &start).map_err(|end| host(format!("no answer: {end:?}")))?;
        Ok(Boot {
            machine,
            records: 0,
            last: Instant::now(),
            usual: Duration::ZERO,
        })
    }
}

/// A machine that carries out the program.
struct Boot {
    machine: Box<dyn crate::vm::Booted>,
    records: usize,
    /// When the last record came.
    last: Instant,
    /// How long after the one before.
    usual: Duration,
}

impl Boot {
    /// Everything up to the history.
    fn find(&mut self, program: &CutProgram) -> Result<Found, String> {
        let mut found = Found::default();
        while self.records <= program.history {
            let index = self.records;
            let seen = self
                .next(Instant::now() + PATIENCE)?
                .ok_or_else(|| format!("action {index} took too long"))?;
            let is_probe = (program.probes..program.probes + PROBES).contains(&index);
            match seen {
                Observation::Done => {}
                Observation::Probed(Verdict::Allowed) if is_probe => found.denied.push(false),
                Observation::Probed(Verdict::Denied { errno: EPERM }) if is_probe => {
                    found.denied.push(true);
                }
                Observation::Spawned { ready: Some(_), .. } if index == program.start => {}
                Observation::Spawned {
                    ready: Some(line), ..
                } if index == program.history => {
                    let entries = line.get("history").and_then(Value::as_array);
                    let entries = entries.ok_or_else(|| format!("this is no history: {line}"))?;
                    found.entries.clone_from(entries);
                }
                other if index == program.start => {
                    return Err(format!("the agent does not start: {other:?}"));
                }
                other if index == program.history => {
                    return Err(format!("the history is refused: {other:?}"));
                }
                other => return Err(format!("action {index} came to {other:?}")),
            }
        }
        Ok(found)
    }

    /// Take in acknowledgements until it is time to cut.
    fn apply_until(
        &mut self,
        number: u32,
        moment: Moment,
        ledger: &mut Ledger,
    ) -> Result<Pending, String> {
        let mut cut_at = None;
        loop {
            let deadline = cut_at.unwrap_or_else(|| Instant::now() + PATIENCE);
            let Some(seen) = self.next(deadline)? else {
                let after = self.last.elapsed();
                return match cut_at {
                    Some(_) => Ok(Pending {
                        number,
                        acknowledged: ledger.acknowledged(),
                        after,
                        usual: self.usual,
                    }),
                    None => Err("a policy was not acknowledged in time".into()),
                };
            };
            let answer = match seen {
                Observation::Ran {
                    exit: Some(harness_proto::Exit::Status(0)),
                    stdout,
                    ..
                } => serde_json::from_str::<Value>(&stdout).map_err(|error| error.to_string())?,
                other => return Err(format!("a policy was not applied: {other:?}")),
            };
            let which = Which::applied(usize::try_from(ledger.acknowledged()).unwrap_or_default());
            ledger.acknowledge(which, &answer)?;
            if ledger.acknowledged() == moment.acknowledged {
                cut_at = Some(self.last + moment.after(self.usual));
            }
        }
    }

    /// The next record, or `None` when the deadline passes first.
    fn next(&mut self, deadline: Instant) -> Result<Option<Observation>, String> {
        loop {
            let line = match self.machine.receive(deadline) {
                Received::Line(line) => line,
                Received::Deadline => return Ok(None),
                Received::Closed => return Err("the machine ended by itself".into()),
            };
            match wire::decode(&line) {
                Ok(GuestMessage::Record {
                    index, observation, ..
                }) if usize::try_from(index) == Ok(self.records) => {
                    let now = Instant::now();
                    self.usual = now - self.last;
                    self.last = now;
                    self.records += 1;
                    return Ok(Some(observation));
                }
                Ok(GuestMessage::Started { .. }) | Err(wire::WireError::Damaged { .. }) => {}
                Ok(other) => return Err(format!("the guest said {other:?}")),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
