//! `aegisbpf policy …`.
//!
//! | module | holds |
//! | --- | --- |
//! | [`replay`] | `simulate` and `explain` |
//! | [`show`] | answers for people |
//! | [`sign`] | statements, signatures and keys |

mod replay;
mod show;
mod sign;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand};
use rustix::process::{getpid, getuid};
use serde_json::json;

use crate::{
    control::{Apply, NextStart, Refusal, Request, Response, Rules, Writer, socket, writer::Asked},
    exit_code::ExitCode,
    hex::Hex,
    history::{Disk, History, Operator},
    lock::{Lock, LockError},
    paths,
    policy::{
        self, Policy, PolicyError,
        lint::{self, Host, Severity},
        parse,
    },
};

/// What `policy` can do.
#[derive(Debug, Args)]
pub struct PolicyCommand {
    /// As JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what is wrong with a policy file, and what to do about it.
    ///
    /// Errors would be refused by `apply`; warnings would not.
    #[command(after_help = "Example:\n  aegisbpf policy lint policy.yaml")]
    Lint {
        /// The policy (YAML).
        file: PathBuf,
    },
    /// Say which policy is stored, and whether it waits to be confirmed.
    Show,
    /// Say which rules a policy file adds, changes and removes.
    #[command(after_help = "Example:\n  aegisbpf policy diff policy.yaml")]
    Diff {
        /// The policy (YAML).
        file: PathBuf,
        /// Compare with this policy instead of the current one: the beginning
        /// of its digest.
        #[arg(long, value_name = "DIGEST")]
        from: Option<String>,
    },
    /// Bring a policy into force; without a daemon, at its next start.
    ///
    /// --dry-run checks text, lint, digest, signature, counter, paths and limits,
    /// and, where a daemon runs, the objects as this kernel knows them and its
    /// hooks; it says what the policy changes and how much memory its maps take.
    /// It changes nothing, and refuses with the status of the real thing. What
    /// the verifier and the canary say, only applying shows.
    #[command(
        after_help = "Examples:\n  aegisbpf policy apply policy.yaml --confirm-within 60s\n  \
                      aegisbpf policy apply policy.yaml --signature policy.yaml.sig --dry-run"
    )]
    Apply {
        /// The policy (YAML).
        file: PathBuf,
        /// The signature file; FILE.sig if that is there.
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// The digest that it must have, as `lint` shows it.
        #[arg(long, value_name = "DIGEST")]
        sha256: Option<Hex<32>>,
        /// Take it back after this time unless it was confirmed: 60s, 5m.
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        confirm_within: Option<Duration>,
        /// Check everything and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Keep the policy that waits to be confirmed.
    Confirm,
    /// Go back to the policy before, or to any that was applied once.
    #[command(after_help = "Example:\n  aegisbpf policy rollback 3f9a0c11")]
    Rollback {
        /// The beginning of its digest.
        digest: Option<String>,
    },
    /// Forget the stored policy: the next start reads the policy file. What is in
    /// force stays until then.
    Reset,
    /// Check the whole history and list it.
    History,
    /// Print the text of the current policy, or of one that was applied once.
    #[command(after_help = "Example:\n  aegisbpf policy export 3f9a0c11 > policy.yaml")]
    Export {
        /// The beginning of its digest.
        digest: Option<String>,
    },
    #[command(flatten)]
    Replay(replay::Verb),
    #[command(flatten)]
    Sign(sign::Verb),
}

/// Do it.
pub fn run(command: PolicyCommand) -> ExitCode {
    let result =
        match command.verb {
            Verb::Lint { file } => lint(&file, command.json),
            Verb::Diff { file, from } => diff(&file, from),
            Verb::Replay(verb) => replay::run(verb, command.json),
            Verb::Sign(verb) => sign::run(verb, command.json),
            verb => asked(verb).and_then(|(request, dry_run)| {
                match ask(&request).map_err(internal)? {
                    Response::Refused(refusal) => Err(refusal),
                    answer => {
                        let changes = if dry_run {
                            changes(&request)?
                        } else {
                            String::new()
                        };
                        if command.json {
                            let mut answer = json!(answer);
                            if dry_run {
                                answer["applied"]["changes"] = json!(changes);
                            }
                            print(&answer.to_string())
                        } else {
                            print(&(changes + &show::answer(&answer, dry_run)))
                        }
                    }
                }
            }),
        };
    match result {
        Ok(()) => ExitCode::Ok,
        Err(refusal) => {
            eprintln!("aegisbpf: {}", refusal.reason);
            refusal.code
        }
    }
}

/// What a verb asks, and whether nothing is to change.
fn asked(verb: Verb) -> Result<(Request, bool), Refusal> {
    Ok(match verb {
        Verb::Apply {
            file,
            signature,
            sha256,
            confirm_within,
            dry_run,
        } => {
            let mut apply = offer(&file, signature.as_deref())?;
            apply.sha256 = sha256;
            apply.confirm_within = confirm_within.map(|time| time.as_secs().max(1));
            apply.dry_run = dry_run;
            (Request::Apply(apply), dry_run)
        }
        Verb::Confirm => (Request::Confirm, false),
        Verb::Rollback { digest } => (Request::Rollback { to: digest }, false),
        Verb::Reset => (Request::Reset, false),
        Verb::History => (Request::History, false),
        Verb::Export { digest } => (Request::Text { of: digest }, false),
        Verb::Show | Verb::Lint { .. } | Verb::Diff { .. } | Verb::Replay(_) | Verb::Sign(_) => {
            (Request::Status, false)
        }
    })
}

/// A policy file and its signature, as they are to be applied.
pub fn offer(file: &Path, signature: Option<&Path>) -> Result<Apply, Refusal> {
    let text = parse::read_text(file).map_err(unreadable)?;
    let mut beside = file.as_os_str().to_owned();
    beside.push(".sig");
    let signature = match signature {
        Some(path) => Some(fs::read_to_string(path).map_err(|error| at(path, error))?),
        None => match fs::read_to_string(&beside) {
            Ok(signature) => Some(signature),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(Path::new(&beside), error)),
        },
    };
    Ok(Apply {
        text,
        name: file.display().to_string(),
        signature,
        ..Apply::default()
    })
}

/// Ask the daemon, or, where none runs, do it under its lock.
fn ask(request: &Request) -> io::Result<Response> {
    if let Some(answer) = socket::ask(Path::new(paths::CONTROL), request)? {
        return Ok(answer);
    }
    let offline = || {
        let _lock = Lock::take().map_err(|error| match error {
            LockError::Taken { .. } => Refusal::new(ExitCode::AlreadyRunning, error),
            LockError::Io(_) => internal(error),
        })?;
        let history = History::open(Disk, Path::new(paths::HISTORY))?;
        let mut writer = Writer::new(history, Rules::here()?, NextStart);
        if let Request::Apply(Apply {
            confirm_within: Some(_),
            ..
        }) = request
        {
            return Err(Refusal::new(
                ExitCode::Unhealthy,
                "no daemon runs that could take it back: apply without --confirm-within",
            ));
        }
        Ok(writer.answer(now(), request.clone()))
    };
    Ok(offline().unwrap_or_else(Response::Refused))
}

/// This process, now.
pub fn now() -> Asked {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Asked {
        by: Operator {
            uid: getuid().as_raw(),
            pid: getpid().as_raw_nonzero().get().unsigned_abs(),
        },
        at: since.unwrap_or_default().as_secs(),
    }
}

fn lint(file: &Path, json: bool) -> Result<(), Refusal> {
    let policy = policy::read(file).map_err(unreadable)?;
    let findings = lint::lint(&policy, &Host::here().map_err(internal)?);
    let digest = Hex(policy::digest(&policy));
    let rules = policy.rules.len();
    if json {
        print(&json!({ "policy": digest, "rules": rules, "findings": findings }).to_string())?;
    } else {
        for finding in &findings {
            print(&finding.to_string())?;
        }
        print(&format!("{digest}  {rules} rules"))?;
    }
    match findings.first() {
        Some(worst) if worst.severity == Severity::Error => {
            let file = file.display();
            Err(Refusal::policy(format!("{file} would be refused")))
        }
        _ => Ok(()),
    }
}

fn diff(file: &Path, from: Option<String>) -> Result<(), Refusal> {
    let new = policy::read(file).map_err(unreadable)?;
    let old = stored(from)?;
    let lines = show::difference(&old, &new);
    if lines.is_empty() {
        Ok(())
    } else {
        print(&lines)
    }
}

/// What a dry run would change.
fn changes(request: &Request) -> Result<String, Refusal> {
    let Request::Apply(apply) = request else {
        return Ok(String::new());
    };
    let new = policy::parse(Path::new(&apply.name), &apply.text).map_err(unreadable)?;
    let old = match stored(None) {
        // Nothing is stored.
        Err(refusal) if refusal.code == ExitCode::Unhealthy => Policy::default(),
        old => old?,
    };
    Ok(show::difference(&old, &new))
}

/// The policy that is stored, or one that was applied once.
fn stored(digest: Option<String>) -> Result<Policy, Refusal> {
    match ask(&Request::Text { of: digest }).map_err(internal)? {
        Response::Text(text) => policy::parse(Path::new("stored"), &text).map_err(Refusal::policy),
        Response::Refused(refusal) => Err(refusal),
        other => Err(internal(format!(
            "an answer to another question: {other:?}"
        ))),
    }
}

fn print(text: &str) -> Result<(), Refusal> {
    let mut out = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    write!(out, "{text}{end}")
        .and_then(|()| out.flush())
        .map_err(internal)
}

fn unreadable(error: PolicyError) -> Refusal {
    match error {
        PolicyError::Read { .. } => internal(error),
        _ => Refusal::policy(error),
    }
}

fn internal(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(ExitCode::Internal, error)
}

fn at(path: &Path, error: impl std::fmt::Display) -> Refusal {
    internal(format!("{}: {error}", path.display()))
}
