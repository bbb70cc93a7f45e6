//! Finding the rule behind a path without BPF LSM. The kernel's side compares
//! only the last component of a path; this looks at the whole of it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

use aegisbpf_abi::{Operation, Operations};

use crate::{
    canary, paths,
    policy::{FileObject, Policy, Programs, Rule, Target, model::Subject},
};

const AT_FDCWD: i32 = -100;

/// The operations that tracepoints see.
pub const SEEN: Operations = Operation::Read
    .alone()
    .with(Operation::Write.alone())
    .with(Operation::Exec.alone())
    .with(Operation::Connect.alone());

/// What a path turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidate {
    /// A rule speaks of it: its index in the policy.
    Rule(usize),
    /// It is the agent's test of itself.
    Canary,
    /// No rule speaks of it: a file elsewhere with the same name.
    NoRule,
    /// A relative path of a process that is gone.
    Unresolved,
}

/// The rules about files, by file name.
#[derive(Debug)]
pub struct Matcher {
    rules: BTreeMap<OsString, Vec<FileRule>>,
}

#[derive(Debug)]
struct FileRule {
    operations: Operations,
    place: PathBuf,
    found: Candidate,
}

/// The path that a rule names, if the fallback can see it: one that is opened
/// or executed by its name.
fn path_of(rule: &Rule) -> Option<(&Path, Operations)> {
    let path = match &rule.target {
        Target::File {
            object: FileObject::Path(path),
            ..
        }
        | Target::Exec(Programs::Path(path)) => path.as_path(),
        _ => return None,
    };
    let mut operations = rule.target.operations();
    // How a file was opened is not known when it has been.
    if operations.has(Operation::Write) {
        operations = operations.with(Operation::Read.alone());
    }
    Some((path, operations))
}

/// The paths whose names the kernel's side looks for.
pub fn paths(policy: &Policy) -> Vec<PathBuf> {
    let state = Path::new(paths::STATE);
    let own = [canary::OPEN_NAME, canary::EXEC_NAME].map(|name| state.join(name));
    let named = policy.rules.iter().filter_map(path_of);
    named.map(|(path, _)| path.to_owned()).chain(own).collect()
}

/// The policy without the rules that are left to the fallback and that it
/// cannot see, and the ids of these, in the order of the policy. Audited they
/// would say nothing, or report what they do not speak of.
pub fn in_sight(policy: Policy, left: impl Fn(&Rule) -> bool) -> (Policy, Vec<String>) {
    let stays = |rule: &Rule| !left(rule) || sees(rule);
    let (seen, unseen): (Vec<Rule>, Vec<Rule>) = policy.rules.into_iter().partition(stays);
    let policy = Policy {
        rules: seen,
        ..policy
    };
    (policy, unseen.into_iter().map(|rule| rule.id).collect())
}

fn sees(rule: &Rule) -> bool {
    let by_whom = || rule.scope.iter().chain(&rule.except);
    match &rule.target {
        // The kernel's side knows users, and neither objects nor protocols.
        Target::Network {
            operations,
            protocol,
            ..
        } => {
            let only_uid = |subject: &Subject| {
                subject.program.is_none()
                    && subject.cgroup.is_none()
                    && subject.mount_namespace.is_none()
            };
            operations.has(Operation::Connect) && protocol.is_none() && by_whom().all(only_uid)
        }
        // Paths are compared here, whoever used them.
        _ => {
            by_whom().next().is_none()
                && path_of(rule).is_some_and(|(_, operations)| {
                    operations.has(Operation::Read) || operations.has(Operation::Exec)
                })
        }
    }
}

impl Matcher {
    /// For a policy.
    pub fn new(policy: &Policy) -> Self {
        let mut rules: BTreeMap<OsString, Vec<FileRule>> = BTreeMap::new();
        let mut add = |operations: Operations, path: &Path, found: Candidate| {
            let name = path.file_name().unwrap_or_default().to_owned();
            rules.entry(name).or_default().push(FileRule {
                operations,
                place: real_place(path),
                found,
            });
        };
        for (index, rule) in policy.rules.iter().enumerate() {
            if let Some((path, operations)) = path_of(rule) {
                add(operations, path, Candidate::Rule(index));
            }
        }
        let state = Path::new(paths::STATE);
        let reading = Operation::Read.alone();
        add(reading, &state.join(canary::OPEN_NAME), Candidate::Canary);
        add(
            Operations::EXEC,
            &state.join(canary::EXEC_NAME),
            Candidate::Canary,
        );
        Self { rules }
    }

    /// The rule about a path as a process gave it.
    pub fn find(&self, operation: Operation, text: &[u8], folder_fd: i32, pid: u32) -> Candidate {
        let given = Path::new(OsStr::from_bytes(text));
        let absolute = if given.is_absolute() {
            given.to_owned()
        } else {
            let folder = if folder_fd == AT_FDCWD {
                format!("/proc/{pid}/cwd")
            } else {
                format!("/proc/{pid}/fd/{folder_fd}")
            };
            match fs::read_link(folder) {
                Ok(folder) => folder.join(given),
                Err(_) => return Candidate::Unresolved,
            }
        };
        let Some(name) = absolute.file_name() else {
            return Candidate::NoRule;
        };
        let place = real_place(&absolute);
        let rules = self.rules.get(name).map_or(&[][..], Vec::as_slice);
        rules
            .iter()
            .find(|rule| rule.operations.has(operation) && rule.place == place)
            .map_or(Candidate::NoRule, |rule| rule.found.clone())
    }
}

/// The path with its folder as it really is; when the folder cannot be asked,
/// the path without `.` and `..`.
fn real_place(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    match path.parent().map(fs::canonicalize) {
        Some(Ok(folder)) => folder.join(name),
        _ => lexical(path),
    }
}

fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::Normal(name) => clean.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;

    fn matcher(path: &str) -> Matcher {
        let text = format!(
            r#"{{"version":1,"rules":[{{"id":"a","file":{{"path":"{path}","operations":["read"]}}}}]}}"#
        );
        Matcher::new(&policy::parse(Path::new("p"), &text).unwrap())
    }

    #[test]
    fn a_rule_that_cannot_be_seen_is_left_out_and_named() {
        let check = |rule: &str, seen: bool| {
            let text = format!("version: 1\nrules:\n- id: a\n  {rule}\n");
            let policy = policy::parse(Path::new("p"), &text).unwrap();
            let (left, unseen) = in_sight(policy, |_| true);
            assert_eq!(
                (left.rules.len(), unseen.len()),
                (seen.into(), (!seen).into()),
                "{rule}"
            );
        };
        check("file: { path: /a }", true);
        check("file: { path: /a, operations: [write] }", true);
        check("file: { path: /a, operations: [delete] }", false);
        check("file: { path: /a }\n  scope: [{ uid: 1 }]", false);
        check("file: { subtree: /a }", false);
        check("exec: { path: /a }", true);
        check("exec: { path: /a }\n  except: [{ cgroup: /t }]", false);
        check("exec: { all-but: [/a] }", false);
        check("network: { address: 10.0.0.1 }", true);
        check(
            "network: { address: 10.0.0.1 }\n  scope: [{ uid: 1 }]",
            true,
        );
        check(
            "network: { address: 10.0.0.1 }\n  scope: [{ cgroup: /t }]",
            false,
        );
        check("network: { address: 10.0.0.1, protocol: tcp }", false);
        check(
            "network: { address: 10.0.0.1, operations: [listen] }",
            false,
        );
        check("kernel: { operations: [bpf] }", false);
    }

    #[test]
    fn a_path_is_compared_as_a_whole() {
        let matcher = matcher("/no/such/folder/secret");
        let check = |operation, path: &str, expected| {
            let found = matcher.find(operation, path.as_bytes(), AT_FDCWD, std::process::id());
            assert_eq!(found, expected, "{path}");
        };
        check(
            Operation::Read,
            "/no/such/folder/secret",
            Candidate::Rule(0),
        );
        check(
            Operation::Read,
            "/no//such/x/../folder/./secret",
            Candidate::Rule(0),
        );
        check(Operation::Exec, "/no/such/folder/secret", Candidate::NoRule);
        check(Operation::Read, "/elsewhere/secret", Candidate::NoRule);
        check(Operation::Read, "secret", Candidate::NoRule);
    }

    #[test]
    fn a_folder_behind_a_link_is_the_same_folder() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("real");
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, root.path().join("link")).unwrap();
        let matcher = matcher(real.join("secret").to_str().unwrap());
        let through = root.path().join("link/secret");
        let found = matcher.find(Operation::Read, through.as_os_str().as_bytes(), AT_FDCWD, 1);
        assert_eq!(found, Candidate::Rule(0));
    }

    #[test]
    fn a_process_that_is_gone_leaves_its_relative_path_unresolved() {
        // Process ids end at 2^22.
        let found = matcher("/srv/secret").find(Operation::Read, b"secret", AT_FDCWD, 1 << 23);
        assert_eq!(found, Candidate::Unresolved);
    }
}
