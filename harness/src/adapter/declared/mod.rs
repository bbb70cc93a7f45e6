//! An agent that a folder describes: `adapter.toml`, a template for its policy,
//! and whatever files it needs. `docs/adapters.md` is for who writes one.
//!
//! | module | holds |
//! | --- | --- |
//! | [`schema`] | the file as a person writes it |
//! | `load` | reading and checking it, with errors that say where |
//! | `template` | rules in the agent's own language |
//! | [`lock`] | exactly which packages |

mod load;
pub mod lock;
pub mod schema;
mod template;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use harness_proto::{
    Exit,
    hosted::{self, AGENT_HOST_PATH, EventLines, Hosted, LineSource, Reloading},
};
use kernel_matrix::Digest;
use scenarios::{
    Mode, Scenario,
    schema::{Degraded, Errno, Ring},
};
use serde_json::{Value, json};

pub use load::AdapterError;
use lock::Lock;
use schema::{AdapterFile, Also, Can, Kind, Reload as Reloads, Stop};
use template::Template;

use super::{Adapter, Ledger, PolicyFile, Reload, Role, Rules, Vocabulary};
use crate::ability::Ability;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// An agent that a folder describes.
#[derive(Debug, Clone)]
pub struct Declared {
    folder: PathBuf,
    file: AdapterFile,
    template: Option<Template>,
    lock: Lock,
}

/// A file of the guest, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Absolute path in the guest.
    pub to: String,
    /// What it is a copy of.
    pub from: GuestFileSource,
    /// Whether it is a program.
    pub executable: bool,
}

/// What a file of the guest is a copy of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestFileSource {
    /// This file.
    Path(PathBuf),
    /// An executable of this project.
    Built(schema::Built),
}

impl Declared {
    /// The folder that describes it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One line for people.
    pub fn title(&self) -> &str {
        &self.file.title
    }

    /// Exactly which packages its guest has.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The packages that it names, and the suite that has them.
    pub fn wanted(&self) -> Option<(&str, &[String])> {
        let guest = &self.file.guest;
        let suite = guest.suite.as_ref()?;
        Some((suite.get_ref(), &guest.packages))
    }

    /// Its own files.
    pub fn files(&self) -> Vec<GuestFile> {
        let source = |file: &schema::File| match (&file.from, file.built) {
            (Some(from), _) => GuestFileSource::Path(self.folder.join(from.get_ref())),
            (None, Some(built)) => GuestFileSource::Built(built),
            (None, None) => GuestFileSource::Path(self.folder.clone()),
        };
        let files = self.file.guest.files.iter().map(|file| GuestFile {
            to: file.to.get_ref().clone(),
            from: source(file),
            executable: file.executable || file.built.is_some(),
        });
        files.collect()
    }

    /// The programs of its commands that packages must have, each once.
    pub fn programs(&self) -> Vec<&str> {
        let run = &self.file.run;
        let reload = match &run.reload {
            Reloads::Commands(commands) => &commands[..],
            Reloads::Restart => &[],
        };
        let daemon = run.daemon.iter().map(|daemon| &daemon.command);
        let commands = [&run.before, &run.after, &run.stop, &run.detach];
        let commands = commands.into_iter().flatten().chain(reload).chain(daemon);
        let own: Vec<&String> = self
            .file
            .guest
            .files
            .iter()
            .map(|file| file.to.get_ref())
            .collect();
        let mut programs: Vec<&str> = Vec::new();
        for program in commands.filter_map(|argv| argv.first()) {
            if !own.contains(&program) && !programs.contains(&program.as_str()) {
                programs.push(program);
            }
        }
        programs
    }

    /// Of everything in its folder that the guest or its policy comes from.
    pub fn digest(&self) -> Result<Digest, AdapterError> {
        let mut names = vec![load::FILE.to_owned()];
        if self.folder.join(lock::LOCK).is_file() {
            names.push(lock::LOCK.into());
        }
        names.extend(
            self.file
                .policy
                .iter()
                .map(|policy| policy.template.get_ref().clone()),
        );
        let files = self.file.guest.files.iter();
        names.extend(files.filter_map(|file| Some(file.from.as_ref()?.get_ref().clone())));
        let mut text = String::new();
        for name in names {
            let path = self.folder.join(&name);
            let (digest, _) =
                Digest::of_file(&path).map_err(|cause| AdapterError::Read { path, cause })?;
            let _ = writeln!(text, "{digest} {name}");
        }
        Ok(Digest::of(text.as_bytes()))
    }

    /// Whether its template can write the rules of a scenario that it says it
    /// can express; the error names the template's file and line.
    pub fn check(&self, scenario: &Scenario) -> Result<(), String> {
        let rules = Rules {
            rules: scenario.rules.iter().collect(),
            never_deny: &scenario.never_deny,
        };
        self.write(&rules).map(drop)
    }

    fn write(&self, rules: &Rules<'_>) -> Result<PolicyFile, String> {
        match (&self.template, &self.file.policy) {
            (Some(template), Some(policy)) => {
                template.render(&self.folder.join(policy.template.get_ref()), rules)
            }
            _ => Ok(PolicyFile::default()),
        }
    }

    fn hosted(&self) -> Hosted {
        let run = &self.file.run;
        Hosted {
            folders: run.folders.clone(),
            before: run.before.clone(),
            daemon: run.daemon.as_ref().map(|daemon| hosted::Daemon {
                argv: daemon.command.clone(),
                ready: daemon.ready.clone(),
                stop: match daemon.stop {
                    Stop::SIGTERM => SIGTERM,
                    Stop::SIGINT => SIGINT,
                },
            }),
            after: run.after.clone(),
            reload: Some(match &run.reload {
                Reloads::Commands(commands) => Reloading::Commands(commands.clone()),
                Reloads::Restart => Reloading::Restart,
            }),
            stop: run.stop.clone(),
            events: self.file.events.as_ref().map(|events| EventLines {
                from: match events.from {
                    schema::From::Daemon => LineSource::Daemon,
                    schema::From::Kernel => LineSource::Kernel,
                },
                contains: events.contains.clone(),
                says: events.says.clone(),
                fields: events.fields.clone(),
            }),
        }
    }
}

/// A command of the executable that runs agents by their own.
fn host(task: &str, what: &impl serde::Serialize) -> Vec<String> {
    let what = serde_json::to_string(what).expect("it has string keys");
    vec![AGENT_HOST_PATH.into(), task.into(), what]
}

impl Adapter for Declared {
    fn name(&self) -> &str {
        self.file.name.get_ref()
    }

    fn role(&self) -> Role {
        match self.file.kind {
            Kind::Rules => Role::Judged,
            Kind::Idle => Role::Idle,
        }
    }

    fn errnos(&self) -> &[Errno] {
        let denial = self.file.denial.as_ref();
        denial.map_or(&[], |denial| &denial.errno)
    }

    fn tells(&self, matches: &Value) -> Option<(Value, Vec<String>)> {
        let events = self.file.events.as_ref()?;
        let known =
            |name: &String| events.says.contains_key(name) || events.fields.contains_key(name);
        let (told, untold): (Vec<_>, Vec<_>) = matches
            .as_object()?
            .iter()
            .partition(|(name, _)| known(name));
        // What is left must still be about a rule or a verdict: a line of any
        // kind would do for less.
        if !told
            .iter()
            .any(|(name, _)| *name == "rule" || *name == "verdict")
        {
            return None;
        }
        let told = told
            .into_iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        let untold = untold.into_iter().map(|(name, _)| name.clone()).collect();
        Some((Value::Object(told.collect()), untold))
    }

    fn lsms(&self) -> &[String] {
        &self.file.guest.lsms
    }

    fn executable(&self) -> Option<&str> {
        None
    }

    fn can(&self, ability: Ability) -> bool {
        let Can {
            modes,
            file,
            file_default,
            exec,
            network,
            network_default,
            kernel,
            objects,
            scope,
            also,
        } = &self.file.can;
        match ability {
            Ability::Enforce => modes.contains(&Mode::Enforce),
            Ability::AuditMode => modes.contains(&Mode::Audit),
            Ability::File(Some(operation)) => file.contains(&operation),
            Ability::File(None) => *file_default,
            Ability::Exec => *exec,
            Ability::Network(Some(operation)) => network.contains(&operation),
            Ability::Network(None) => *network_default,
            Ability::Kernel(operation) => kernel.contains(&operation),
            Ability::Object(kind) => objects.contains(&kind),
            Ability::Scope(kind) => scope.contains(&kind),
            Ability::Except => also.contains(&Also::Except),
            Ability::NeverDeny => also.contains(&Also::NeverDeny),
            Ability::AuditRule => also.contains(&Also::AuditRule),
            Ability::KillRule => also.contains(&Also::KillRule),
            Ability::RevokeHeld => also.contains(&Also::RevokeHeld),
            Ability::Events => self.file.events.is_some(),
            // These are about how the reference agent is driven.
            Ability::Account
            | Ability::Generations
            | Ability::Apply
            | Ability::RepeatCanary
            | Ability::Degrade
            | Ability::Refuse
            | Ability::ReferencePolicy
            | Ability::KillProcess
            | Ability::PauseProcess
            | Ability::BpfLinks
            | Ability::Health => false,
        }
    }

    fn policy_path(&self) -> &str {
        let policy = self.file.policy.as_ref();
        policy.map_or("/tmp/no-policy", |policy| policy.path.get_ref())
    }

    /// What [`Declared::check`] has refused is not run; its error would be the
    /// policy.
    fn policy(&self, rules: &Rules<'_>) -> PolicyFile {
        self.write(rules).unwrap_or_else(|error| PolicyFile {
            content: error,
            blanks: Vec::new(),
        })
    }

    fn start(&self, _: Mode, _: &[Degraded]) -> Vec<String> {
        host("run", &self.hosted())
    }

    fn ready(&self) -> Value {
        json!({"type": "ready"})
    }

    fn reload(&self) -> Reload {
        Reload {
            signal: SIGHUP,
            answer: json!({"type": "policy"}),
            applied: json!({"result": "applied"}),
            refused: json!({"result": "refused"}),
        }
    }

    fn terminated(&self) -> Exit {
        Exit::Status(0)
    }

    fn health(&self) -> Vec<String> {
        Vec::new()
    }

    fn detach(&self) -> Vec<String> {
        host("undo", &self.file.run.detach)
    }

    fn ledger(&self, _: Ring) -> Option<Ledger> {
        None
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary {
            tag: "type",
            lines: &[],
            health: &[],
            applied: &[],
        }
    }

    fn verifier_exit(&self) -> Option<i32> {
        None
    }
}

#[cfg(test)]
mod tests;
