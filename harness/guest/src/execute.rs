//! One action, one observation.

mod processes;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness_proto::{Action, Exit, Observation, Probe, Verdict};

pub use processes::NamedOutput;
use processes::Processes;

use crate::attempt::AttemptError;
use crate::supervise::{Process, Supervisor};
use crate::{bpf, files, listen};

/// A probe does one thing: one that takes longer hangs.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);
/// How long the kernel may take to end what was killed.
const KILL_DEADLINE: Duration = Duration::from_secs(5);
/// What [`Observation::Ran`] carries of each output.
const RAN_TAIL_BYTES: usize = 16 * 1024;

/// Carries out the actions of a cell.
#[derive(Debug)]
pub struct Executor {
    supervisor: Supervisor,
    processes: Processes,
    probe: PathBuf,
}

impl Executor {
    /// With the place of the probe executable.
    pub fn new(supervisor: Supervisor, probe: PathBuf) -> Self {
        Self {
            supervisor,
            processes: Processes::default(),
            probe,
        }
    }

    /// Carry out one action. It never fails: what cannot be done is
    /// [`Observation::Broken`].
    pub fn execute(&mut self, action: &Action) -> Observation {
        let done = self.attempt(action);
        done.unwrap_or_else(|message| Observation::Broken { message })
    }

    fn attempt(&mut self, action: &Action) -> Result<Observation, String> {
        let done = |result: Result<(), AttemptError>| result.map(|()| Observation::Done);
        let (supervisor, processes) = (&mut self.supervisor, &mut self.processes);
        match action {
            Action::Mkdir { path } => done(files::make_folder(Path::new(path))).map_err(text),
            Action::WriteFile {
                path,
                content,
                mode,
            } => done(files::write_file(Path::new(path), content, *mode)).map_err(text),
            Action::Copy { from, to } => {
                done(files::copy_file(Path::new(from), Path::new(to))).map_err(text)
            }
            Action::Listen { transport, address } => {
                supervisor.listen(listen::Listener::bind(*transport, *address).map_err(text)?);
                Ok(Observation::Done)
            }
            Action::Probe(probe) => Ok(Observation::Probed(self.probe(probe))),
            Action::Spawn {
                name,
                argv,
                ready,
                deadline_ms,
            } => processes.spawn(supervisor, name, argv, ready, after(*deadline_ms)),
            Action::Mark { name } => processes.mark(supervisor, name),
            Action::Signal { name, signal } => processes.signal(supervisor, name, *signal),
            Action::Stop { name, deadline_ms } => {
                processes.stop(supervisor, name, after(*deadline_ms))
            }
            Action::AwaitExit { name, deadline_ms } => {
                processes.await_exit(supervisor, name, after(*deadline_ms))
            }
            Action::AwaitLines {
                name,
                matches,
                count,
                since_mark,
                deadline_ms,
            } => {
                let wanted = processes::Wanted {
                    matches,
                    count: *count,
                    since_mark: *since_mark,
                };
                processes.await_lines(supervisor, name, &wanted, after(*deadline_ms))
            }
            Action::Tally {
                name,
                matches,
                number,
                summary,
                deadline_ms,
            } => {
                let counted = processes::Counted {
                    matches,
                    number,
                    summary,
                };
                processes.tally(supervisor, name, &counted, after(*deadline_ms))
            }
            Action::Run { argv, deadline_ms } => self.run(argv, after(*deadline_ms)),
            Action::ListBpfLinks => bpf::links().map(Observation::BpfLinks).map_err(text),
        }
    }

    /// What the named processes have said so far.
    pub fn outputs(&mut self) -> io::Result<Vec<NamedOutput<'_>>> {
        self.supervisor.pump(Some(Duration::ZERO))?;
        Ok(self.processes.outputs(&self.supervisor))
    }

    /// Keep draining and reaping for as long as this machine is left alone.
    pub fn idle(&mut self) -> io::Result<std::convert::Infallible> {
        loop {
            self.supervisor.pump(None)?;
        }
    }

    fn run(&mut self, argv: &[String], deadline: Instant) -> Result<Observation, String> {
        let (exit, process) = self.run_to_end(argv, deadline)?;
        let output = process.into_output();
        let tail = |transcript: &crate::supervise::Transcript| {
            String::from_utf8_lossy(transcript.tail(RAN_TAIL_BYTES).1).into_owned()
        };
        Ok(Observation::Ran {
            exit,
            stdout: tail(&output.stdout),
            stderr: tail(&output.stderr),
        })
    }

    fn probe(&mut self, probe: &Probe) -> Verdict {
        self.ask_probe(probe)
            .unwrap_or_else(|message| Verdict::Broken { message })
    }

    fn ask_probe(&mut self, probe: &Probe) -> Result<Verdict, String> {
        let argv = [
            self.probe.to_string_lossy().into_owned(),
            "run".into(),
            serde_json::to_string(probe).map_err(text)?,
        ];
        let (exit, process) = self.run_to_end(&argv, Instant::now() + PROBE_DEADLINE)?;
        let output = process.into_output();
        match exit {
            Some(Exit::Status(0)) => serde_json::from_slice(output.stdout.tail(usize::MAX).1)
                .map_err(|error| format!("the probe's verdict cannot be read: {error}")),
            Some(Exit::Signal(signal)) => Ok(Verdict::Killed { signal }),
            Some(Exit::Status(status)) => Err(format!(
                "the probe ended with status {status}: {}",
                String::from_utf8_lossy(output.stderr.tail(1024).1).trim()
            )),
            None => Err(format!(
                "no verdict within {} s: the probe hangs",
                PROBE_DEADLINE.as_secs()
            )),
        }
    }

    /// `None` when the deadline passed and it was killed.
    fn run_to_end(
        &mut self,
        argv: &[String],
        deadline: Instant,
    ) -> Result<(Option<Exit>, Process), String> {
        let supervisor = &mut self.supervisor;
        let id = supervisor.spawn(argv).map_err(text)?;
        let ended = |all: &Supervisor| all.process(id).exit();
        let exit = supervisor.wait(deadline, ended).map_err(text)?;
        if exit.is_none() {
            supervisor.process(id).kill_group().map_err(text)?;
            let deadline = Instant::now() + KILL_DEADLINE;
            supervisor.wait(deadline, ended).map_err(text)?;
        }
        Ok((exit, supervisor.take(id)))
    }
}

fn after(milliseconds: u64) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err asks for"
)]
fn text(error: impl ToString) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests;
