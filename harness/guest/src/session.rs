//! Hello, Start, one cell, Final.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use harness_proto::{
    Action, CellProgram, Facts, GuestMessage, HostMessage, LogStream, Observation, PROTOCOL_VERSION,
};
use thiserror::Error;

use crate::attempt::{Attempt, AttemptError};
use crate::execute::Executor;
use crate::fresh::Freshen;
use crate::port::Port;
use crate::supervise::Transcript;

/// Often enough that a host that has just connected does not wait for it.
const HELLO_PERIOD: Duration = Duration::from_millis(250);
/// How much longer than it is to last a suspension may take.
const RESUMPTION: Duration = Duration::from_secs(15);
/// What is shipped of each output of a process.
const LOG_TAIL_BYTES: usize = 128 * 1024;
/// The text of one [`GuestMessage::Log`].
const LOG_PIECE_BYTES: usize = 4 * 1024;

/// Why a cell could not be run to its end.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The port failed.
    #[error("talk to the host: {0}")]
    Port(#[from] io::Error),
    /// A file, the clock.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// The host asks for something that cannot be the name of a file.
    #[error("the name of the cell is {0:?}, but it must be that of a file, without '/'")]
    Name(String),
    /// Not a program of this protocol.
    #[error(
        "{path} is not a program of protocol {PROTOCOL_VERSION}: {source}; \
         build the initramfs again"
    )]
    Program {
        /// The file.
        path: String,
        /// What the parser said.
        source: serde_json::Error,
    },
}

/// Serve one cell: until [`GuestMessage::Final`] is sent.
pub fn serve(
    port: &mut Port,
    facts: &Facts,
    cells: &Path,
    machine: &impl Freshen,
    executor: &mut Executor,
) -> Result<(), SessionError> {
    let HostMessage::Start {
        cell,
        nonce,
        seed,
        unix_time_ns,
    } = await_start(port, facts)?
    else {
        return Err(io::Error::from(io::ErrorKind::InvalidData).into());
    };
    machine.freshen(unix_time_ns, seed)?;
    let program = load(cells, &cell)?;
    port.send(&GuestMessage::Started {
        nonce: nonce.clone(),
    })?;

    let mut records = 0;
    for action in &program.actions {
        let start = Instant::now();
        let observation = match action {
            Action::Suspend { for_ms } => await_resumption(port, *for_ms)?,
            action => executor.execute(action),
        };
        port.send(&GuestMessage::Record {
            index: records,
            observation,
            micros: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
        })?;
        records += 1;
    }
    for named in executor.outputs()? {
        let streams = [
            (LogStream::Stdout, &named.output.stdout),
            (LogStream::Stderr, &named.output.stderr),
        ];
        for (stream, transcript) in streams {
            for message in log_messages(named.name, stream, transcript) {
                port.send(&message)?;
            }
        }
    }
    port.send(&GuestMessage::Final { nonce, records })?;
    Ok(())
}

/// Hello until the host answers. The snapshot is taken in between: to the
/// restored machine the host is silent for a moment, then it says Start.
fn await_start(port: &mut Port, facts: &Facts) -> io::Result<HostMessage> {
    loop {
        port.send(&GuestMessage::Hello {
            protocol: PROTOCOL_VERSION,
            facts: facts.clone(),
        })?;
        if let Some(start) = port.receive(HELLO_PERIOD)? {
            return Ok(start);
        }
    }
}

/// The host knows that this is the next action, and does it. The time that it
/// takes passes here or does not, as the machine's clock has it.
fn await_resumption(port: &mut Port, for_ms: u64) -> io::Result<Observation> {
    let deadline = Instant::now() + RESUMPTION + Duration::from_millis(for_ms);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match port.receive(left)? {
            Some(HostMessage::Resumed) => return Ok(Observation::Done),
            // It was repeated, for want of an answer that has come meanwhile.
            Some(HostMessage::Start { .. }) => {}
            None => {
                let problem =
                    "the host did not suspend this machine, or did not say that it goes on";
                return Ok(Observation::Broken {
                    message: problem.into(),
                });
            }
        }
    }
}

fn load(cells: &Path, cell: &str) -> Result<CellProgram, SessionError> {
    if cell.is_empty() || cell.contains(['/', '\0']) {
        return Err(SessionError::Name(cell.to_owned()));
    }
    let path = cells.join(format!("{cell}.json"));
    let text = fs::read(&path).attempt(|| format!("read the cell {}", path.display()))?;
    serde_json::from_slice(&text).map_err(|source| SessionError::Program {
        path: path.display().to_string(),
        source,
    })
}

fn log_messages(name: &str, stream: LogStream, transcript: &Transcript) -> Vec<GuestMessage> {
    let (mut omitted, tail) = transcript.tail(LOG_TAIL_BYTES);
    let text = String::from_utf8_lossy(tail);
    let mut rest = text.as_ref();
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(LOG_PIECE_BYTES));
        rest = behind;
        messages.push(GuestMessage::Log {
            process: name.to_owned(),
            stream,
            text: piece.to_owned(),
            omitted: std::mem::take(&mut omitted),
        });
    }
    messages
}

#[cfg(test)]
mod tests;
