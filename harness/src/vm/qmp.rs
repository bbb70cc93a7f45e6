//! QEMU's machine protocol, as much of it as the harness speaks.
//!
//! Written here because the client on crates.io panics when QEMU ends before
//! its greeting, refuses events that are newer than itself, and cannot wait
//! for an event.

use std::{
    collections::VecDeque,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::lines::{Lines, Received};

/// QEMU answers in milliseconds; a busy host delays it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A session with one QEMU.
#[derive(Debug)]
pub(super) struct Qmp {
    lines: Lines,
    events: VecDeque<Value>,
}

/// Why QEMU did not do as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QmpError {
    /// It is gone.
    Closed,
    /// It did not answer in time.
    Deadline,
    /// It said why.
    Refused(String),
}

impl std::fmt::Display for QmpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("QEMU has ended"),
            Self::Deadline => f.write_str("no answer in time"),
            Self::Refused(reason) => f.write_str(reason),
        }
    }
}

impl Qmp {
    /// Wait for the greeting and leave negotiation.
    pub(super) fn greet(stream: UnixStream) -> Result<Self, QmpError> {
        let mut qmp = Self {
            lines: Lines::new(stream),
            events: VecDeque::new(),
        };
        let deadline = Instant::now() + PATIENCE;
        while qmp.read(deadline)?.get("QMP").is_none() {}
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Run a command and return its result.
    pub(super) fn execute(
        &mut self,
        command: &'static str,
        arguments: &Value,
    ) -> Result<Value, QmpError> {
        let request = json!({"execute": command, "arguments": arguments});
        self.lines
            .send(&format!("{request}\n"))
            .map_err(|_| QmpError::Closed)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut answer = self.read(deadline)?;
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
            if let Some(error) = answer.get("error") {
                let words = error["desc"].as_str().map(str::to_owned);
                return Err(QmpError::Refused(
                    words.unwrap_or_else(|| error.to_string()),
                ));
            }
            self.events.push_back(answer);
        }
    }

    /// Wait until a saved state has been written or read.
    pub(super) fn await_migration(&mut self, deadline: Instant) -> Result<(), QmpError> {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.read(deadline)?,
            };
            if event["event"] != "MIGRATION" {
                continue;
            }
            match event["data"]["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => {
                    let state = self.execute("query-migrate", &json!({}))?;
                    let words = state["error-desc"].as_str().unwrap_or("it failed");
                    return Err(QmpError::Refused(words.into()));
                }
                _ => {}
            }
        }
    }

    fn read(&mut self, deadline: Instant) -> Result<Value, QmpError> {
        match self.lines.receive(deadline) {
            Received::Line(line) => serde_json::from_str(&line)
                .map_err(|error| QmpError::Refused(format!("not JSON ({error}): {line}"))),
            Received::Deadline => Err(QmpError::Deadline),
            Received::Closed => Err(QmpError::Closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Qmp, QmpError};
    use serde_json::json;
    use std::{
        io::Write,
        os::unix::net::UnixStream,
        time::{Duration, Instant},
    };

    /// A session in which QEMU has said all that it will.
    fn scripted(lines: &[&str]) -> Result<(Qmp, UnixStream), QmpError> {
        let (here, mut there) = UnixStream::pair().unwrap();
        there.write_all(lines.join("\n").as_bytes()).unwrap();
        there.write_all(b"\n").unwrap();
        there.shutdown(std::net::Shutdown::Write).unwrap();
        Qmp::greet(here).map(|qmp| (qmp, there))
    }

    const GREETING: &str = r#"{"QMP": {"version": {}, "capabilities": []}}"#;
    const OK: &str = r#"{"return": {}}"#;

    fn migration(status: &str) -> String {
        format!(r#"{{"event": "MIGRATION", "data": {{"status": "{status}"}}}}"#)
    }

    #[test]
    fn an_event_between_command_and_answer_is_kept() {
        let (setup, done) = (migration("setup"), migration("completed"));
        let script = [GREETING, OK, &setup, r#"{"event": "NEW"}"#, &done, OK];
        let (mut qmp, _there) = scripted(&script).unwrap();
        assert_eq!(qmp.execute("migrate", &json!({})), Ok(json!({})));
        let deadline = Instant::now() + Duration::from_secs(5);
        assert_eq!(qmp.await_migration(deadline), Ok(()));
        assert_eq!(qmp.await_migration(deadline), Err(QmpError::Closed));
    }

    #[test]
    fn a_failed_migration_says_why() {
        let failed = migration("failed");
        let why = r#"{"return": {"status": "failed", "error-desc": "no space"}}"#;
        let (mut qmp, _there) = scripted(&[GREETING, OK, OK, &failed, why]).unwrap();
        qmp.execute("migrate", &json!({})).unwrap();
        assert_eq!(
            qmp.await_migration(Instant::now() + Duration::from_secs(5)),
            Err(QmpError::Refused("no space".into()))
        );
    }

    #[test]
    fn a_refused_command_and_a_dead_qemu_are_errors() {
        let refused = r#"{"error": {"class": "GenericError", "desc": "not now"}}"#;
        let (mut qmp, _there) = scripted(&[GREETING, OK, refused]).unwrap();
        assert_eq!(
            qmp.execute("cont", &json!({})),
            Err(QmpError::Refused("not now".into()))
        );
        assert_eq!(
            scripted(&[]).map(|_| ()),
            Err(QmpError::Refused(
                "not JSON (EOF while parsing a value at line 1 column 0): ".into()
            ))
        );
    }
}
