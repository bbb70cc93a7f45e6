//! From a checklist to a bundle: find out what is to be released, gather or
//! make the evidence, and sign what was found.
//!
//! | module | holds |
//! | --- | --- |
//! | [`run`] | running a command within time and size |
//! | `service` | asking running services |
//! | `subject` | which build, commit, policy … this is |

pub mod run;
mod service;
mod subject;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::SystemTime,
};

use thiserror::Error;

use crate::{
    bundle::{
        Entry, Files, FolderError, Manifest, Previous,
        folder::{files_of, sign_off_name},
        manifest::SCHEMA_VERSION,
        verify::subjects,
    },
    canonical::{self, CanonicalError},
    checklist::{Checklist, Command, Source},
    digest::{Digest, Identity},
    moment::Moment,
    predicate::command::{CommandRecord, End},
    sign::{BundleClaim, Envelope, Resource, SecretKey, SignOff, Statement},
};

/// What to collect.
pub struct Request<'a> {
    /// What must be shown.
    pub checklist: &'a Checklist,
    /// Its text, which becomes part of the bundle.
    pub checklist_text: &'a str,
    /// The folder in which commands run and paths begin.
    pub folder: &'a Path,
    /// The bundle before this one: its root and its number.
    pub previous: Option<(Digest, u64)>,
    /// Signed waivers.
    pub waivers: Vec<Vec<u8>>,
    /// Whose key signs the collection.
    pub key: &'a SecretKey,
    /// Told what is being done.
    pub progress: &'a dyn Fn(&str),
}

/// Why nothing was collected. A piece of evidence that could not be had is no
/// error: the bundle says that it is missing.
#[derive(Debug, Error)]
pub enum CollectError {
    /// It is unknown what is to be released.
    #[error("subject `{name}`: {why}")]
    Subject {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// What is to be released changed meanwhile, so the evidence is about
    /// neither.
    #[error(
        "subject `{name}` changed while evidence was collected: {before} then, {after} now; collect again"
    )]
    Changed {
        /// Which.
        name: String,
        /// At the beginning.
        before: Box<Identity>,
        /// At the end.
        after: Box<Identity>,
    },
    /// It has no canonical text.
    #[error("cannot write it down: {0}")]
    Canonical(#[from] CanonicalError),
    /// It makes no folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// A piece of evidence, or why there is none.
type Piece = Result<(Vec<u8>, Moment, BTreeMap<String, Identity>), String>;

/// Collect everything, and give the files of the bundle.
pub fn collect(request: &Request<'_>) -> Result<Files, CollectError> {
    let checklist = request.checklist;
    let before = subject::identify(checklist, request.folder)?;
    let mut evidence = BTreeMap::new();
    let mut missing = BTreeMap::new();
    let mut blobs = vec![request.checklist_text.as_bytes().to_vec()];
    for (name, source) in needed(checklist) {
        (request.progress)(&format!("{name}: {}", what_is_done(source)));
        match piece(source, request.folder, &before) {
            Ok((bytes, made, about)) => {
                evidence.insert(
                    name.to_owned(),
                    Entry {
                        digest: Digest::of(&bytes),
                        bytes: bytes.len() as u64,
                        made,
                        about,
                    },
                );
                blobs.push(bytes);
            }
            Err(why) => {
                (request.progress)(&format!("{name}: missing: {why}"));
                missing.insert(name.to_owned(), why);
            }
        }
    }
    let after = subject::identify(checklist, request.folder)?;
    for (name, identity) in &before {
        if after[name] != *identity {
            return Err(CollectError::Changed {
                name: name.clone(),
                before: Box::new(identity.clone()),
                after: Box::new(after[name].clone()),
            });
        }
    }
    let waivers: BTreeSet<Digest> = request.waivers.iter().map(|one| Digest::of(one)).collect();
    blobs.extend(request.waivers.iter().cloned());
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        checklist: checklist.digest,
        subjects: before,
        collected: Moment::at(SystemTime::now()),
        evidence,
        missing,
        waivers: waivers.into_iter().collect(),
        sequence: request.previous.map_or(0, |(_, number)| number + 1),
        previous: request.previous.map(|(root, _)| Previous { root }),
    };
    Ok(seal(&manifest, &blobs, request.key)?)
}

/// The files of a bundle, signed.
pub fn seal(manifest: &Manifest, blobs: &[Vec<u8>], key: &SecretKey) -> Result<Files, FolderError> {
    let root = Digest::of(&canonical::write(manifest)?);
    let claim = BundleClaim {
        checklist: manifest.checklist,
        collected: manifest.collected,
        sequence: manifest.sequence,
    };
    let statement = Statement::new(subjects(manifest, root), claim);
    let envelope = Envelope::seal(&statement, &[key])?;
    files_of(manifest, blobs, &envelope)
}

/// Add a sign-off to the files of a bundle; gives its name.
pub fn sign_off(
    files: &mut Files,
    role: &str,
    at: Moment,
    key: &SecretKey,
) -> Result<String, FolderError> {
    let manifest = files.get("manifest.json").map_or(&[][..], Vec::as_slice);
    let claim = SignOff {
        role: role.to_owned(),
        at,
    };
    let statement = Statement::new(vec![Resource::root(Digest::of(manifest))], claim);
    let bytes = Envelope::seal(&statement, &[key])?.to_bytes()?;
    let name = sign_off_name(files);
    files.insert(name.clone(), bytes);
    Ok(name)
}

/// The evidence that some item asks for, in the order of the checklist: what
/// comes early there may be needed by what comes later.
fn needed(checklist: &Checklist) -> Vec<(&str, &Source)> {
    let items = checklist.items.iter();
    let wanted = items.filter(|item| item.not_applicable.is_none());
    let mut seen = BTreeSet::new();
    wanted
        .flat_map(|item| &item.predicates)
        .filter(|predicate| seen.insert(&predicate.evidence))
        .filter_map(|predicate| {
            let (name, source) = checklist.evidence.get_key_value(&predicate.evidence)?;
            Some((name.as_str(), source))
        })
        .collect()
}

fn what_is_done(source: &Source) -> String {
    match source {
        Source::File { path, .. } => format!("reading {path}"),
        Source::Run { command, .. } | Source::Record(command) => {
            format!("running {}", command.argv.join(" "))
        }
        Source::Service { asked, .. } => asked.summary(),
    }
}

fn piece(source: &Source, folder: &Path, subjects: &BTreeMap<String, Identity>) -> Piece {
    match source {
        Source::File { path, about } => {
            let (bytes, made) = read(&folder.join(path))?;
            let about = subjects.iter().filter(|(name, _)| about.contains(name));
            let about = about.map(|(name, identity)| (name.clone(), identity.clone()));
            Ok((bytes, made, about.collect()))
        }
        Source::Run { command, output } => {
            let started = Moment::at(SystemTime::now());
            let path = output.as_ref().map(|path| folder.join(path));
            if let Some(path) = &path {
                // What an earlier run left must not pass for this one's.
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(format!("cannot remove {}: {error}", path.display()));
                    }
                    _ => {}
                }
            }
            let ran = ran(command, folder)?;
            let bytes = match &path {
                Some(path) => {
                    read(path)
                        .map_err(|why| format!("{why}; {}", ran.tail()))?
                        .0
                }
                None if ran.record.stdout.cut => {
                    let most = command.most_bytes;
                    return Err(format!("the command printed more than {most} bytes"));
                }
                None => ran.stdout,
            };
            if bytes.is_empty() {
                return Err("the command printed nothing".into());
            }
            Ok((bytes, started, subjects.clone()))
        }
        Source::Record(command) => {
            let ran = run::run(command, folder);
            let made = ran.record.started;
            let bytes = canonical::write(&ran.record).map_err(|error| error.to_string())?;
            Ok((bytes, made, subjects.clone()))
        }
        Source::Service { asked, timeout } => {
            let (bytes, made) = service::ask(asked, folder, *timeout)?;
            Ok((bytes, made, subjects.clone()))
        }
    }
}

/// A command that ended by itself, however.
fn ran(command: &Command, folder: &Path) -> Result<run::Ran, String> {
    let ran = run::run(command, folder);
    let CommandRecord { argv, end, .. } = &ran.record;
    let name = argv.join(" ");
    match end {
        End::Exited(_) => Ok(ran),
        End::Signalled(signal) => Err(format!("`{name}` died of signal {signal}")),
        End::TimedOut => Err(format!("`{name}` took longer than {}", command.timeout)),
        End::NotStarted(why) => Err(format!("`{name}`: {why}")),
    }
}

fn read(path: &PathBuf) -> Result<(Vec<u8>, Moment), String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let made = std::fs::metadata(path)
        .and_then(|about| about.modified())
        .map_err(failed)?;
    let bytes = std::fs::read(path).map_err(failed)?;
    Ok((bytes, Moment::at(made)))
}
