//! One cell's conversation with the guest.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use harness_proto::{Action, GuestMessage, HostMessage, LogStream, Observation, wire};
use serde::Serialize;

use crate::{
    expand::deadline_ms,
    expectation::Program,
    vm::{Machine, Received},
};

/// How often the start line is repeated: bytes of it can be lost.
const REPEAT_START: Duration = Duration::from_millis(300);
/// How long a restored guest may take to answer.
const ANSWER: Duration = Duration::from_secs(20);
/// What the guest may take for an action beyond the action's own deadline,
/// and for sending its logs.
const SLACK: Duration = Duration::from_secs(20);

/// What the guest said of one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// In the order in which they came.
    pub records: Vec<Record>,
    /// What the processes of the cell wrote.
    pub logs: BTreeMap<(String, LogStream), String>,
    /// How the conversation ended.
    pub end: End,
    /// Lines after the start that did not survive the serial port.
    pub damaged: usize,
}

/// The account of one action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// Index of the action.
    pub index: u32,
    /// What was seen.
    pub observation: Observation,
    /// How long it took.
    pub micros: u64,
}

/// How a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The runner got to the end.
    Final {
        /// The nonce it was given.
        nonce: String,
        /// How many records it sent.
        records: u32,
    },
    /// The runner gave up.
    Fatal(String),
    /// The machine is gone.
    Closed,
    /// The start line was never answered.
    NeverStarted,
    /// Nothing came for longer than anything may take.
    Silent(Duration),
    /// An intact line that is no message, or has no place here.
    Foreign(String),
}

/// What the guest is told at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Names the program in the guest.
    pub program: String,
    /// Fresh for each cell.
    pub nonce: String,
    /// For the guest's random pool.
    pub seed: u64,
}

impl Start {
    /// With a nonce and a seed from the system's random source.
    pub fn fresh(program: String) -> Result<Self, getrandom::Error> {
        let (high, low) = (getrandom::u64()?, getrandom::u64()?);
        Ok(Self {
            program,
            nonce: format!("{high:016x}{low:016x}"),
            seed: getrandom::u64()?,
        })
    }

    /// With a nonce from the system's random source, which nothing in the guest
    /// can know, and a seed of the caller's.
    pub fn seeded(program: String, seed: u64) -> Result<Self, getrandom::Error> {
        Ok(Self {
            seed,
            ..Self::fresh(program)?
        })
    }

    fn line(&self) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        wire::encode(&HostMessage::Start {
            cell: self.program.clone(),
            nonce: self.nonce.clone(),
            seed: self.seed,
            unix_time_ns: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
        })
    }
}

/// Have the guest run a program and listen until it ends, one way or another.
pub fn drive(machine: &mut dyn Machine, start: &Start, program: &Program) -> Transcript {
    let mut transcript = Transcript {
        records: Vec::new(),
        logs: BTreeMap::new(),
        end: End::Closed,
        damaged: 0,
    };
    transcript.end = match answer(machine, start) {
        Ok(()) => listen(machine, program, &mut transcript),
        Err(end) => end,
    };
    transcript
}

/// Stop the machine for a while, and tell the guest, which waits for that.
fn suspend(machine: &mut dyn Machine, for_ms: u64) -> Result<(), String> {
    let suspended = machine.suspend(Duration::from_millis(for_ms));
    suspended.map_err(|error| error.to_string())?;
    let told = machine.send(&wire::encode(&HostMessage::Resumed));
    told.map_err(|error| format!("tell the guest that it goes on: {error}"))
}

/// Repeat the start line until it is answered.
pub(crate) fn answer(machine: &mut dyn Machine, start: &Start) -> Result<(), End> {
    let give_up = Instant::now() + ANSWER;
    while Instant::now() < give_up {
        machine.send(&start.line()).map_err(|_| End::Closed)?;
        let repeat = Instant::now() + REPEAT_START;
        loop {
            let line = match machine.receive(repeat) {
                Received::Line(line) => line,
                Received::Deadline => break,
                Received::Closed => return Err(End::Closed),
            };
            match wire::decode(&line) {
                Ok(GuestMessage::Started { nonce }) if nonce == start.nonce => return Ok(()),
                Ok(GuestMessage::Fatal { message }) => return Err(End::Fatal(message)),
                // A Hello from before the snapshot, or the rest of one.
                Ok(_) | Err(_) => {}
            }
        }
    }
    Err(End::NeverStarted)
}

fn listen(machine: &mut dyn Machine, program: &Program, transcript: &mut Transcript) -> End {
    let mut suspended = usize::MAX;
    loop {
        let next = program.actions.get(transcript.records.len());
        let own = next.map_or(0, |planned| deadline_ms(&planned.action));
        if let Some(Action::Suspend { for_ms }) = next.map(|planned| &planned.action)
            && suspended != transcript.records.len()
        {
            suspended = transcript.records.len();
            if let Err(error) = suspend(machine, *for_ms) {
                return End::Fatal(error);
            }
        }
        let patience = Duration::from_millis(own) + SLACK;
        let line = match machine.receive(Instant::now() + patience) {
            Received::Line(line) => line,
            Received::Deadline => return End::Silent(patience),
            Received::Closed => return End::Closed,
        };
        match wire::decode(&line) {
            Ok(GuestMessage::Record {
                index,
                observation,
                micros,
            }) => transcript.records.push(Record {
                index,
                observation,
                micros,
            }),
            Ok(GuestMessage::Log {
                process,
                stream,
                text,
                omitted,
            }) => {
                let log = transcript.logs.entry((process, stream)).or_default();
                if omitted > 0 {
                    let _ = writeln!(log, "[{omitted} bytes left out]");
                }
                log.push_str(&text);
            }
            Ok(GuestMessage::Final { nonce, records }) => return End::Final { nonce, records },
            Ok(GuestMessage::Fatal { message }) => return End::Fatal(message),
            // The start line was repeated, so the answer may be, too.
            Ok(GuestMessage::Started { .. }) => {}
            Ok(GuestMessage::Hello { .. }) => {
                return End::Foreign("the guest started again in the middle of the cell".into());
            }
            Err(wire::WireError::Damaged { .. }) => transcript.damaged += 1,
            Err(error @ wire::WireError::Foreign { .. }) => return End::Foreign(error.to_string()),
        }
    }
}
