//! Subprocesses: a command line as a value, and the one place that runs it.
//!
//! Building an [`Invocation`] is pure, so command lines can be snapshot
//! tested. A failure shows the whole command, ready to paste into a shell, and
//! the end of its output.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Lines of output kept for the error message.
const TAIL_LINES: usize = 80;

/// A command line with its environment, not yet run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    unset: Vec<OsString>,
    dir: Option<PathBuf>,
}

/// Why a subprocess did not do its work.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// It could not be started at all.
    #[error("cannot run `{command}`: {source}")]
    Start {
        /// The whole command, as a shell would take it.
        command: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended with a failure.
    #[error("{status} from\n  {command}\n{}", shown(tail))]
    Failed {
        /// The whole command, as a shell would take it.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it printed.
        tail: String,
    },
    /// It took longer than it was given, and was killed.
    #[error("no end after {} s, killed:\n  {command}", deadline.as_secs())]
    Deadline {
        /// The whole command, as a shell would take it.
        command: String,
        /// The time it was given.
        deadline: Duration,
    },
}

fn shown(tail: &str) -> String {
    if tail.trim().is_empty() {
        "it printed nothing".to_owned()
    } else {
        format!("its output ended with:\n{}", tail.trim_end())
    }
}

impl Invocation {
    /// A command without arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            unset: Vec::new(),
            dir: None,
        }
    }

    /// The cargo that runs this task, or the one in `PATH`.
    pub fn cargo() -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// Appends one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Appends arguments.
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Hides an environment variable from the command.
    pub fn unset(mut self, name: impl AsRef<OsStr>) -> Self {
        self.unset.push(name.as_ref().to_owned());
        self
    }

    /// Runs the command in this folder.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Runs it and hands each line of its output (both streams) to `on_line`.
    pub fn run(&self, mut on_line: impl FnMut(&str)) -> Result<(), ProcessError> {
        let reader = self
            .expression()
            .stderr_to_stdout()
            .unchecked()
            .reader()
            .map_err(|source| self.start_error(source))?;
        let mut tail = VecDeque::with_capacity(TAIL_LINES);
        let mut lines = BufReader::new(&reader);
        let mut line = Vec::new();
        while lines
            .read_until(b'\n', &mut line)
            .map_err(|source| self.start_error(source))?
            > 0
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            on_line(&text);
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(text);
            line.clear();
        }
        // duct waits for the child when its reader meets the end of output.
        match reader.try_wait() {
            Ok(Some(output)) if output.status.success() => Ok(()),
            Ok(Some(output)) => Err(ProcessError::Failed {
                command: self.to_string(),
                status: output.status,
                tail: Vec::from(tail).join("\n"),
            }),
            Ok(None) => {
                Err(self.start_error(std::io::Error::other("it closed its output without ending")))
            }
            Err(source) => Err(self.start_error(source)),
        }
    }

    /// Runs it quietly.
    pub fn run_quietly(&self) -> Result<(), ProcessError> {
        self.run(|_| {})
    }

    /// Runs it and returns its standard output.
    pub fn stdout(&self) -> Result<String, ProcessError> {
        let output = self
            .expression()
            .stdout_capture()
            .stderr_capture()
            .unchecked()
            .run()
            .map_err(|source| self.start_error(source))?;
        if !output.status.success() {
            return Err(ProcessError::Failed {
                command: self.to_string(),
                status: output.status,
                tail: last_lines(&String::from_utf8_lossy(&output.stderr)),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it quietly and kills it after `deadline`.
    pub fn run_within(&self, deadline: Duration) -> Result<(), ProcessError> {
        let handle = self
            .expression()
            .stderr_to_stdout()
            .stdout_capture()
            .unchecked()
            .start()
            .map_err(|source| self.start_error(source))?;
        match handle.wait_timeout(deadline) {
            Ok(Some(output)) if output.status.success() => Ok(()),
            Ok(Some(output)) => Err(ProcessError::Failed {
                command: self.to_string(),
                status: output.status,
                tail: last_lines(&String::from_utf8_lossy(&output.stdout)),
            }),
            Ok(None) => {
                handle.kill().map_err(|source| self.start_error(source))?;
                Err(ProcessError::Deadline {
                    command: self.to_string(),
                    deadline,
                })
            }
            Err(source) => Err(self.start_error(source)),
        }
    }

    fn expression(&self) -> duct::Expression {
        let mut expression = duct::cmd(&self.program, &self.args).stdin_null();
        if let Some(dir) = &self.dir {
            expression = expression.dir(dir);
        }
        for (name, value) in &self.env {
            expression = expression.env(name, value);
        }
        for name in &self.unset {
            expression = expression.env_remove(name);
        }
        expression
    }

    fn start_error(&self, source: std::io::Error) -> ProcessError {
        ProcessError::Start {
            command: self.to_string(),
            source,
        }
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

impl fmt::Display for Invocation {
    /// The command as a POSIX shell takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(dir) = &self.dir {
            write!(f, "cd {} && ", quoted(dir.as_os_str()))?;
        }
        if !self.unset.is_empty() {
            f.write_str("env ")?;
        }
        for name in &self.unset {
            write!(f, "-u {} ", quoted(name))?;
        }
        for (name, value) in &self.env {
            write!(f, "{}={} ", name.display(), quoted(value))?;
        }
        f.write_str(&quoted(&self.program))?;
        for arg in &self.args {
            write!(f, " {}", quoted(arg))?;
        }
        Ok(())
    }
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new("sh").args(["-c", script])
    }

    #[test]
    fn a_command_is_shown_as_a_shell_would_take_it() {
        let invocation = Invocation::new("cargo")
            .args(["build", "it's", ""])
            .env("FLAGS", "a b")
            .unset("RUSTFLAGS")
            .dir("/a b");
        assert_eq!(
            invocation.to_string(),
            r"cd '/a b' && env -u RUSTFLAGS FLAGS='a b' cargo build 'it'\''s' ''"
        );
    }

    #[test]
    fn a_failure_names_the_command_and_the_end_of_its_output() {
        let error = shell("seq 1 200; echo why >&2; exit 7")
            .run_quietly()
            .unwrap_err()
            .to_string();
        assert!(error.contains("exit status: 7"), "{error}");
        assert!(error.contains("seq 1 200"), "{error}");
        assert!(error.ends_with("200\nwhy"), "{error}");
        assert!(!error.contains("\n100\n"), "the tail is bounded: {error}");
    }

    #[test]
    fn every_line_of_both_streams_is_handed_on() {
        let mut lines = Vec::new();
        shell("echo a; echo b >&2; printf c")
            .run(|line| lines.push(line.to_owned()))
            .unwrap();
        lines.sort();
        assert_eq!(lines, ["a", "b", "c"]);
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Invocation::new("no-such-program-here")
            .stdout()
            .unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"));
    }

    #[test]
    fn a_command_that_does_not_end_is_killed_at_its_deadline() {
        let error = shell("exec sleep 600")
            .run_within(Duration::from_millis(50))
            .unwrap_err();
        assert!(matches!(error, ProcessError::Deadline { .. }), "{error}");
    }
}
