//! A command that the collector ran: its result is the evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, Stated};
use crate::{cause::Cause, moment::Moment};

/// The version of the record's format.
pub const SCHEMA_VERSION: u32 = 1;

/// How the command must have ended, and what it must have printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Its exit code.
    #[serde(default)]
    exit: i32,
    /// Texts that its standard output must have.
    #[serde(default)]
    stdout_has: Vec<String>,
    /// Texts that neither its standard output nor its standard error may have.
    #[serde(default)]
    output_lacks: Vec<String>,
}

/// What the collector keeps of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRecord {
    /// The version of this format.
    pub schema_version: u32,
    /// The command, word by word.
    pub argv: Vec<String>,
    /// When it was started.
    pub started: Moment,
    /// How long it took.
    pub milliseconds: u64,
    /// How it ended.
    pub end: End,
    /// What it printed.
    pub stdout: Output,
    /// What it complained about.
    pub stderr: Output,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal, from whomever.
    Signalled(i32),
    /// By the collector, because it took longer than it may.
    TimedOut,
    /// It never began.
    NotStarted(String),
}

/// The beginning of a stream, as much as is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// As text.
    pub text: String,
    /// Whether there was more.
    pub cut: bool,
}

impl Expected {
    pub(super) fn read(&self, bytes: &[u8], command: Option<&[String]>) -> Result<Reading, Cause> {
        let record = CommandRecord::read(bytes, command)?;
        let stated = Stated {
            at: Some(record.started),
            ..Stated::default()
        };
        let mut causes = Vec::new();
        match &record.end {
            End::Exited(code) if *code == self.exit => self.output(&record, &mut causes),
            End::Exited(code) => {
                let expected = self.exit;
                let said = record.last_line();
                let why = format!("it exited with {code}, not {expected}{said}");
                causes.push(Cause::failed(why));
            }
            End::Signalled(signal) => {
                causes.push(Cause::failed(format!("it died of signal {signal}")));
            }
            End::TimedOut => causes.push(Cause::inconclusive(format!(
                "it did not end within {} s",
                record.milliseconds / 1000
            ))),
            End::NotStarted(why) => {
                causes.push(Cause::inconclusive(format!("it could not be run: {why}")));
            }
        }
        let shown = format!("`{}` did as expected", record.argv.join(" "));
        Ok(Reading::of(stated, causes, shown))
    }

    fn output(&self, record: &CommandRecord, causes: &mut Vec<Cause>) {
        let CommandRecord { stdout, stderr, .. } = record;
        for text in &self.stdout_has {
            if !stdout.text.contains(text) {
                let why = format!("its output has no {text:?}");
                causes.push(if stdout.cut {
                    Cause::inconclusive(why + ", as far as it was kept")
                } else {
                    Cause::failed(why)
                });
            }
        }
        for text in &self.output_lacks {
            if stdout.text.contains(text) || stderr.text.contains(text) {
                causes.push(Cause::failed(format!("its output has {text:?}")));
            } else if stdout.cut || stderr.cut {
                let why = format!("whether its output has {text:?} is unknown: it was cut");
                causes.push(Cause::inconclusive(why));
            }
        }
    }
}

impl CommandRecord {
    /// Read the record of the checklist's command.
    pub(super) fn read(bytes: &[u8], command: Option<&[String]>) -> Result<Self, Cause> {
        let record: Self = serde_json::from_slice(bytes).map_err(Cause::unparsable)?;
        if record.schema_version != SCHEMA_VERSION {
            let found = record.schema_version;
            return Err(Cause::unparsable(format!(
                "schema_version {found}; expected {SCHEMA_VERSION}"
            )));
        }
        if command != Some(&record.argv) {
            let found = record.argv.join(" ");
            return Err(Cause::failed(format!(
                "the record is of another command: {found}"
            )));
        }
        Ok(record)
    }

    /// What it complained about last, after a colon.
    pub(super) fn last_line(&self) -> String {
        let of_stderr = self.stderr.text.lines().rev();
        let lines = of_stderr.chain(self.stdout.text.lines());
        let mut said = lines.filter(|line| !line.trim().is_empty());
        said.next()
            .map_or(String::new(), |line| format!(": {}", line.trim()))
    }
}
