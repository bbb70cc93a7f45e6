//! The processes of a cell, by name.

use std::collections::BTreeMap;
use std::time::Instant;

use harness_proto::Observation;
use serde_json::Value;

use super::text;
use crate::supervise::{LineSearch, Output, ProcessId, Supervisor};

/// One name may be taken by one process after another; their output is one.
#[derive(Debug, Default)]
pub(super) struct Processes(BTreeMap<String, Named>);

#[derive(Debug)]
struct Named {
    process: ProcessId,
    mark: u64,
}

/// The lines an action waits for.
pub(super) struct Wanted<'a> {
    pub(super) matches: &'a Value,
    pub(super) count: u64,
    pub(super) since_mark: bool,
}

/// What the processes of one name have said.
#[derive(Debug)]
pub struct NamedOutput<'a> {
    /// The name given in `Spawn`.
    pub name: &'a str,
    /// Both outputs.
    pub output: &'a Output,
}

impl Processes {
    pub(super) fn spawn(
        &mut self,
        supervisor: &mut Supervisor,
        name: &str,
        argv: &[String],
        ready: &Value,
        deadline: Instant,
    ) -> Result<Observation, String> {
        let (process, mark) = match self.0.get(name) {
            None => (supervisor.spawn(argv).map_err(text)?, 0),
            Some(named) if supervisor.process(named.process).exit().is_none() => {
                return Err(format!("a process called {name} is still running"));
            }
            Some(named) => {
                let process = supervisor.spawn_after(named.process, argv);
                (process.map_err(text)?, named.mark)
            }
        };
        self.0.insert(name.to_owned(), Named { process, mark });
        let start = supervisor.process(process).output().stdout.end();

        let mut search = LineSearch::from(start, ready.clone());
        let seen = supervisor
            .wait(deadline, |all| {
                let child = all.process(process);
                // Asked before the lines: what it said before it ended counts.
                let exit = child.exit();
                match search.advance(&child.output().stdout) {
                    Err(forgotten) => Some(Err(forgotten)),
                    Ok(1..) => Some(Ok(None)),
                    Ok(0) => exit.map(|exit| Ok(Some(exit))),
                }
            })
            .map_err(text)?;
        Ok(Observation::Spawned {
            exit: seen.transpose().map_err(text)?.flatten(),
            ready: search.into_last(),
        })
    }

    pub(super) fn mark(
        &mut self,
        supervisor: &mut Supervisor,
        name: &str,
    ) -> Result<Observation, String> {
        let process = self.get(name)?.process;
        supervisor
            .pump(Some(std::time::Duration::ZERO))
            .map_err(text)?;
        let mark = supervisor.process(process).output().stdout.end();
        self.0.insert(name.to_owned(), Named { process, mark });
        Ok(Observation::Done)
    }

    pub(super) fn signal(
        &self,
        supervisor: &mut Supervisor,
        name: &str,
        signal: i32,
    ) -> Result<Observation, String> {
        let process = supervisor.process(self.get(name)?.process);
        process
            .signal(signal)
            .map_err(|error| format!("send signal {signal} to {name}: {error}"))?;
        Ok(Observation::Done)
    }

    pub(super) fn await_exit(
        &self,
        supervisor: &mut Supervisor,
        name: &str,
        deadline: Instant,
    ) -> Result<Observation, String> {
        let id = self.get(name)?.process;
        let exit = supervisor.wait(deadline, |all| all.process(id).exit());
        Ok(Observation::Exited(exit.map_err(text)?))
    }

    pub(super) fn await_lines(
        &self,
        supervisor: &mut Supervisor,
        name: &str,
        wanted: &Wanted<'_>,
        deadline: Instant,
    ) -> Result<Observation, String> {
        let named = self.get(name)?;
        let start = if wanted.since_mark { named.mark } else { 0 };
        let mut search = LineSearch::from(start, wanted.matches.clone());
        supervisor
            .wait(deadline, |all| {
                let child = all.process(named.process);
                // Asked before the lines: it may fall silent between the two.
                let silent = child.is_silent();
                match search.advance(&child.output().stdout) {
                    Err(forgotten) => Some(Err(forgotten)),
                    Ok(count) => (count >= wanted.count || silent).then_some(Ok(())),
                }
            })
            .map_err(text)?
            .transpose()
            .map_err(text)?;
        Ok(search.into_observation())
    }

    pub(super) fn outputs<'a>(&'a self, supervisor: &'a Supervisor) -> Vec<NamedOutput<'a>> {
        self.0
            .iter()
            .map(|(name, named)| NamedOutput {
                name,
                output: supervisor.process(named.process).output(),
            })
            .collect()
    }

    fn get(&self, name: &str) -> Result<&Named, String> {
        self.0
            .get(name)
            .ok_or_else(|| format!("no process called {name} was started"))
    }
}
