//! One action, one observation.

mod batch;
mod probes;
mod processes;
mod soak;
mod storm;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness_proto::{Action, Exit, Fault, Observation};

use batch::Doers;
use probes::Probes;
pub use processes::NamedOutput;
use processes::Processes;

use crate::attempt::AttemptError;
use crate::fault::{self, Faults, Scene};
use crate::supervise::{Process, ProcessId, Supervisor};
use crate::{bpf, disk, files, listen, lookup, world};

/// How long the kernel may take to end what was killed.
const KILL_DEADLINE: Duration = Duration::from_secs(5);
/// What [`Observation::Ran`] carries of each output.
const RAN_TAIL_BYTES: usize = 16 * 1024;

/// Carries out the actions of a cell.
#[derive(Debug)]
pub struct Executor {
    supervisor: Supervisor,
    processes: Processes,
    probes: Probes,
    faults: Faults,
    doers: Doers,
}

impl Executor {
    /// With the place of the probe executable.
    pub fn new(supervisor: Supervisor, probe: PathBuf) -> Self {
        Self {
            supervisor,
            processes: Processes::default(),
            doers: Doers::default(),
            probes: Probes::new(probe),
            faults: Faults::default(),
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
        let probes = &mut self.probes;
        match action {
            Action::Mkdir { path } => done(files::make_folder(Path::new(path))).map_err(text),
            Action::WriteFile {
                path,
                content,
                mode,
                blanks,
            } => {
                let content = lookup::fill_in(content, blanks).map_err(text)?;
                done(files::write_file(Path::new(path), &content, *mode)).map_err(text)
            }
            Action::Copy { from, to } => {
                done(files::copy_file(Path::new(from), Path::new(to))).map_err(text)
            }
            Action::Listen { transport, address } => {
                supervisor.listen(listen::Listener::bind(*transport, *address).map_err(text)?);
                Ok(Observation::Done)
            }
            Action::MountDisk {
                device,
                kind,
                target,
                deadline_ms,
            } => {
                let target = Path::new(target);
                done(disk::mount_disk(device, kind, target, after(*deadline_ms))).map_err(text)
            }
            Action::MountMemory { target, bytes } => {
                done(disk::mount_memory(Path::new(target), *bytes)).map_err(text)
            }
            Action::MakeFiles { folder, count } => {
                done(files::make_files(Path::new(folder), *count)).map_err(text)
            }
            Action::RemoveFiles { beneath, prefix } => {
                done(files::remove_files(Path::new(beneath), prefix)).map_err(text)
            }
            Action::Probe(task) => Ok(probes.run(supervisor, task)),
            Action::Hold { name, hold } => Ok(probes.hold(supervisor, name, hold)),
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
                names,
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
                processes.tally(supervisor, names, &counted, after(*deadline_ms))
            }
            Action::Storm(storm) => storm::run(supervisor, processes, probes.executable(), storm),
            Action::Inject {
                name,
                fault,
                process,
                deadline_ms,
            } => self.inject(name, fault, process, after(*deadline_ms)),
            Action::Lift { name } => self.faults.lift(name).map(|()| Observation::Done),
            Action::Suspend { .. } => Err("only the session can ask for that".into()),
            Action::Soak(soak) => soak::run(supervisor, processes, probes.executable(), soak),
            Action::MakeWorld(it) => done(world::make(it, probes.executable())).map_err(text),
            Action::EndWorld { root } => done(world::end(Path::new(root))).map_err(text),
            Action::Batch(batch) => self.doers.run(supervisor, probes.executable(), batch),
            Action::Run { argv, deadline_ms } => self.run(argv, after(*deadline_ms)),
            Action::ListBpfLinks => bpf::links().map(Observation::BpfLinks).map_err(text),
        }
    }

    fn inject(
        &mut self,
        name: &str,
        fault: &Fault,
        process: &str,
        deadline: Instant,
    ) -> Result<Observation, String> {
        let process = fault.is_of_process().then(|| self.processes.id(process));
        let scene = Scene {
            process: process.transpose()?,
            supervisor: &mut self.supervisor,
            probe: self.probes.executable(),
            deadline,
        };
        let guard = fault::inject(fault, scene).map_err(text)?;
        self.faults.add(name, guard);
        Ok(Observation::Done)
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
        let (exit, process) = run_to_end(&mut self.supervisor, argv, deadline)?;
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
}

/// `None` when the deadline passed and it was killed.
fn run_to_end(
    supervisor: &mut Supervisor,
    argv: &[String],
    deadline: Instant,
) -> Result<(Option<Exit>, Process), String> {
    let id = supervisor.spawn(argv).map_err(text)?;
    let exit = await_end(supervisor, id, deadline)?;
    Ok((exit, supervisor.take(id)))
}

/// `None` when the deadline passed and it was killed.
fn await_end(
    supervisor: &mut Supervisor,
    id: ProcessId,
    deadline: Instant,
) -> Result<Option<Exit>, String> {
    let ended = |all: &Supervisor| all.process(id).exit();
    let exit = supervisor.wait(deadline, ended).map_err(text)?;
    if exit.is_none() {
        supervisor.process(id).kill_group().map_err(text)?;
        let deadline = Instant::now() + KILL_DEADLINE;
        supervisor.wait(deadline, ended).map_err(text)?;
    }
    Ok(exit)
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
