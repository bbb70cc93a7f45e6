//! Many attempts in a row, by processes that stay.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use harness_proto::batch::{Attempt, Batch, Batched};
use harness_proto::{Exit, Observation, Probe, RunAs, Verdict};

use super::{KILL_DEADLINE, after, await_end, text};
use crate::supervise::{ProcessId, Supervisor};

/// So many attempts are told at once: a line must fit into a pipe, and so must
/// the answers.
const TOLD: usize = 64;

/// The processes that try, by as whom, as JSON.
#[derive(Debug, Default)]
pub(super) struct Doers(BTreeMap<String, ProcessId>);

impl Doers {
    pub(super) fn run(
        &mut self,
        supervisor: &mut Supervisor,
        probe: &Path,
        batch: &Batch,
    ) -> Result<Observation, String> {
        let deadline = after(batch.deadline_ms);
        let mut came = Batched::default();
        while let Some(Attempt { by, .. }) = batch.attempts.get(came.codes.len()) {
            let run_as = batch.doers.get(*by).ok_or("a batch has no such doer")?;
            // Those that come now and are of the same doer.
            let probes: Vec<&Probe> = batch.attempts[came.codes.len()..]
                .iter()
                .take_while(|next| next.by == *by)
                .take(TOLD)
                .map(|next| &next.probe)
                .collect();
            let (id, name) = self.doer(supervisor, probe, run_as)?;
            let verdicts = ask(supervisor, id, &probes, deadline)?;
            let all = verdicts.len() == probes.len();
            for verdict in verdicts {
                came.push(verdict);
            }
            if !all {
                self.0.remove(&name);
                let exit = await_end(supervisor, id, Instant::now() + KILL_DEADLINE)?;
                came.push(ended(exit));
                supervisor.take(id);
            }
        }
        Ok(Observation::Batched(came))
    }

    fn doer(
        &mut self,
        supervisor: &mut Supervisor,
        probe: &Path,
        run_as: &RunAs,
    ) -> Result<(ProcessId, String), String> {
        let name = serde_json::to_string(run_as).map_err(text)?;
        if let Some(id) = self.0.get(&name) {
            return Ok((*id, name));
        }
        let probe = probe.to_string_lossy();
        let program = run_as.program.as_deref().unwrap_or(&probe);
        let argv = [program.to_owned(), "serve".to_owned(), name.clone()];
        let id = supervisor.spawn_listening(&argv).map_err(text)?;
        self.0.insert(name.clone(), id);
        Ok((id, name))
    }
}

/// What came of them; fewer when the doer ended before the last.
fn ask(
    supervisor: &mut Supervisor,
    id: ProcessId,
    probes: &[&Probe],
    deadline: Instant,
) -> Result<Vec<Verdict>, String> {
    let process = supervisor.process(id);
    let mut place = process.output().stdout.end();
    let line = serde_json::to_string(probes).map_err(text)? + "\n";
    process
        .tell(&line)
        .map_err(|error| format!("tell a doer what to try: {error}"))?;
    let mut verdicts = Vec::new();
    let done = supervisor
        .wait(deadline, |all| {
            let process = all.process(id);
            // Asked before the lines: what it said before it ended counts.
            let exit = process.exit();
            loop {
                match process.output().stdout.line_at(place) {
                    Err(forgotten) => return Some(Err(text(forgotten))),
                    Ok(None) => break,
                    Ok(Some((line, next))) => {
                        place = next;
                        match serde_json::from_slice(line) {
                            Ok(verdict) => verdicts.push(verdict),
                            Err(error) => return Some(Err(text(error))),
                        }
                    }
                }
            }
            (verdicts.len() >= probes.len() || exit.is_some()).then_some(Ok(()))
        })
        .map_err(text)?;
    done.unwrap_or_else(|| {
        let probe = probes.get(verdicts.len());
        Err(format!("{probe:?} did not come to an end in time"))
    })?;
    Ok(verdicts)
}

/// What came of the attempt during which a doer ended.
fn ended(exit: Option<Exit>) -> Verdict {
    match exit {
        Some(Exit::Signal(signal)) => Verdict::Killed { signal },
        other => Verdict::Broken {
            message: format!("the doer ended: {other:?}"),
        },
    }
}
