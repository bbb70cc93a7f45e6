//! The outcome of a cell: a pure function of what was expected, what the guest
//! said, and what the kernel wrote on its console.

mod account;
mod action;
pub mod console;
mod splats;
mod storm;

use harness_proto::LogStream;

use crate::{
    expectation::Program,
    outcome::{FailCode, InfraCode, Outcome},
    session::{End, Transcript},
};

pub use console::{Trouble, find_trouble};
pub use splats::{FILE as KNOWN_SPLATS, KnownSplats, SplatsError};

/// Everything that a cell is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What had to be observed.
    pub program: &'a Program,
    /// The nonce that this cell's guest was given.
    pub nonce: &'a str,
    /// What the guest said.
    pub transcript: &'a Transcript,
    /// What the kernel wrote while the cell ran.
    pub console: &'a str,
}

/// Judge one cell, of a kernel of which nothing is let pass.
pub fn judge(evidence: Evidence<'_>) -> Outcome {
    judge_on("", &KnownSplats::default(), evidence)
}

/// Judge one cell of a kernel. What explains more comes first: a panic
/// explains a silent guest, a denied probe a later timeout.
pub fn judge_on(kernel: &str, known: &KnownSplats, evidence: Evidence<'_>) -> Outcome {
    trouble(kernel, known, evidence.console)
        .or_else(|| observations(evidence))
        .or_else(|| ending(evidence))
        .unwrap_or(Outcome::Passed)
}

fn trouble(kernel: &str, known: &KnownSplats, console: &str) -> Option<Outcome> {
    let unknown = |line: &&str| known.allowed(kernel, line).is_none();
    let splat = || console::splats(console).find(unknown).map(Trouble::Splat);
    let trouble = console::panic(console).or_else(splat)?;
    let line = trouble.line();
    let code = match trouble {
        Trouble::Panic(_) => FailCode::KernelPanic,
        Trouble::Splat(_) => FailCode::KernelSplat,
    };
    let mut reason = format!("the console says \"{line}\"");
    if let Some(day) = known.expired(kernel, line) {
        reason = format!("{reason}, which {KNOWN_SPLATS} let pass until {day}");
    }
    Some(Outcome::failed(code, reason))
}

/// The first expectation that was not met. A gap in the records ends the
/// search: nothing behind it can be trusted to belong to its action.
fn observations(evidence: Evidence<'_>) -> Option<Outcome> {
    let mut memory = action::Memory::new(evidence.transcript);
    for (index, (planned, record)) in evidence
        .program
        .actions
        .iter()
        .zip(&evidence.transcript.records)
        .enumerate()
    {
        if usize::try_from(record.index) != Ok(index) {
            return Some(Outcome::failed(
                FailCode::BadFinal,
                format!("record {} came where {index} was due", record.index),
            ));
        }
        if let Err(mut outcome) = memory.check(planned, &record.observation) {
            locate(&mut outcome, index, evidence);
            return Some(outcome);
        }
    }
    None
}

/// In a reason, before what the agent said last.
pub(crate) const LAST_WORDS: &str = "; the agent's last words: ";

/// Says where in the scenario it was, and what the agent said last.
fn locate(outcome: &mut Outcome, index: usize, evidence: Evidence<'_>) {
    let (Outcome::Failed { reason, .. } | Outcome::Infra { reason, .. }) = outcome else {
        return;
    };
    let planned = &evidence.program.actions[index];
    let phase = serde_json::to_value(planned.phase).unwrap_or_default();
    let phase = phase.as_str().unwrap_or_default();
    let step = planned
        .step
        .map(|step| format!(", step {}", step + 1))
        .unwrap_or_default();
    *reason = format!("{phase}{step}: {reason}");
    let stderr = evidence
        .transcript
        .logs
        .iter()
        .filter(|((_, stream), _)| *stream == LogStream::Stderr);
    if let Some(said) = stderr.filter_map(|(_, text)| point(text)).next_back() {
        *reason = format!("{reason}{LAST_WORDS}{said}");
    }
}

/// What matters of what an agent said before it ended: its last line, or, if
/// that ends a log of the kernel's verifier, the line that says which program,
/// and the complaint.
fn point(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines().rev().map(str::trim);
    let mut lines = lines.by_ref().filter(|line| !line.is_empty());
    let last = lines.next()?;
    if !(last.starts_with("processed ") && last.contains(" insns ")) {
        return Some(last.to_owned());
    }
    // Instructions are numbered, states of registers begin with their names.
    let complaint = lines.next().unwrap_or_default();
    let which = stderr.lines().find(|line| line.contains("verifier"));
    let which = which.map(|line| format!("{}: ", line.trim().trim_end_matches(':')));
    Some(which.unwrap_or_default() + complaint)
}

fn ending(evidence: Evidence<'_>) -> Option<Outcome> {
    let Evidence {
        program,
        nonce,
        transcript,
        ..
    } = evidence;
    let (planned, seen) = (program.actions.len(), transcript.records.len());
    let next = || match program.actions.get(seen) {
        Some(planned) => format!(
            "during action {seen} ({})",
            serde_json::to_string(&planned.action).unwrap_or_default()
        ),
        None => "after the last action".into(),
    };
    let failed = |code, reason: String| Some(Outcome::failed(code, reason));
    match &transcript.end {
        End::Final { nonce: found, .. } if found != nonce => failed(
            FailCode::BadFinal,
            "the final record has another nonce: it is not of this cell".into(),
        ),
        End::Final { records, .. } if usize::try_from(*records) != Ok(seen) || seen != planned => {
            failed(
                FailCode::BadFinal,
                format!(
                    "{planned} actions were planned, the guest says that it did {records}, and {seen} records arrived ({} damaged lines)",
                    transcript.damaged
                ),
            )
        }
        End::Final { .. } => None,
        End::Closed => failed(FailCode::GuestDied, format!("the machine ended {}", next())),
        End::Silent(patience) => failed(
            FailCode::Timeout,
            format!("nothing came for {} s {}", patience.as_secs(), next()),
        ),
        End::NeverStarted => failed(
            FailCode::Timeout,
            "the restored guest never answered the start line".into(),
        ),
        End::Fatal(message) => Some(Outcome::infra(
            InfraCode::Harness,
            format!("the guest's runner gave up {}: {message}", next()),
        )),
        End::Foreign(message) => failed(FailCode::BadFinal, message.clone()),
    }
}

#[cfg(test)]
mod tests;
