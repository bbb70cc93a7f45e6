//! A mixed load, until there is something on standard input.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use harness_proto::soak::{Load, Tried};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::perform;

/// Say once that it has begun, and what came of it at the end.
pub fn load(load: &Load) -> io::Result<()> {
    let mut tried = vec![Tried::default(); load.probes.len()];
    let round = Duration::from_millis(load.round_ms);
    loop {
        let next = Instant::now() + round;
        for (probe, tried) in load.probes.iter().zip(&mut tried) {
            tried.count(&perform(probe));
        }
        if tried.first().is_some_and(|first| total(first) == 1) {
            say(&tried)?;
        }
        if told_to_stop(next)? {
            return say(&tried);
        }
    }
}

fn total(tried: &Tried) -> u64 {
    tried.allowed + tried.other + tried.denied.values().sum::<u64>()
}

fn told_to_stop(until: Instant) -> io::Result<bool> {
    let stdin = io::stdin();
    let left = until.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&left))? > 0)
}

fn say(tried: &[Tried]) -> io::Result<()> {
    let mut stdout = io::stdout();
    serde_json::to_writer(&mut stdout, tried)?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}
