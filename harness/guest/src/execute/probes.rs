//! The probe executable: run for one action, or kept for a held descriptor.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness_proto::probe::HeldOperation;
use harness_proto::{Exit, Hold, Observation, Probe, RunAs, Task, Verdict};

use super::{KILL_DEADLINE, await_end, run_to_end, text};
use crate::supervise::{ProcessId, Supervisor};

/// A probe does one thing: one that takes longer hangs.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);

/// The probe executable, and those of its processes that hold something.
#[derive(Debug)]
pub(super) struct Probes {
    executable: PathBuf,
    holders: BTreeMap<String, ProcessId>,
}

impl Probes {
    pub(super) fn new(executable: PathBuf) -> Self {
        Self {
            executable,
            holders: BTreeMap::new(),
        }
    }

    pub(super) fn executable(&self) -> &Path {
        &self.executable
    }

    pub(super) fn run(&self, supervisor: &mut Supervisor, task: &Task) -> Observation {
        let verdict = match &task.probe {
            Probe::Held { name, operation } => self.ask_holder(supervisor, name, *operation),
            _ => self.ask(supervisor, task),
        };
        probed(verdict)
    }

    pub(super) fn hold(
        &mut self,
        supervisor: &mut Supervisor,
        name: &str,
        hold: &Hold,
    ) -> Observation {
        probed(self.start_holder(supervisor, name, hold))
    }

    /// Whose program is the one that the subject says.
    fn command(&self, verb: &str, argument: String, run_as: &RunAs) -> [String; 3] {
        let executable = self.executable.to_string_lossy();
        let program = run_as.program.as_deref().unwrap_or(&executable);
        [program.to_owned(), verb.to_owned(), argument]
    }

    fn ask(&self, supervisor: &mut Supervisor, task: &Task) -> Result<Verdict, String> {
        let argument = serde_json::to_string(task).map_err(text)?;
        let argv = self.command("run", argument, &task.run_as);
        let patience = Duration::from_millis(task.probe.patience_ms());
        let deadline = Instant::now() + patience;
        let (exit, process) = run_to_end(supervisor, &argv, deadline)?;
        let output = process.into_output();
        match exit {
            Some(Exit::Status(0)) => read(output.stdout.tail(usize::MAX).1),
            Some(Exit::Signal(signal)) => Ok(Verdict::Killed { signal }),
            Some(Exit::Status(status)) => Err(format!(
                "the probe ended with status {status}: {}",
                String::from_utf8_lossy(output.stderr.tail(1024).1).trim()
            )),
            None => Err(hangs(patience)),
        }
    }

    fn start_holder(
        &mut self,
        supervisor: &mut Supervisor,
        name: &str,
        hold: &Hold,
    ) -> Result<Verdict, String> {
        if let Some(old) = self.holders.remove(name) {
            supervisor.process(old).kill_group().map_err(text)?;
            await_end(supervisor, old, Instant::now() + KILL_DEADLINE)?;
            supervisor.take(old);
        }
        let argument = serde_json::to_string(hold).map_err(text)?;
        let argv = self.command("hold", argument, &hold.run_as);
        let id = supervisor.spawn_listening(&argv).map_err(text)?;
        self.holders.insert(name.to_owned(), id);
        next_line(supervisor, id, 0)
    }

    fn ask_holder(
        &self,
        supervisor: &mut Supervisor,
        name: &str,
        operation: HeldOperation,
    ) -> Result<Verdict, String> {
        let held = self.holders.get(name);
        let id = *held.ok_or_else(|| format!("nothing is held under the name {name}"))?;
        let process = supervisor.process(id);
        let place = process.output().stdout.end();
        let line = serde_json::to_string(&operation).map_err(text)? + "\n";
        process
            .tell(&line)
            .map_err(|error| format!("tell what holds {name}: {error}"))?;
        next_line(supervisor, id, place)
    }
}

fn probed(verdict: Result<Verdict, String>) -> Observation {
    Observation::Probed(verdict.unwrap_or_else(|message| Verdict::Broken { message }))
}

/// What a holder says next, or how it ended.
fn next_line(supervisor: &mut Supervisor, id: ProcessId, place: u64) -> Result<Verdict, String> {
    let said = supervisor
        .wait(Instant::now() + PROBE_DEADLINE, |all| {
            let process = all.process(id);
            // Asked before the line: what it said before it ended counts.
            let exit = process.exit();
            match process.output().stdout.line_at(place) {
                Ok(Some((line, _))) => Some(read(line)),
                Ok(None) => exit.map(|exit| match exit {
                    Exit::Signal(signal) => Ok(Verdict::Killed { signal }),
                    Exit::Status(status) => Err(format!("the probe ended with status {status}")),
                }),
                Err(forgotten) => Some(Err(text(forgotten))),
            }
        })
        .map_err(text)?;
    said.unwrap_or_else(|| Err(hangs(PROBE_DEADLINE)))
}

fn read(line: &[u8]) -> Result<Verdict, String> {
    serde_json::from_slice(line)
        .map_err(|error| format!("the probe's verdict cannot be read: {error}"))
}

fn hangs(patience: Duration) -> String {
    let seconds = patience.as_secs();
    format!("no verdict within {seconds} s: the probe hangs")
}
