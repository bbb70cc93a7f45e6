//! A mixed load for a long time, while the agent is looked at again and again.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use harness_proto::Observation;
use harness_proto::action::matches_subset;
use harness_proto::soak::{Sample, Soak, Soaked};
use rustix::process::Pid;
use serde_json::Value;

use super::processes::Processes;
use super::{KILL_DEADLINE, await_end, text};
use crate::supervise::{ProcessId, Supervisor, Transcript};
use crate::{bpf, files};

/// Load, look, give policies, stop, and count.
pub(super) fn run(
    supervisor: &mut Supervisor,
    processes: &Processes,
    probe: &Path,
    soak: &Soak,
) -> Result<Observation, String> {
    let argument = serde_json::to_string(&soak.load).map_err(text)?;
    let argv = [probe.to_string_lossy().into(), "load".to_owned(), argument];
    let mut soaking = Soaking {
        agent: processes.id(&soak.agent)?,
        load: supervisor.spawn_listening(&argv).map_err(text)?,
        supervisor,
        soak,
        watch: Watch::default(),
        soaked: Soaked::default(),
    };
    // What the agent and the load have counted is worth knowing all the same.
    let trouble = soaking.all().err();
    let stopped = soaking.stop_load();
    let ended = soaking.end_agent();
    let trouble = trouble.or(stopped.err()).or(ended.err());
    let (watch, mut soaked) = (soaking.watch, soaking.soaked);
    soaked.trouble = trouble;
    soaked.lines = watch.lines;
    soaked.gaps = watch.gaps;
    soaked.canaries = watch.canaries;
    soaked.degraded = watch.degraded;
    soaked.summary = watch.summary;
    Ok(Observation::Soaked(Box::new(soaked)))
}

struct Soaking<'a> {
    supervisor: &'a mut Supervisor,
    soak: &'a Soak,
    agent: ProcessId,
    load: ProcessId,
    watch: Watch,
    soaked: Soaked,
}

impl Soaking<'_> {
    fn all(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let end = begun + Duration::from_millis(self.soak.duration_ms);
        let mut policies = self.soak.swap.policies.iter().cycle();
        for look in 1_u32.. {
            let next = begun + Duration::from_millis(self.soak.sample_ms) * look;
            if next > end {
                break;
            }
            self.wait_until(next)?;
            if look.is_multiple_of(self.soak.swap_every.max(1))
                && let Some(policy) = policies.next()
            {
                self.swap(policy)?;
                self.soaked.swaps += 1;
            }
            let sample = self.look(begun)?;
            self.soaked.samples.push(sample);
        }
        Ok(())
    }

    /// Taking in what is said meanwhile, of which not too much is kept.
    fn wait_until(&mut self, moment: Instant) -> Result<(), String> {
        let (agent, load) = (self.agent, self.load);
        let (watch, soak) = (&mut self.watch, self.soak);
        let early = self.supervisor.wait(moment, |all| {
            let exits = [("the agent", agent), ("the load", load)];
            let ended = exits.map(|(who, id)| all.process(id).exit().map(|exit| (who, exit)));
            if let Err(problem) = watch.take_in(&all.process(agent).output().stdout, soak) {
                return Some(problem);
            }
            let (who, exit) = ended.into_iter().flatten().next()?;
            Some(format!("{who} ended: {exit:?}"))
        });
        early.map_err(text)?.map_or(Ok(()), Err)
    }

    fn swap(&mut self, policy: &str) -> Result<(), String> {
        let swap = &self.soak.swap;
        files::write_file(Path::new(&swap.policy_path), policy, 0o600).map_err(text)?;
        let agent = self.agent;
        self.watch.answer = None;
        let process = self.supervisor.process(agent);
        process.signal(swap.signal).map_err(text)?;
        let (watch, soak) = (&mut self.watch, self.soak);
        let deadline = Instant::now() + Duration::from_millis(soak.patience_ms);
        let answered = self.supervisor.wait(deadline, |all| {
            let took = watch.take_in(&all.process(agent).output().stdout, soak);
            took.err().map(Err).or_else(|| watch.answer.take().map(Ok))
        });
        match answered.map_err(text)?.transpose()? {
            Some(answer) if matches_subset(&answer, &swap.applied) => Ok(()),
            Some(answer) => Err(format!("a policy was not taken: {answer}")),
            None => Err("the agent did not answer to a policy in time".into()),
        }
    }

    fn look(&self, begun: Instant) -> Result<Sample, String> {
        let pid = self.supervisor.process(self.agent).pid();
        let (resident_kib, threads) = status(pid)?;
        let maps = bpf::maps().map_err(text)?;
        let at_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Sample {
            at_ms,
            resident_kib,
            descriptors: descriptors(pid)?,
            threads,
            maps: maps.count,
            map_kib: maps.bytes.div_ceil(1024),
            links: bpf::links().map_err(text)?.len() as u64,
            lines: self.watch.lines,
        })
    }

    fn stop_load(&mut self) -> Result<(), String> {
        let process = self.supervisor.process(self.load);
        process.tell("stop\n").map_err(text)?;
        let deadline = Instant::now() + KILL_DEADLINE;
        await_end(self.supervisor, self.load, deadline)?.ok_or("the load does not stop")?;
        let output = &self.supervisor.process(self.load).output().stdout;
        let (_, bytes) = output.tail(usize::MAX);
        let last = bytes.rsplit(|byte| *byte == b'\n').nth(1);
        let last = last.ok_or("the load said nothing")?;
        self.soaked.tried = serde_json::from_slice(last).map_err(text)?;
        Ok(())
    }

    fn end_agent(&mut self) -> Result<(), String> {
        let agent = self.agent;
        let process = self.supervisor.process(agent);
        process.signal(self.soak.stop).map_err(text)?;
        let (watch, soak) = (&mut self.watch, self.soak);
        let deadline = Instant::now() + Duration::from_millis(soak.patience_ms);
        let ended = self.supervisor.wait(deadline, |all| {
            // Asked before the lines: it may fall silent between the two.
            let silent = all.process(agent).is_silent();
            let took = watch.take_in(&all.process(agent).output().stdout, soak);
            took.err().map(Err).or(silent.then_some(Ok(())))
        });
        let late = || Err("the agent did not stop in time".to_owned());
        ended.map_err(text)?.unwrap_or_else(late)
    }
}

/// Looks once at each line of the agent.
#[derive(Default)]
struct Watch {
    place: u64,
    lines: u64,
    gaps: u64,
    last: Option<u64>,
    canaries: u64,
    degraded: u64,
    answer: Option<Value>,
    summary: Option<Value>,
}

impl Watch {
    fn take_in(&mut self, output: &Transcript, soak: &Soak) -> Result<(), String> {
        while let Some((line, next)) = output.line_at(self.place).map_err(text)? {
            self.place = next;
            if let Ok(line) = serde_json::from_slice(line) {
                self.one(line, soak);
            }
        }
        Ok(())
    }

    fn one(&mut self, line: Value, soak: &Soak) {
        if matches_subset(&line, &soak.records) {
            let number = line.get(&soak.number).and_then(Value::as_u64);
            let due = self.last.map_or(number, |last| Some(last + 1));
            self.gaps += u64::from(number.is_none() || number != due);
            self.last = number;
            self.lines += 1;
            self.canaries += u64::from(matches_subset(&line, &soak.canary));
        } else if matches_subset(&line, &soak.degraded) {
            self.degraded += 1;
        } else if matches_subset(&line, &soak.swap.answer) {
            self.answer = Some(line);
        } else if matches_subset(&line, &soak.summary) {
            self.summary = Some(line);
        }
    }
}

/// Resident memory in KiB, and threads.
fn status(pid: Pid) -> Result<(u64, u64), String> {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name));
        let number = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| format!("{path} has no number {name}"))
    };
    Ok((field("VmRSS:")?, field("Threads:")?))
}

fn descriptors(pid: Pid) -> Result<u64, String> {
    let path = format!("/proc/{}/fd", pid.as_raw_nonzero());
    let entries = fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
    Ok(entries.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::{Watch, descriptors, status};
    use crate::supervise::Transcript;
    use harness_proto::soak::{Load, Soak, Swap};
    use serde_json::json;

    fn soak() -> Soak {
        Soak {
            agent: "agent".into(),
            load: Load {
                probes: Vec::new(),
                round_ms: 1,
            },
            duration_ms: 1,
            sample_ms: 1,
            swap_every: 1,
            swap: Swap {
                policy_path: String::new(),
                policies: Vec::new(),
                signal: 1,
                answer: json!({"type": "policy"}),
                applied: json!({}),
            },
            records: json!({"ring": "denials"}),
            number: "seq".into(),
            canary: json!({"type": "canary"}),
            degraded: json!({"type": "degraded"}),
            summary: json!({"type": "stopped"}),
            stop: 15,
            patience_ms: 1,
        }
    }

    #[test]
    fn every_line_is_counted_once_as_what_it_is() {
        let mut output = Transcript::default();
        let mut watch = Watch::default();
        let mut say = |line: serde_json::Value| {
            output.append(format!("{line}\n").as_bytes());
            watch.take_in(&output, &soak()).unwrap();
        };
        for seq in [7, 8, 10] {
            say(json!({"type": "denial", "ring": "denials", "seq": seq}));
        }
        say(json!({"type": "canary", "ring": "denials", "seq": 11}));
        say(json!({"type": "denial", "ring": "denials"}));
        say(json!({"type": "degraded"}));
        say(json!({"type": "policy", "n": 1}));
        say(json!({"type": "stopped", "n": 2}));
        assert_eq!((watch.lines, watch.gaps, watch.canaries), (5, 2, 1));
        assert_eq!(watch.degraded, 1);
        assert_eq!(watch.answer, Some(json!({"type": "policy", "n": 1})));
        assert_eq!(watch.summary, Some(json!({"type": "stopped", "n": 2})));
    }

    #[test]
    fn a_process_is_measured_as_the_kernel_sees_it() {
        let pid = rustix::process::getpid();
        let (resident, threads) = status(pid).unwrap();
        assert!(resident > 100 && threads >= 1);
        assert!(descriptors(pid).unwrap() >= 3);
        assert!(status(rustix::process::Pid::from_raw(i32::MAX).unwrap()).is_err());
    }
}
