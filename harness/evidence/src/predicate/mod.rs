//! Predicates: what evidence must show. One module for each kind.
//!
//! | module | evidence |
//! | --- | --- |
//! | [`e2e`] | `report.json` of `cargo xtask e2e` |
//! | [`perf`] | what `cargo xtask perf count --json` prints |
//! | [`junit`] | JUnit, from anywhere |
//! | [`sarif`] | SARIF 2.1.0, from anywhere |
//! | [`json`] | values in any JSON: verdicts, metrics over a window |
//! | [`file`] | a file that must be exactly this one |
//! | [`command`] | a command that the collector ran |
//! | [`attestation`] | a statement that somebody in a role signed |
//! | [`backup`] | backups and restores |
//! | [`rollback`] | a drill in which a release was taken back |
//! | [`contract`] | whether an interface is compatible, by a differ |
//! | [`cyclonedx`] | what a build is made of, and what is known against it |
//! | [`http`] | answers of a running service |
//! | [`tls`] | its certificates and versions of TLS |
//! | [`prometheus`] | its metrics, now or over a window |
//! | [`alerting`] | its alert rules, and whom its alerts reach |

pub mod alerting;
pub mod attestation;
pub mod backup;
pub mod command;
pub mod contract;
pub mod cyclonedx;
pub mod e2e;
pub mod file;
pub mod http;
pub mod json;
pub mod junit;
pub mod perf;
pub mod prometheus;
pub mod rollback;
pub mod sarif;
pub mod tls;

use std::collections::BTreeMap;

use globset::{Glob, GlobMatcher};

use crate::{
    cause::Cause,
    digest::Identity,
    moment::{Age, Moment},
    service::Asked,
    trust::Trust,
};

/// A claim that rests on one piece of evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    /// The evidence, by its name in the checklist.
    pub evidence: String,
    /// How old it may be.
    pub max_age: Age,
    /// The subjects that it must be about; at least one.
    pub about: Vec<String>,
    /// What it must show.
    pub test: Test,
}

/// What evidence must show.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Cells of an end-to-end run.
    E2e(e2e::E2e),
    /// Verdicts of counted instructions.
    PerfCount(perf::PerfCount),
    /// Tests.
    Junit(junit::Junit),
    /// Findings of a scanner.
    Sarif(sarif::Sarif),
    /// Values.
    Json(Vec<json::Condition>),
    /// A content.
    File(file::File),
    /// How a command ended and what it printed.
    Command(command::Expected),
    /// A signed statement.
    Attestation(attestation::Attested),
    /// Backups and restores.
    Backup(backup::Backup),
    /// A release that was taken back.
    Rollback(rollback::Rollback),
    /// An interface against the one before.
    Contract(contract::Contract),
    /// What a build is made of.
    Sbom(cyclonedx::Sbom),
    /// What is known against it.
    Advisories(cyclonedx::Advisories),
    /// Answers of a running service.
    Http(Vec<http::HttpExpected>),
    /// Certificates and versions of TLS.
    Tls(tls::TlsExpected),
    /// Metrics.
    Prometheus(prometheus::Threshold),
    /// Alert rules and alerts.
    Alerting(alerting::AlertingExpected),
}

/// What evidence says of itself, which is believed over the collector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stated {
    /// The commit that it is about.
    pub commit: Option<Identity>,
    /// Other subjects, by name.
    pub subjects: BTreeMap<String, Identity>,
    /// When it was made.
    pub at: Option<Moment>,
    /// Whether it had to name all its subjects itself.
    pub alone: bool,
}

/// Evidence, read and held against a predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it says of itself.
    pub stated: Stated,
    /// What it shows, in words, or why it does not.
    pub shown: Result<String, Vec<Cause>>,
}

/// What reading evidence needs besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Whose signatures count.
    pub trust: &'a Trust,
    /// What is to be released.
    pub subjects: &'a BTreeMap<String, Identity>,
    /// The command that the checklist says to run, if it does.
    pub command: Option<&'a [String]>,
    /// What the checklist says to ask of a service, if it does.
    pub asked: Option<&'a Asked>,
    /// When it is decided.
    pub now: Moment,
}

/// What the checklist asks of a service, if it is this kind of question.
macro_rules! asked {
    ($context:expr, $kind:ident) => {
        match $context.asked {
            Some(Asked::$kind(asked)) => Some(asked),
            _ => None,
        }
    };
}

impl Test {
    /// Their names in checklists.
    pub(crate) const KINDS: [&str; 17] = [
        "e2e",
        "perf_count",
        "junit",
        "sarif",
        "json",
        "is_file",
        "command",
        "attestation",
        "backup",
        "rollback",
        "contract",
        "sbom",
        "advisories",
        "http",
        "tls",
        "prometheus",
        "alerting",
    ];

    /// Its name in checklists.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::E2e(_) => "e2e",
            Self::PerfCount(_) => "perf_count",
            Self::Junit(_) => "junit",
            Self::Sarif(_) => "sarif",
            Self::Json(_) => "json",
            Self::File(_) => "file",
            Self::Command(_) => "command",
            Self::Attestation(_) => "attestation",
            Self::Backup(_) => "backup",
            Self::Rollback(_) => "rollback",
            Self::Contract(_) => "contract",
            Self::Sbom(_) => "sbom",
            Self::Advisories(_) => "advisories",
            Self::Http(_) => "http",
            Self::Tls(_) => "tls",
            Self::Prometheus(_) => "prometheus",
            Self::Alerting(_) => "alerting",
        }
    }

    /// What is wrong with it as a person wrote it.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::E2e(test) => test.problem(),
            Self::PerfCount(test) => test.problem(),
            Self::Junit(test) => test.problem(),
            Self::Json(conditions) if conditions.is_empty() => {
                Some("no condition, so it would always pass: name one".into())
            }
            Self::Json(conditions) => conditions.iter().find_map(json::Condition::problem),
            Self::File(test) => test.problem(),
            Self::Http(expected) if expected.is_empty() => {
                Some("no request is judged, so it would always pass: name one".into())
            }
            Self::Http(expected) => expected.iter().find_map(http::HttpExpected::problem),
            Self::Prometheus(test) => test.problem(),
            Self::Alerting(test) => test.problem(),
            Self::Backup(test) => test.problem(),
            Self::Contract(test) => test.problem(),
            Self::Sbom(test) => test.problem(),
            Self::Sarif(_)
            | Self::Command(_)
            | Self::Attestation(_)
            | Self::Tls(_)
            | Self::Rollback(_)
            | Self::Advisories(_) => None,
        }
    }

    /// Read evidence and hold it against this. An error when it cannot be read
    /// at all.
    pub fn read(&self, bytes: &[u8], context: Context<'_>) -> Result<Reading, Cause> {
        match self {
            Self::E2e(test) => test.read(bytes),
            Self::PerfCount(test) => test.read(bytes),
            Self::Junit(test) => test.read(bytes),
            Self::Sarif(test) => test.read(bytes),
            Self::Json(conditions) => json::read(conditions, bytes),
            Self::File(test) => Ok(test.read(bytes, context.subjects)),
            Self::Command(test) => test.read(bytes, context.command),
            Self::Attestation(test) => test.read(bytes, context.trust),
            Self::Backup(test) => test.read(bytes, context.now),
            Self::Rollback(test) => test.read(bytes),
            Self::Contract(test) => test.read(bytes, context.command),
            Self::Sbom(test) => test.read(bytes),
            Self::Advisories(test) => test.read(bytes),
            Self::Http(expected) => http::read(expected, bytes, asked!(context, Http)),
            Self::Tls(test) => test.read(bytes, asked!(context, Tls), context.now),
            Self::Prometheus(test) => test.read(bytes, asked!(context, Prometheus)),
            Self::Alerting(test) => test.read(bytes, asked!(context, Alerting)),
        }
    }
}

impl Reading {
    /// Shown when there is no cause against it.
    fn of(stated: Stated, causes: Vec<Cause>, shown: impl Into<String>) -> Self {
        let shown = if causes.is_empty() {
            Ok(shown.into())
        } else {
            Err(causes)
        };
        Self { stated, shown }
    }
}

/// What a report of this project says of the subjects it is about.
fn subjects_of(named: BTreeMap<String, Identity>, commit: Option<&str>) -> Stated {
    Stated {
        commit: commit.and_then(Identity::of_described),
        subjects: named,
        ..Stated::default()
    }
}

/// A pattern of a checklist; those that are none were refused with it.
fn glob(pattern: &str) -> Option<GlobMatcher> {
    Glob::new(pattern).ok().map(|glob| glob.compile_matcher())
}

fn bad_pattern(patterns: &[String]) -> Option<String> {
    let bad = patterns.iter().find(|pattern| glob(pattern).is_none())?;
    Some(format!("`{bad}` is no pattern such as `open-*`"))
}

/// A few names of many.
fn some(names: &[String]) -> String {
    match names.len() {
        0..=3 => names.join(", "),
        many => format!("{} and {} more", names[..3].join(", "), many - 3),
    }
}
