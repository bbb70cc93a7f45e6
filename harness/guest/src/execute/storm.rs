//! A file that is opened without pause while the agent is given policies, or
//! killed.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use harness_proto::action::matches_subset;
use harness_proto::storm::{Decided, Opener, Opens, Round, Storm, Stormed};
use harness_proto::{Observation, mixed};
use serde_json::Value;

use super::processes::Processes;
use super::{KILL_DEADLINE, after, await_end, text};
use crate::files;
use crate::supervise::{ProcessId, Supervisor, Transcript};

const SIGKILL: i32 = 9;

/// Start the openers, do the rounds, wait for the opens, and count.
pub(super) fn run(
    supervisor: &mut Supervisor,
    processes: &mut Processes,
    probe: &Path,
    storm: &Storm,
) -> Result<Observation, String> {
    let begun = Instant::now();
    let deadline = after(storm.deadline_ms);
    let mut openers = Openers::start(supervisor, probe, storm)?;
    openers.await_lines(supervisor, 1, deadline)?;

    let mut rounds = Rounds {
        supervisor,
        processes,
        storm,
        watch: Watch::new(storm.decided.clone()),
        durations: Vec::new(),
    };
    rounds.begin()?;
    let trouble = rounds.all(deadline).err();
    if trouble.is_none() {
        openers.await_lines(rounds.supervisor, 2, deadline)?;
    }
    let opens = openers.stop(rounds.supervisor)?;
    rounds.look()?;
    let (watch, mut durations) = (rounds.watch, rounds.durations);
    durations.sort_unstable();
    Ok(Observation::Stormed(Box::new(Stormed {
        opens,
        rounds: u32::try_from(durations.len()).unwrap_or(u32::MAX),
        trouble,
        delivered: watch.delivered,
        generations: watch.generations.len() as u64,
        median_us: durations.get(durations.len() / 2).copied().unwrap_or(0),
        longest_us: durations.last().copied().unwrap_or(0),
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    })))
}

/// The processes that open.
struct Openers(Vec<ProcessId>);

impl Openers {
    fn start(supervisor: &mut Supervisor, probe: &Path, storm: &Storm) -> Result<Self, String> {
        let opener = Opener {
            path: storm.path.clone(),
            announce: storm.opens.div_ceil(u64::from(storm.openers.max(1))),
        };
        let argument = serde_json::to_string(&opener).map_err(text)?;
        let argv = [probe.to_string_lossy().into(), "storm".to_owned(), argument];
        let ids = (0..storm.openers).map(|_| supervisor.spawn_listening(&argv).map_err(text));
        ids.collect::<Result<_, _>>().map(Self)
    }

    /// Until each has said so many lines.
    fn await_lines(
        &self,
        supervisor: &mut Supervisor,
        lines: usize,
        deadline: Instant,
    ) -> Result<(), String> {
        let said = supervisor.wait(deadline, |all| {
            let mut states = self.0.iter().map(|id| {
                let process = all.process(*id);
                match process.exit() {
                    Some(exit) => Err(format!("an opener ended too early: {exit:?}")),
                    None => Ok(said(&process.output().stdout) >= lines),
                }
            });
            match states.find(|state| *state != Ok(true)) {
                None => Some(Ok(())),
                Some(Ok(_)) => None,
                Some(Err(problem)) => Some(Err(problem)),
            }
        });
        let late = || Err("the opens took longer than their deadline".to_owned());
        said.map_err(text)?.unwrap_or_else(late)
    }

    /// End them, and add up what each has counted.
    fn stop(&mut self, supervisor: &mut Supervisor) -> Result<Opens, String> {
        let mut all = Opens::default();
        for id in &self.0 {
            supervisor.process(*id).tell("stop\n").map_err(text)?;
        }
        for id in self.0.drain(..) {
            await_end(supervisor, id, Instant::now() + KILL_DEADLINE)?
                .ok_or("an opener does not stop")?;
            let output = supervisor.take(id).into_output();
            let (_, bytes) = output.stdout.tail(usize::MAX);
            let last = bytes.rsplit(|byte| *byte == b'\n').nth(1);
            let last = last.ok_or("an opener said nothing")?;
            all.add(&serde_json::from_slice(last).map_err(text)?);
        }
        Ok(all)
    }
}

fn said(output: &Transcript) -> usize {
    let (_, bytes) = output.tail(usize::MAX);
    memchr::memchr_iter(b'\n', bytes).count()
}

/// What is done meanwhile.
struct Rounds<'a> {
    supervisor: &'a mut Supervisor,
    processes: &'a mut Processes,
    storm: &'a Storm,
    watch: Watch,
    durations: Vec<u64>,
}

impl Rounds<'_> {
    /// What the agent said before is not of this storm.
    fn begin(&mut self) -> Result<(), String> {
        let id = self.processes.id(&self.storm.agent)?;
        self.watch.place = self.supervisor.process(id).output().stdout.end();
        Ok(())
    }

    fn all(&mut self, deadline: Instant) -> Result<(), String> {
        let policies = self.storm.policies.iter().cycle();
        for (number, policy) in (0..self.storm.rounds).zip(policies) {
            if Instant::now() >= deadline {
                return Err(format!("round {number} would begin after the deadline"));
            }
            let begun = Instant::now();
            let path = Path::new(&self.storm.policy_path);
            files::write_file(path, policy, 0o600).map_err(text)?;
            self.one(number)
                .map_err(|problem| format!("round {number}: {problem}"))?;
            let took = begun.elapsed().as_micros();
            self.durations.push(u64::try_from(took).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn one(&mut self, number: u32) -> Result<(), String> {
        let deadline = after(self.storm.round_deadline_ms);
        match &self.storm.round {
            Round::Swap {
                signal,
                answer,
                applied,
            } => self.swap(*signal, (answer, applied), deadline),
            Round::Kill {
                signal,
                within_us,
                seed,
                argv,
                ready,
            } => {
                let micros = mixed(seed.wrapping_add(u64::from(number))) % (within_us + 1);
                self.kill(*signal, Duration::from_micros(micros))?;
                let name = &self.storm.agent;
                let spawned = self
                    .processes
                    .spawn(self.supervisor, name, argv, ready, deadline)?;
                self.look()?;
                match spawned {
                    Observation::Spawned { ready: Some(_), .. } => Ok(()),
                    other => Err(format!("it did not get ready: {other:?}")),
                }
            }
        }
    }

    fn swap(
        &mut self,
        signal: i32,
        (answer, applied): (&Value, &Value),
        deadline: Instant,
    ) -> Result<(), String> {
        let name = &self.storm.agent;
        let id = self.processes.id(name)?;
        self.processes.signal(self.supervisor, name, signal)?;
        let watch = &mut self.watch;
        let seen = self.supervisor.wait(deadline, |all| {
            let process = all.process(id);
            // Asked before the lines: what it said before it ended counts.
            let exit = process.exit();
            match watch.look(&process.output().stdout, Some(answer)) {
                Err(forgotten) => Some(Err(forgotten)),
                Ok(Some(answer)) => Some(Ok(answer)),
                Ok(None) => exit.map(|exit| Err(format!("it ended: {exit:?}"))),
            }
        });
        match seen.map_err(text)?.transpose()? {
            Some(answer) if matches_subset(&answer, applied) => Ok(()),
            Some(answer) => Err(format!("it answered {answer}")),
            None => Err("it did not answer in time".into()),
        }
    }

    /// Tell it of a policy and end it a moment later, wherever it is then.
    fn kill(&mut self, signal: i32, later: Duration) -> Result<(), String> {
        let name = &self.storm.agent;
        let id = self.processes.id(name)?;
        self.processes.signal(self.supervisor, name, signal)?;
        let moment = Instant::now() + later;
        self.supervisor.wait(moment, |_| None::<()>).map_err(text)?;
        self.processes.signal(self.supervisor, name, SIGKILL)?;
        let silent = |all: &Supervisor| all.process(id).is_silent().then_some(());
        let ended = self.supervisor.wait(Instant::now() + KILL_DEADLINE, silent);
        ended.map_err(text)?.ok_or("it outlives SIGKILL")?;
        self.look()
    }

    fn look(&mut self) -> Result<(), String> {
        let id = self.processes.id(&self.storm.agent)?;
        let output = &self.supervisor.process(id).output().stdout;
        self.watch.look(output, None).map(drop)
    }
}

/// Looks once at each line of the agent.
struct Watch {
    decided: Decided,
    place: u64,
    delivered: u64,
    generations: BTreeSet<u64>,
}

impl Watch {
    const fn new(decided: Decided) -> Self {
        Self {
            decided,
            place: 0,
            delivered: 0,
            generations: BTreeSet::new(),
        }
    }

    /// Look at the lines that have come since, up to one that is an answer.
    fn look(
        &mut self,
        output: &Transcript,
        answer: Option<&Value>,
    ) -> Result<Option<Value>, String> {
        while let Some((line, next)) = output.line_at(self.place).map_err(text)? {
            self.place = next;
            let Ok(value) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            if matches_subset(&value, &self.decided.matches) {
                let generation = value.get(&self.decided.generation);
                self.delivered += 1;
                self.generations.extend(generation.and_then(Value::as_u64));
            } else if answer.is_some_and(|answer| matches_subset(&value, answer)) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::Watch;
    use crate::supervise::Transcript;
    use harness_proto::storm::Decided;
    use serde_json::json;

    #[test]
    fn generations_are_counted_once_each_and_answers_found_between_them() {
        let decided = Decided {
            matches: json!({"type": "denial"}),
            generation: "generation".into(),
        };
        let mut watch = Watch::new(decided);
        let mut output = Transcript::default();
        for generation in [7, 7, 8] {
            let line = json!({"type": "denial", "generation": generation});
            output.append(format!("{line}\nnoise\n").as_bytes());
        }
        output.append(b"{\"type\":\"policy\",\"n\":1}\n{\"type\":\"policy\",\"n\":2}\n");
        let answer = json!({"type": "policy"});
        let mut next = || watch.look(&output, Some(&answer)).unwrap();
        assert_eq!(next(), Some(json!({"type": "policy", "n": 1})));
        assert_eq!(next(), Some(json!({"type": "policy", "n": 2})));
        assert_eq!(next(), None);
        assert_eq!((watch.delivered, watch.generations.len()), (3, 2));
    }
}
