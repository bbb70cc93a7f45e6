//! Reading an adapter's folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use scenarios::{
    Rule, Target,
    rule::{Action, FileObject, Held},
};
use thiserror::Error;
use toml::Spanned;

use super::{
    Declared,
    lock::{LOCK, Lock},
    schema::{AdapterFile, Events, From, Kind},
    template::Template,
};
use crate::adapter::Rules;

/// What an adapter's folder must hold.
pub(super) const FILE: &str = "adapter.toml";

/// Why an adapter cannot be used. Each names the file, and the line where there
/// is one.
#[derive(Debug, Error)]
pub enum AdapterError {
    /// A file cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Not TOML, an unknown field, or a value of another type.
    #[error("{path} is not an adapter:\n{cause}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// With line, column and what was expected.
        cause: Box<toml::de::Error>,
    },
    /// A field that cannot be right.
    #[error("{path}:{line}: `{field}` {problem}", path = path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Where the value is.
        line: usize,
        /// Its name.
        field: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The policy's template; the text begins with its file and line.
    #[error("{0}")]
    Template(String),
    /// The lock does not have what the adapter names.
    #[error("{path}: {problem}; run `cargo xtask adapter update {folder}`")]
    Lock {
        /// The lock.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// The adapter's folder.
        folder: PathBuf,
    },
}

impl Declared {
    /// Read and check the adapter in a folder; its packages must be locked.
    pub fn read(folder: &Path) -> Result<Self, AdapterError> {
        let adapter = Self::read_unlocked(folder)?;
        adapter.must_be_locked()?;
        Ok(adapter)
    }

    /// The same, whatever its lock holds: for who writes the lock.
    pub fn read_unlocked(folder: &Path) -> Result<Self, AdapterError> {
        let path = folder.join(FILE);
        let text = read(&path)?;
        let syntax = |path: &Path| {
            let path = path.to_owned();
            move |cause| AdapterError::Syntax {
                path,
                cause: Box::new(cause),
            }
        };
        let file: AdapterFile = toml::from_str(&text).map_err(syntax(&path))?;
        Fields {
            path: &path,
            text: &text,
            folder,
        }
        .check(&file)?;
        let template = match &file.policy {
            None => None,
            Some(policy) => {
                let path = folder.join(policy.template.get_ref());
                let template = Template::new(&path, &read(&path)?);
                let template = template.map_err(AdapterError::Template)?;
                // What is wrong with it whatever the rules is said at once.
                for rules in [Rules::default(), sample(&[sample_rule()])] {
                    template
                        .render(&path, &rules)
                        .map_err(AdapterError::Template)?;
                }
                Some(template)
            }
        };
        let lock_path = folder.join(LOCK);
        let lock = if lock_path.is_file() {
            toml::from_str(&read(&lock_path)?).map_err(syntax(&lock_path))?
        } else {
            Lock::default()
        };
        Ok(Self {
            folder: folder.to_owned(),
            file,
            template,
            lock,
        })
    }

    fn must_be_locked(&self) -> Result<(), AdapterError> {
        let named = self.file.guest.packages.iter();
        let locked = self.lock.packages.iter().map(|pin| &pin.package);
        if named.clone().eq(locked.clone()) {
            return Ok(());
        }
        let missing = named
            .clone()
            .find(|name| !locked.clone().any(|one| one == *name));
        let problem = match missing {
            Some(name) => format!("has no package {name}"),
            None => "has other packages than the adapter names".into(),
        };
        Err(AdapterError::Lock {
            path: self.folder.join(LOCK),
            problem,
            folder: self.folder.clone(),
        })
    }
}

fn read(path: &Path) -> Result<String, AdapterError> {
    fs::read_to_string(path).map_err(|cause| AdapterError::Read {
        path: path.to_owned(),
        cause,
    })
}

fn sample(rules: &[Rule]) -> Rules<'_> {
    Rules {
        rules: rules.iter().collect(),
        never_deny: &[],
    }
}

/// A rule that shows a misspelt field, whatever the template makes of it.
fn sample_rule() -> Rule {
    Rule {
        id: "sample".into(),
        action: Action::Deny,
        target: Target::File {
            object: FileObject::Path("/sample".into()),
            operations: vec![scenarios::FileOperation::Read],
        },
        scope: Vec::new(),
        except: Vec::new(),
        held: Held::Keep,
    }
}

/// What is checked beyond the syntax.
struct Fields<'a> {
    path: &'a Path,
    text: &'a str,
    folder: &'a Path,
}

impl Fields<'_> {
    fn check(&self, file: &AdapterFile) -> Result<(), AdapterError> {
        let name = file.name.get_ref();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            let problem = "must be of lower case letters, digits and hyphens";
            return Err(self.error(&file.name, "name", problem));
        }
        if ["aegisbpf", "null"].contains(&name.as_str()) {
            return Err(self.error(&file.name, "name", "is that of an agent of the project"));
        }
        let guest = &file.guest;
        match &guest.suite {
            None if !guest.packages.is_empty() => {
                let problem = "is missing: name the Debian suite that has the packages";
                return Err(self.error(&file.name, "guest.suite", problem));
            }
            Some(suite) if guest.packages.is_empty() => {
                return Err(self.error(suite, "guest.suite", "is given, but no packages are"));
            }
            _ => {}
        }
        for one in &guest.files {
            self.absolute(&one.to, "guest.file.to")?;
            match (&one.from, one.built) {
                (Some(from), None) => self.exists(from, "guest.file.from")?,
                (None, Some(_)) => {}
                _ => {
                    let problem = "needs exactly one of `from` and `built` beside it";
                    return Err(self.error(&one.to, "guest.file.to", problem));
                }
            }
        }
        match (&file.policy, file.kind) {
            (Some(policy), _) => {
                self.absolute(&policy.path, "policy.path")?;
                self.exists(&policy.template, "policy.template")?;
            }
            (None, Kind::Idle) => {}
            (None, Kind::Rules) => {
                let problem = "is missing: an agent that takes no rules has kind = \"idle\"";
                return Err(self.error(&file.name, "policy", problem));
            }
        }
        let runs = &file.run;
        if runs.daemon.is_none() && runs.before.is_empty() && runs.after.is_empty() {
            let problem = "starts nothing: give it a daemon or commands";
            return Err(self.error(&file.name, "run", problem));
        }
        let of_daemon = |events: &Events| events.from == From::Daemon;
        if file.events.as_ref().is_some_and(of_daemon) && runs.daemon.is_none() {
            let problem = "are lines of a daemon, and there is none";
            return Err(self.error(&file.name, "events", problem));
        }
        let enforces = file.can.modes.contains(&scenarios::Mode::Enforce);
        let denial = file.denial.as_ref();
        if enforces && denial.is_none_or(|denial| denial.errno.is_empty()) {
            let problem = "is missing: say with which errno it denies";
            return Err(self.error(&file.name, "denial", problem));
        }
        Ok(())
    }

    fn absolute(&self, path: &Spanned<String>, field: &'static str) -> Result<(), AdapterError> {
        let plain = |part: std::path::Component<'_>| {
            use std::path::Component::{Normal, RootDir};
            matches!(part, Normal(_) | RootDir)
        };
        let given = Path::new(path.get_ref());
        if given.is_absolute() && given.components().all(plain) {
            return Ok(());
        }
        Err(self.error(path, field, "must be an absolute path without `..`"))
    }

    fn exists(&self, name: &Spanned<String>, field: &'static str) -> Result<(), AdapterError> {
        let given = Path::new(name.get_ref());
        let plain =
            |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
        if given.components().all(plain) && self.folder.join(given).is_file() {
            return Ok(());
        }
        let problem = format!(
            "names \"{}\", which is no file in {}",
            given.display(),
            self.folder.display()
        );
        Err(self.error(name, field, problem))
    }

    fn error(
        &self,
        at: &Spanned<String>,
        field: &'static str,
        problem: impl Into<String>,
    ) -> AdapterError {
        let before = self.text.get(..at.span().start).unwrap_or_default();
        AdapterError::Field {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            field,
            problem: problem.into(),
        }
    }
}
