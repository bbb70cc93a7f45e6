//! A whole session over a socket pair, on the test's own machine.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use harness_proto::{
    Action, CellProgram, Facts, GuestMessage, HostMessage, LogStream, Observation, wire,
};
use serde_json::json;

use super::{LOG_PIECE_BYTES, LOG_TAIL_BYTES, SessionError, load, log_messages, serve};
use crate::attempt::AttemptError;
use crate::execute::Executor;
use crate::fresh::Freshen;
use crate::port::Port;
use crate::supervise::{Supervisor, Transcript};

/// Remembers what it was freshened with: the real one sets the clock.
#[derive(Default)]
struct FakeMachine(Cell<Option<(u64, u64)>>);

impl Freshen for FakeMachine {
    fn freshen(&self, unix_time_ns: u64, seed: u64) -> Result<(), AttemptError> {
        self.0.set(Some((unix_time_ns, seed)));
        Ok(())
    }
}

fn facts() -> Facts {
    Facts {
        release: "6.12".into(),
        lsm: vec!["bpf".into()],
        bpf: true,
        btf: true,
        features: std::collections::BTreeSet::new(),
    }
}

fn program() -> CellProgram {
    let argv = ["/bin/sh", "-c", "echo '{\"type\":\"ready\"}'; echo why >&2"];
    CellProgram {
        actions: vec![
            Action::Spawn {
                name: "agent".into(),
                argv: argv.map(str::to_owned).to_vec(),
                ready: json!({"type": "ready"}),
                deadline_ms: 20_000,
            },
            Action::AwaitExit {
                name: "agent".into(),
                deadline_ms: 20_000,
            },
            Action::Mark {
                name: "nobody".into(),
            },
        ],
    }
}

/// The host's part: damaged bytes, the Start twice, then everything it hears.
fn host(stream: UnixStream, cell: &str) -> Vec<GuestMessage> {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut next = || wire::decode::<GuestMessage>(&lines.next()?.ok()?).ok();
    let hello = next().expect("the guest speaks first");
    let start = wire::encode(&HostMessage::Start {
        cell: cell.into(),
        nonce: "nonce".into(),
        seed: 7,
        unix_time_ns: 9,
    });
    let mut stream = stream;
    stream
        .write_all(format!("x\n{start}{start}").as_bytes())
        .unwrap();
    std::iter::once(hello)
        .chain(std::iter::from_fn(next))
        .collect()
}

fn session(cell: &'static str) -> (Result<(), SessionError>, FakeMachine, Vec<GuestMessage>) {
    let folder = tempfile::tempdir().unwrap();
    let text = serde_json::to_string(&program()).unwrap();
    fs::write(folder.path().join("good.json"), text).unwrap();
    let (outside, inside) = UnixStream::pair().unwrap();
    let host = std::thread::spawn(move || host(outside, cell));
    let machine = FakeMachine::default();
    let mut executor = Executor::new(Supervisor::new(), "/nowhere/probe".into());
    let result = {
        let mut port = Port::on(inside.into());
        serve(&mut port, &facts(), folder.path(), &machine, &mut executor)
    };
    (result, machine, host.join().unwrap())
}

#[test]
fn a_cell_runs_from_hello_to_final() {
    let (result, machine, messages) = session("good");
    result.unwrap();
    assert_eq!(machine.0.get(), Some((9, 7)));
    let mut messages = messages.into_iter().filter(|message| {
        // More than one when the host is slow.
        !matches!(message, GuestMessage::Hello { facts: told, .. } if *told == facts())
    });
    let mut next = || messages.next().expect("one more message");
    let nonce = || "nonce".to_owned();
    assert_eq!(next(), GuestMessage::Started { nonce: nonce() });
    for expected in 0..3 {
        let GuestMessage::Record {
            index, observation, ..
        } = next()
        else {
            panic!("not a record")
        };
        assert_eq!(index, expected);
        let broken = matches!(observation, Observation::Broken { .. });
        assert_eq!(broken, index == 2, "{observation:?}");
    }
    for (stream, text) in [
        (LogStream::Stdout, "{\"type\":\"ready\"}\n"),
        (LogStream::Stderr, "why\n"),
    ] {
        let log = GuestMessage::Log {
            process: "agent".into(),
            stream,
            text: text.into(),
            omitted: 0,
        };
        assert_eq!(next(), log);
    }
    let nonce = nonce();
    assert_eq!(next(), GuestMessage::Final { nonce, records: 3 });
    assert_eq!(messages.next(), None);
}

#[test]
fn a_cell_that_is_not_there_is_never_started() {
    let (result, _, messages) = session("absent");
    assert!(result.unwrap_err().to_string().contains("absent.json"));
    let hello = |message: &GuestMessage| matches!(message, GuestMessage::Hello { .. });
    assert!(messages.iter().all(hello), "{messages:?}");
}

#[test]
fn a_program_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("typo.json"), r#"{"actoins": []}"#).unwrap();
    let check = |cell, part| {
        let error = load(folder.path(), cell).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check("typo", "actoins");
    check("typo", "typo.json");
    check("../typo", "without '/'");
    check("", "without '/'");
}

#[test]
fn a_long_log_is_cut_into_pieces_and_says_what_is_missing() {
    // Two bytes a letter, and one more at the start: every cut is at an odd
    // place, and the tail begins in the middle of a letter.
    let mut transcript = Transcript::default();
    transcript.append("x".as_bytes());
    transcript.append("ä".repeat(LOG_TAIL_BYTES).as_bytes());
    let mut whole = String::new();
    let mut missing = 0;
    for message in log_messages("agent", LogStream::Stderr, &transcript) {
        let GuestMessage::Log { text, omitted, .. } = message else {
            panic!("not a log")
        };
        assert!(text.len() <= LOG_PIECE_BYTES);
        whole += &text;
        missing += omitted;
    }
    assert_eq!(missing, transcript.end() - LOG_TAIL_BYTES as u64);
    assert_eq!(whole, "ä".repeat(LOG_TAIL_BYTES / 2));
    assert!(log_messages("agent", LogStream::Stdout, &Transcript::default()).is_empty());
}
