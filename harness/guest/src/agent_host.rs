//! Running an agent by its own commands.
//!
//! ```text
//! folders → before → daemon, until it says that it is ready → after → {"type":"ready"}
//! SIGHUP: reload → {"type":"policy","result":…}     SIGTERM: daemon ends → stop → exit 0
//! ```
//!
//! Whatever the daemon says goes to standard error, and what of it is an event
//! to standard output as well. Everything that is waited for comes through one
//! channel, so there is one place where anything is decided.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use harness_proto::hosted::{Daemon, Hosted, LineSource, Reloading};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;
use thiserror::Error;

use crate::attempt::{Attempt, AttemptError};

/// Why an agent does not run (any more).
#[derive(Debug, Error)]
pub enum HostError {
    /// The system.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// A command of it.
    #[error("{command} ended with {status} and said: {said}")]
    Command {
        /// All of its words.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        said: String,
    },
    /// Its daemon.
    #[error("{command} ended by itself with {status}")]
    Ended {
        /// All of its words.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
}

const KERNEL_LOG: &str = "/dev/kmsg";

enum Happening {
    Line(LineSource, String),
    Ended(ExitStatus),
    Signal(i32),
}

/// Run it until it is told to stop.
pub fn run(hosted: &Hosted) -> Result<(), HostError> {
    let mut signals = Signals::new([SIGTERM, SIGHUP]).attempt(|| "receive signals".into())?;
    let (told, happenings) = mpsc::channel();
    let to = told.clone();
    thread::spawn(move || {
        for signal in &mut signals {
            let _ = to.send(Happening::Signal(signal));
        }
    });
    let mut host = Host {
        hosted,
        told,
        happenings,
        daemon: None,
    };
    if hosted.events.as_ref().map(|events| events.from) == Some(LineSource::Kernel) {
        follow_kernel(&host.told)?;
    }
    host.start()?;
    say(&json!({"type": "ready"}));
    host.go_on()
}

/// Run commands to their end, in order, until one fails.
pub fn run_all(commands: &[Vec<String>]) -> Result<(), HostError> {
    commands.iter().try_for_each(|argv| run_one(argv))
}

struct Host<'a> {
    hosted: &'a Hosted,
    /// To `happenings`, which therefore never ends.
    told: Sender<Happening>,
    happenings: Receiver<Happening>,
    /// The daemon that runs.
    daemon: Option<Pid>,
}

impl Host<'_> {
    fn start(&mut self) -> Result<(), HostError> {
        for folder in &self.hosted.folders {
            fs::create_dir_all(folder).attempt(|| format!("make the folder {folder}"))?;
        }
        run_all(&self.hosted.before)?;
        if let Some(daemon) = &self.hosted.daemon {
            self.daemon = Some(start_daemon(&daemon.argv, &self.told)?);
            self.await_ready(daemon)?;
        }
        run_all(&self.hosted.after)
    }

    fn await_ready(&mut self, daemon: &Daemon) -> Result<(), HostError> {
        loop {
            match self.next() {
                Happening::Line(source, line) => {
                    self.tell(source, &line);
                    if source == LineSource::Daemon && line.contains(&daemon.ready) {
                        return Ok(());
                    }
                }
                Happening::Ended(status) => return Err(self.ended(status)),
                Happening::Signal(SIGTERM) => {
                    self.stop()?;
                    std::process::exit(0);
                }
                Happening::Signal(_) => {}
            }
        }
    }

    fn go_on(&mut self) -> Result<(), HostError> {
        loop {
            match self.next() {
                Happening::Line(source, line) => self.tell(source, &line),
                Happening::Ended(status) => return Err(self.ended(status)),
                Happening::Signal(SIGTERM) => return self.stop(),
                Happening::Signal(_) => say(&match self.reload() {
                    Ok(()) => json!({"type": "policy", "result": "applied"}),
                    Err(error) => {
                        let reason = error.to_string();
                        json!({"type": "policy", "result": "refused", "reason": reason})
                    }
                }),
            }
        }
    }

    fn next(&self) -> Happening {
        let next = self.happenings.recv();
        next.expect("this host has a sender itself")
    }

    fn tell(&self, source: LineSource, line: &str) {
        let events = self.hosted.events.as_ref();
        let events = events.filter(|events| events.from == source);
        let event = events.and_then(|events| events.event(line));
        // The kernel says much that is not of this agent.
        if event.is_some() || source == LineSource::Daemon {
            let _ = writeln!(io::stderr(), "{line}");
        }
        if let Some(event) = event {
            say(&event);
        }
    }

    fn reload(&mut self) -> Result<(), HostError> {
        match &self.hosted.reload {
            Some(Reloading::Commands(commands)) => run_all(commands),
            Some(Reloading::Restart) | None => {
                self.stop()?;
                self.start()
            }
        }
    }

    fn stop(&mut self) -> Result<(), HostError> {
        if let (Some(pid), Some(daemon)) = (self.daemon.take(), &self.hosted.daemon) {
            let signal = Signal::from_named_raw(daemon.stop).unwrap_or(Signal::TERM);
            kill_process(pid, signal).attempt(|| format!("end {}", daemon.argv.join(" ")))?;
            loop {
                match self.next() {
                    Happening::Line(source, line) => self.tell(source, &line),
                    Happening::Ended(_) => break,
                    Happening::Signal(_) => {}
                }
            }
        }
        run_all(&self.hosted.stop)
    }

    fn ended(&mut self, status: ExitStatus) -> HostError {
        self.daemon = None;
        let argv = self.hosted.daemon.as_ref().map(|daemon| &daemon.argv);
        HostError::Ended {
            command: argv.map(|argv| argv.join(" ")).unwrap_or_default(),
            status,
        }
    }
}

fn run_one(argv: &[String]) -> Result<(), HostError> {
    let output = command(argv)
        .output()
        .attempt(|| format!("run {}", argv.join(" ")))?;
    let said = [&output.stderr[..], &output.stdout[..]].concat();
    let said = String::from_utf8_lossy(&said);
    if !output.status.success() {
        let last = said.trim().lines().next_back().unwrap_or("nothing");
        return Err(HostError::Command {
            command: argv.join(" "),
            status: output.status,
            said: last.into(),
        });
    }
    if !said.trim().is_empty() {
        let _ = writeln!(io::stderr(), "{}", said.trim_end());
    }
    Ok(())
}

/// Its lines come first, then its end.
fn start_daemon(argv: &[String], told: &Sender<Happening>) -> Result<Pid, HostError> {
    let attempt = || format!("start {}", argv.join(" "));
    let mut child = command(argv)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .attempt(attempt)?;
    let pid = Pid::from_child(&child);
    let readers: Vec<_> = [
        child
            .stdout
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child
            .stderr
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ]
    .into_iter()
    .flatten()
    .map(|pipe| {
        let told = told.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let _ = told.send(Happening::Line(LineSource::Daemon, line));
            }
        })
    })
    .collect();
    let told = told.clone();
    thread::spawn(move || {
        for reader in readers {
            let _ = reader.join();
        }
        if let Ok(status) = child.wait() {
            let _ = told.send(Happening::Ended(status));
        }
    });
    Ok(pid)
}

/// What the kernel logs from now on.
fn follow_kernel(told: &Sender<Happening>) -> Result<(), HostError> {
    let attempt = || format!("follow {KERNEL_LOG}");
    let mut log = File::open(KERNEL_LOG).attempt(attempt)?;
    log.seek(SeekFrom::End(0)).attempt(attempt)?;
    let told = told.clone();
    thread::spawn(move || {
        // One read, one record.
        let mut record = [0; 8192];
        loop {
            match log.read(&mut record) {
                Ok(length) => {
                    let line = String::from_utf8_lossy(&record[..length]).into_owned();
                    if told
                        .send(Happening::Line(LineSource::Kernel, line))
                        .is_err()
                    {
                        return;
                    }
                }
                // Records were overwritten before they were read.
                Err(error) if error.raw_os_error() == Some(Errno::PIPE.raw_os_error()) => {}
                Err(_) => return,
            }
        }
    });
    Ok(())
}

fn command(argv: &[String]) -> Command {
    let (program, arguments) = match argv {
        [] => ("", &[][..]),
        [program, arguments @ ..] => (program.as_str(), arguments),
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn say(line: &Value) {
    let mut stdout = io::stdout();
    // Without anyone who reads it there is nobody to tell.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
