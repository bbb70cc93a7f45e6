//! `agent-host` as the guest runs it, with a shell in the place of an agent.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};

use harness_proto::hosted::{Cut, Daemon, EventLines, Hosted, LineSource, Reloading};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const SIGTERM: i32 = 15;

/// A daemon that reports something and waits.
fn hosted(script: &str) -> Hosted {
    Hosted {
        daemon: Some(Daemon {
            argv: ["/bin/sh", "-c", script].map(str::to_owned).into(),
            ready: "up".into(),
            stop: SIGTERM,
        }),
        reload: Some(Reloading::Restart),
        events: Some(EventLines {
            from: LineSource::Daemon,
            contains: vec!["DENIED".into()],
            says: json!({"type": "denial"}).as_object().unwrap().clone(),
            fields: [(
                "rule".to_owned(),
                Cut {
                    after: "key=".into(),
                    before: ".".into(),
                },
            )]
            .into(),
        }),
        ..Hosted::default()
    }
}

struct Host {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Host {
    fn start(hosted: &Hosted) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_agent-host"))
            .args(["run", &serde_json::to_string(hosted).unwrap()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line, or null when there are no more.
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

#[test]
fn an_agent_is_ready_reports_is_started_anew_and_stops() {
    let mut host = Host::start(&hosted("echo up; echo 'DENIED key=a.'; exec sleep 60"));
    assert_eq!(host.line(), json!({"type": "ready"}));
    let denial = json!({"type": "denial", "rule": "a"});
    assert_eq!(host.line(), denial);
    host.signal(Signal::HUP);
    // The new daemon's first words come while it is waited for.
    let mut seen = vec![host.line(), host.line()];
    seen.sort_by_key(Value::to_string);
    let applied = json!({"type": "policy", "result": "applied"});
    assert_eq!(seen, [applied, denial]);
    host.signal(Signal::TERM);
    assert_eq!(host.end().code(), Some(0));
}

#[test]
fn an_agent_whose_daemon_ends_or_whose_command_fails_is_never_ready() {
    let mut ended = Host::start(&hosted("echo almost"));
    assert_eq!(ended.line(), Value::Null);
    assert_eq!(ended.end().code(), Some(1));
    let mut failing = hosted("echo up; exec sleep 60");
    failing.before = vec![vec!["/bin/false".into()]];
    let mut failed = Host::start(&failing);
    assert_eq!(failed.line(), Value::Null);
    assert_eq!(failed.end().code(), Some(1));
}

#[test]
fn an_agent_that_ends_later_ends_the_host() {
    let mut host = Host::start(&hosted("echo up; read line < /proc/self/fd/0; exit 3"));
    assert_eq!(host.line(), json!({"type": "ready"}));
    assert_eq!(host.line(), Value::Null);
    assert_eq!(host.end().code(), Some(1));
}
