//! A program that leaves no processor to others.

use std::num::NonZeroUsize;

use serde_json::json;

use super::{Guard, Scene, not_in_place};
use crate::attempt::{Attempt, AttemptError};
use crate::schedule::{Priority, set_priority};
use crate::supervise::{LineSearch, ProcessId, Supervisor};

/// Before the spinners; its probes are given it, too.
const RUNNER: Priority = Priority::RealTime(2);

/// The runner comes first, or it would not get to end it.
pub(super) fn starve(scene: Scene<'_>) -> Result<Guard, AttemptError> {
    let Scene {
        supervisor,
        probe,
        deadline,
        ..
    } = scene;
    let attempt = || "take all processors".to_owned();
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    set_priority(RUNNER).attempt(attempt)?;
    let mut pidfds = Vec::new();
    let mut spinners: Vec<ProcessId> = Vec::new();
    for _ in 0..processors {
        let argv = [probe.to_string_lossy().into_owned(), "spin".into()];
        let id = supervisor.spawn(&argv)?;
        pidfds.push(supervisor.process(id).pidfd().attempt(attempt)?);
        spinners.push(id);
    }
    let guard = Guard::new(move || {
        for pidfd in pidfds {
            let killed = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL);
            killed.attempt(|| "end a spinning program".into())?;
        }
        set_priority(Priority::Normal).attempt(|| "give up the priority".into())
    });
    for id in spinners {
        let mut search = LineSearch::from(0, json!({"type": "spinning"}));
        let spins = |all: &Supervisor| match search.advance(&all.process(id).output().stdout) {
            Ok(0) => all.process(id).exit().map(|exit| Err(format!("{exit:?}"))),
            Ok(1..) => Some(Ok(())),
            Err(forgotten) => Some(Err(forgotten.to_string())),
        };
        match supervisor.wait(deadline, spins).attempt(attempt)? {
            Some(Ok(())) => {}
            other => return Err(not_in_place(attempt(), format!("{other:?}"))),
        }
    }
    Ok(guard)
}
