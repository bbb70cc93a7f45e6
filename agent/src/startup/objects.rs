//! What a policy speaks of, found.

use std::path::Path;

use super::StartError;
use crate::{
    image::{Objects, ResolvedSubject},
    policy::{self, FileObject, Policy, Target, model},
    resolve::{ResolveError, Resolver},
};

/// The agent and init, which no rule denies anything.
pub const OWN: [&str; 2] = ["/proc/self/exe", "/proc/1/exe"];

/// What a policy speaks of, found. `own` are programs that no rule denies
/// anything, besides those that the policy names.
pub fn resolve<'a>(
    policy: &'a Policy,
    own: impl Iterator<Item = &'a Path>,
    resolver: &mut Resolver<'_>,
) -> Result<Objects, StartError> {
    let mut objects = Objects {
        devices: resolver.devices().into_iter().collect(),
        ..Objects::default()
    };
    let mut problems = Vec::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        match resolve_rule(&rule.target, resolver) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                objects.files.insert(index, found);
            }
            Err(problem) => problems.push((rule.id.clone(), problem)),
        }
        for subject in rule.scope.iter().chain(&rule.except) {
            match resolve_subject(subject, resolver) {
                Ok(found) => {
                    objects.subjects.insert(subject.clone(), found);
                }
                Err(problem) => problems.push((rule.id.clone(), problem)),
            }
        }
    }
    let named = policy.never_deny.iter().map(policy::AbsolutePath::as_path);
    for path in own.chain(named) {
        match resolver.existing(path, "`never-deny` names programs that exist") {
            Ok(key) => objects.never_deny.push(key),
            Err(problem) => problems.push(("never-deny".to_owned(), problem)),
        }
    }
    if problems.is_empty() {
        Ok(objects)
    } else {
        Err(StartError::Unresolved(problems))
    }
}

fn resolve_rule(
    target: &Target,
    resolver: &mut Resolver<'_>,
) -> Result<Vec<crate::resolve::Resolved>, ResolveError> {
    use crate::policy::Programs as Executed;
    match target {
        Target::File {
            object: FileObject::Path(path),
            ..
        }
        | Target::Exec(Executed::Path(path)) => Ok(vec![resolver.resolve(path.as_path())?]),
        Target::File {
            object: FileObject::Subtree(path),
            ..
        }
        | Target::Exec(Executed::Subtree(path)) => {
            Ok(vec![resolver.resolve_subtree(path.as_path())?])
        }
        Target::Exec(Executed::AllBut(paths)) => paths
            .iter()
            .map(|path| {
                let needed = "an allow-list names programs that exist";
                resolver.existing(path.as_path(), needed)?;
                resolver.resolve(path.as_path())
            })
            .collect(),
        Target::File {
            object: FileObject::Inode { .. },
            ..
        }
        | Target::Exec(Executed::Sha256(_))
        | Target::Network { .. }
        | Target::Kernel { .. } => Ok(Vec::new()),
    }
}

fn resolve_subject(
    subject: &model::Subject,
    resolver: &mut Resolver<'_>,
) -> Result<ResolvedSubject, ResolveError> {
    let program = subject
        .program
        .as_ref()
        .map(|path| resolver.existing(path.as_path(), "a subject names a program that exists"));
    let cgroup = subject
        .cgroup
        .as_ref()
        .map(|path| resolver.cgroup(path.as_path()));
    Ok(ResolvedSubject {
        program: program.transpose()?,
        cgroup: cgroup.transpose()?,
    })
}
