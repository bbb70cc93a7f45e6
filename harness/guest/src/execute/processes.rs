//! The processes of a cell, by name.

use std::collections::BTreeMap;
use std::time::Instant;

use harness_proto::Observation;
use harness_proto::action::matches_subset;
use serde_json::Value;

use super::text;
use crate::supervise::{Forgotten, LineSearch, Output, ProcessId, Supervisor, Transcript};

const SIGSTOP: i32 = 19;

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

/// The lines an account is made of.
pub(super) struct Counted<'a> {
    pub(super) matches: &'a Value,
    pub(super) number: &'a str,
    pub(super) summary: &'a Value,
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

    /// Woken by the signal of a child that stopped, which only a supervisor
    /// with orphans, as of PID 1, receives.
    pub(super) fn stop(
        &self,
        supervisor: &mut Supervisor,
        name: &str,
        deadline: Instant,
    ) -> Result<Observation, String> {
        self.signal(supervisor, name, SIGSTOP)?;
        let id = self.get(name)?.process;
        let stopped = supervisor
            .wait(deadline, |all| {
                let process = all.process(id);
                match (process.is_stopped(), process.exit()) {
                    (Ok(true), _) => Some(Ok(())),
                    (Ok(false), None) => None,
                    (Ok(false), Some(_)) => Some(Err("it has ended".to_owned())),
                    (Err(error), _) => Some(Err(error.to_string())),
                }
            })
            .map_err(text)?;
        match stopped {
            Some(Ok(())) => Ok(Observation::Done),
            Some(Err(error)) => Err(format!("stop {name}: {error}")),
            None => Err(format!("stop {name}: it has not stopped in time")),
        }
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

    pub(super) fn tally(
        &self,
        supervisor: &mut Supervisor,
        names: &[String],
        counted: &Counted<'_>,
        deadline: Instant,
    ) -> Result<Observation, String> {
        let mut ids = Vec::new();
        for name in names {
            let id = self.get(name)?.process;
            let silent = supervisor.wait(deadline, |all| all.process(id).is_silent().then_some(()));
            if silent.map_err(text)?.is_none() {
                return Err(format!(
                    "{name} is still running, so its account is not complete"
                ));
            }
            ids.push(id);
        }
        let outputs = ids
            .iter()
            .map(|id| &supervisor.process(*id).output().stdout);
        account(outputs, counted).map_err(text)
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

    /// Which child has this name now.
    pub(super) fn id(&self, name: &str) -> Result<ProcessId, String> {
        self.get(name).map(|named| named.process)
    }

    fn get(&self, name: &str) -> Result<&Named, String> {
        self.0
            .get(name)
            .ok_or_else(|| format!("no process called {name} was started"))
    }
}

/// What all of some outputs come to. A process that was ended may have said
/// something that it could not note as said: the next one says it again.
fn account<'a>(
    outputs: impl Iterator<Item = &'a Transcript>,
    counted: &Counted<'_>,
) -> Result<Observation, Forgotten> {
    let (mut count, mut gaps) = (0, 0);
    let mut last_number = None;
    let mut summary = None;
    for output in outputs {
        let said_before = last_number;
        let mut place = 0;
        while let Some((line, next)) = output.line_at(place)? {
            place = next;
            let Ok(value) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            if matches_subset(&value, counted.matches) {
                let number = value.get(counted.number).and_then(Value::as_u64);
                if number.is_some() && number <= said_before {
                    continue;
                }
                let follows = match (count, last_number, number) {
                    (0, _, Some(_)) => true,
                    (_, Some(last), Some(number)) => number == last + 1,
                    _ => false,
                };
                gaps += u64::from(!follows);
                count += 1;
                last_number = number;
            }
            if matches_subset(&value, counted.summary) {
                summary = Some(value);
            }
        }
    }
    Ok(Observation::Tally {
        count,
        gaps,
        summary,
    })
}

#[cfg(test)]
mod tests {
    use super::{Counted, account};
    use crate::supervise::Transcript;
    use harness_proto::Observation;
    use serde_json::json;

    #[test]
    fn lines_are_counted_and_their_numbers_followed() {
        let check = |numbers: &[&str], count, gaps| {
            let mut output = Transcript::default();
            for number in numbers {
                output.append(format!("{{\"ring\":\"a\",\"seq\":{number}}}\n").as_bytes());
                output.append(b"{\"ring\":\"b\",\"seq\":900}\nnoise\n");
            }
            output.append(b"{\"type\":\"end\",\"n\":1}\n");
            let (matches, summary) = (json!({"ring": "a"}), json!({"type": "end"}));
            let counted = Counted {
                matches: &matches,
                number: "seq",
                summary: &summary,
            };
            let expected = Observation::Tally {
                count,
                gaps,
                summary: Some(json!({"type": "end", "n": 1})),
            };
            let found = account([&output].into_iter(), &counted);
            assert_eq!(found, Ok(expected), "{numbers:?}");
        };
        check(&[], 0, 0);
        check(&["7", "8", "9"], 3, 0);
        check(&["7", "9", "10"], 3, 1);
        check(&["7", "7"], 2, 1);
        check(&["7", "null", "8"], 3, 2);
        check(&["\"x\""], 1, 1);
    }

    #[test]
    fn what_the_next_process_says_again_is_counted_once() {
        let check = |processes: &[&[u64]], count, gaps| {
            let outputs: Vec<Transcript> = processes
                .iter()
                .map(|numbers| {
                    let mut output = Transcript::default();
                    for number in *numbers {
                        output.append(format!("{{\"seq\":{number}}}\n").as_bytes());
                    }
                    output
                })
                .collect();
            let counted = Counted {
                matches: &json!({}),
                number: "seq",
                summary: &json!({"type": "end"}),
            };
            let expected = Observation::Tally {
                count,
                gaps,
                summary: None,
            };
            let found = account(outputs.iter(), &counted);
            assert_eq!(found, Ok(expected), "{processes:?}");
        };
        check(&[&[0, 1, 2], &[3, 4]], 5, 0);
        check(&[&[0, 1, 2], &[2, 3]], 4, 0);
        check(&[&[0, 1, 2], &[4]], 4, 1);
        check(&[&[0, 1, 2], &[2, 2, 3, 3]], 5, 1);
        check(&[&[0, 1], &[], &[1, 2]], 3, 0);
    }
}
