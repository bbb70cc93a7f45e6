//! Running a command within time and size, in a process group of its own that
//! is ended with it.

use std::{
    io::{self, Read},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{Child, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Instant, SystemTime},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use wait_timeout::ChildExt as _;

use crate::{
    checklist::Command,
    moment::Moment,
    predicate::command::{CommandRecord, End, Output, SCHEMA_VERSION},
};

/// The beginning of a stream, and whether there was more.
type Kept = (Vec<u8>, bool);

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// For the bundle.
    pub record: CommandRecord,
    /// Its whole standard output, as far as it may go.
    pub stdout: Vec<u8>,
}

impl Ran {
    /// How it ended and what it said last, for a message.
    pub(super) fn tail(&self) -> String {
        let end = match &self.record.end {
            End::Exited(code) => format!("exit code {code}"),
            other => format!("{other:?}"),
        };
        let mut lines = self.record.stderr.text.lines().rev();
        let last = lines.find(|line| !line.trim().is_empty());
        last.map_or(end.clone(), |line| format!("{end}: {}", line.trim()))
    }
}

/// Run it. That it cannot be run is a result, too.
pub fn run(command: &Command, folder: &Path) -> Ran {
    let started = SystemTime::now();
    let clock = Instant::now();
    let (end, stdout, stderr) = match start(command, folder) {
        Ok(child) => watch(child, command),
        Err(error) => (End::NotStarted(error.to_string()), none(), none()),
    };
    let text = |(bytes, cut): &Kept| Output {
        text: String::from_utf8_lossy(bytes).into_owned(),
        cut: *cut,
    };
    let record = CommandRecord {
        schema_version: SCHEMA_VERSION,
        argv: command.argv.clone(),
        started: Moment::at(started),
        milliseconds: u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX),
        end,
        stdout: text(&stdout),
        stderr: text(&stderr),
    };
    Ran {
        record,
        stdout: stdout.0,
    }
}

const fn none() -> Kept {
    (Vec::new(), false)
}

fn start(command: &Command, folder: &Path) -> io::Result<Child> {
    let (program, arguments) = command.argv.split_first().ok_or(io::ErrorKind::NotFound)?;
    std::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

fn watch(mut child: Child, command: &Command) -> (End, Kept, Kept) {
    let stdout = keep(child.stdout.take(), command.most_bytes);
    let stderr = keep(child.stderr.take(), command.most_bytes);
    let end = match child.wait_timeout(command.timeout.0) {
        Ok(Some(status)) => ended(status),
        Ok(None) => End::TimedOut,
        Err(error) => End::NotStarted(format!("nobody knows how it ended: {error}")),
    };
    // Also whatever it left behind, which would keep its output open. The
    // group still exists: its leader is not waited for, or just was and the
    // number is not given out while members live.
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.wait();
    let kept = |thread: JoinHandle<Kept>| thread.join().unwrap_or_default();
    (end, kept(stdout), kept(stderr))
}

fn ended(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or_default()),
    }
}

/// The beginning of a stream; the rest is read and dropped, so that the command
/// does not stop.
fn keep(stream: Option<impl Read + Send + 'static>, most: usize) -> JoinHandle<Kept> {
    thread::spawn(move || {
        let Some(mut stream) = stream else {
            return none();
        };
        let mut kept = Vec::new();
        let limit = u64::try_from(most).unwrap_or(u64::MAX);
        let _ = stream.by_ref().take(limit).read_to_end(&mut kept);
        let more = io::copy(&mut stream, &mut io::sink());
        (kept, more.is_ok_and(|more| more > 0))
    })
}
