//! Reading YAML, with limits on the input. The parser is named only here.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use aegisbpf_abi::{Operation, Operations};
use rustix::fs::OFlags;
use serde::Deserialize;
use serde_saphyr::{DuplicateKeyPolicy, Error, MessageFormatter, UserMessageFormatter};
use thiserror::Error;

use super::{
    model::{FileObject, Held, MAX_RULES, Policy, Programs, Rule, Subject, Target},
    network::Ports,
    schema::{Document, ExecText, FileText, MAX_ID, OneOrMore, RuleText, SubjectText, unknown},
};
use crate::hex;

/// The version this agent reads.
const VERSION: u64 = 1;
/// Bytes of the longest policy that is read.
pub const MAX_BYTES: u64 = 64 << 20;

/// Why a policy is refused. Nothing of it comes into force.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("cannot read policy {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error(
        "policy {} is not a regular file: name the file that holds the policy",
        path.display()
    )]
    NoFile {
        /// What was named.
        path: PathBuf,
    },
    /// The file is too long to be a policy.
    #[error("policy {} is longer than {MAX_BYTES} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// No YAML, an unknown field, or a value that makes no sense.
    #[error("policy {}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        problem: String,
    },
}

#[derive(Deserialize)]
struct Head {
    version: Option<u64>,
}

/// Read and check a policy file.
pub fn read(path: &Path) -> Result<Policy, PolicyError> {
    parse(path, &read_text(path)?)
}

/// The text of a policy file. Opening does not wait for the other end of a
/// pipe, and only a regular file is read.
pub fn read_text(path: &Path) -> Result<String, PolicyError> {
    let read_error = |source| PolicyError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    // Without the flag, opening a pipe waits for its writer.
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(read_error)?;
    if !file.metadata().map_err(read_error)?.is_file() {
        return Err(PolicyError::NoFile {
            path: path.to_owned(),
        });
    }
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(read_error)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(PolicyError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// Check a policy; `path` is for the messages.
pub fn parse(path: &Path, text: &str) -> Result<Policy, PolicyError> {
    check(text).map_err(|problem| PolicyError::Invalid {
        path: path.to_owned(),
        problem,
    })
}

/// The parser's messages, with a guess at what was meant.
struct Messages;

impl MessageFormatter for Messages {
    fn format_message<'error>(&self, error: &'error Error) -> Cow<'error, str> {
        match error {
            Error::SerdeUnknownField {
                field, expected, ..
            } => unknown("field", field, expected).into(),
            Error::SerdeUnknownVariant {
                variant, expected, ..
            } => unknown("value", variant, expected).into(),
            other => UserMessageFormatter.format_message(other),
        }
    }
}

fn check(text: &str) -> Result<Policy, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 64 * MAX_RULES,
            max_nodes: 32 * MAX_RULES,
            max_depth: 16,
            max_documents: 1,
            // Nobody writes rules by reference; and references are how small
            // files become large.
            max_anchors: 0,
            max_aliases: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
    };
    let render = |error: Error| error.render_with_formatter(&Messages);
    let head: Head = serde_saphyr::from_str_with_options(text, options.clone()).map_err(render)?;
    match head.version {
        Some(VERSION) => {}
        Some(other) => {
            return Err(format!(
                "version {other} is not one this agent reads: it reads version {VERSION}"
            ));
        }
        None => {
            return Err(format!(
                "has no `version`: begin it with `version: {VERSION}`"
            ));
        }
    }
    let document: Document = serde_saphyr::from_str_with_options(text, options).map_err(render)?;
    if document.rules.len() > MAX_RULES {
        return Err(format!(
            "holds {} rules; the limit is {MAX_RULES}, and rule {:?} is the first beyond it",
            document.rules.len(),
            document.rules[MAX_RULES].id.value
        ));
    }
    let mut lines = BTreeMap::new();
    let mut rules = Vec::with_capacity(document.rules.len());
    for text in document.rules {
        let (line, column) = (text.id.referenced.line(), text.id.referenced.column());
        let refuse = |problem: String| format!("line {line} column {column}: {problem}");
        let id = text.id.value.clone();
        if id.is_empty() || id.len() > MAX_ID || id.chars().any(char::is_control) {
            return Err(refuse(format!(
                "rule id {id:?} must be 1 to {MAX_ID} bytes without control characters"
            )));
        }
        if let Some(first) = lines.insert(id.clone(), line) {
            return Err(refuse(format!(
                "rule id {id:?} is used already in line {first}: ids must be unique"
            )));
        }
        let problem = |problem| refuse(format!("rule {id:?}: {problem}"));
        rules.push(rule(text).map_err(problem)?);
    }
    Ok(Policy {
        rules,
        never_deny: sorted(document.never_deny),
    })
}

fn rule(text: RuleText) -> Result<Rule, String> {
    let target = match (text.file, text.exec, text.network, text.kernel) {
        (Some(file), None, None, None) => Target::File {
            operations: file.operations.0,
            object: file_object(file)?,
        },
        (None, Some(exec), None, None) => Target::Exec(programs(exec)?),
        (None, None, Some(network), None) => Target::Network {
            address: network.address,
            ports: Ports {
                first: port(network.ports.first)?,
                last: port(network.ports.last)?,
            },
            protocol: network.protocol,
            operations: network.operations.0,
        },
        (None, None, None, Some(kernel)) => Target::Kernel {
            operations: kernel.operations.0,
        },
        _ => return Err("needs exactly one of `file`, `exec`, `network` and `kernel`".into()),
    };
    let through_descriptors = Operation::Read.alone().with(Operation::Write.alone());
    let revocable = match &target {
        Target::File { operations, .. } => operations.and(through_descriptors),
        _ => Operations::NONE,
    };
    if text.held == Held::Revoke && revocable.is_empty() {
        return Err("`held: revoke` is for rules about files with `read` or `write`".into());
    }
    Ok(Rule {
        id: text.id.value,
        action: text.action,
        target,
        held: text.held,
        scope: subjects("scope", text.scope)?,
        except: subjects("except", text.except)?,
    })
}

fn port(number: u32) -> Result<u16, String> {
    u16::try_from(number).map_err(|error| error.to_string())
}

fn file_object(text: FileText) -> Result<FileObject, String> {
    match (text.path, text.subtree, text.inode, text.device) {
        (Some(path), None, None, None) => Ok(FileObject::Path(path)),
        (None, Some(folder), None, None) => Ok(FileObject::Subtree(folder)),
        (None, None, Some(inode), Some(device)) => {
            let number = |text: &str| text.parse::<u32>().ok();
            let parts = device.split_once(':');
            let device = parts
                .and_then(|(major, minor)| Some((number(major)?, number(minor)?)))
                .ok_or_else(|| format!("device {device:?} must be MAJOR:MINOR, such as \"8:1\""))?;
            Ok(FileObject::Inode { device, inode })
        }
        _ => Err("`file` needs exactly one of `path`, `subtree`, and `inode` with `device`".into()),
    }
}

fn programs(text: ExecText) -> Result<Programs, String> {
    match (text.path, text.subtree, text.sha256, text.all_but.0) {
        (Some(path), None, None, list) if list.is_empty() => Ok(Programs::Path(path)),
        (None, Some(folder), None, list) if list.is_empty() => Ok(Programs::Subtree(folder)),
        (None, None, Some(digest), list) if list.is_empty() => {
            let digest = hex::decode(&digest).map_err(|problem| format!("sha256 {problem}"))?;
            Ok(Programs::Sha256(digest))
        }
        (None, None, None, list) if !list.is_empty() => Ok(Programs::AllBut(sorted(list))),
        _ => Err("`exec` needs exactly one of `path`, `subtree`, `sha256` and `all-but`".into()),
    }
}

fn subjects(field: &str, texts: OneOrMore<SubjectText>) -> Result<Vec<Subject>, String> {
    let subjects = texts.0.into_iter().map(|text| Subject {
        program: text.program,
        cgroup: text.cgroup,
        uid: text.uid.map(|uid| (uid.first, uid.last)),
        mount_namespace: text.mount_namespace,
    });
    let subjects = sorted(subjects.collect());
    if subjects.contains(&Subject::default()) {
        return Err(format!(
            "a subject of `{field}` says nothing: give `program`, `cgroup`, `uid` or `mount-namespace`"
        ));
    }
    Ok(subjects)
}

/// Lists whose order means nothing have one order, and nothing twice.
fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn problem(text: &str) -> String {
        parse(Path::new("policy.yaml"), text)
            .unwrap_err()
            .to_string()
    }

    fn parsed(rules: &str) -> Policy {
        parse(Path::new("p"), &format!("version: 1\nrules:\n{rules}")).unwrap()
    }

    #[test]
    fn a_rule_says_only_what_it_must() {
        let policy = parsed("  - id: a\n    file: { path: /x//y/ }\n");
        assert_eq!(
            policy.rules,
            [Rule {
                id: "a".into(),
                action: super::super::model::Action::Deny,
                target: Target::File {
                    object: FileObject::Path("/x/y".to_owned().try_into().unwrap()),
                    operations: Operations::FILE,
                },
                held: Held::Keep,
                scope: Vec::new(),
                except: Vec::new(),
            }]
        );
    }

    #[test]
    fn ports_and_uids_are_numbers_or_ranges() {
        let policy = parsed(
            r#"
  - id: one
    network: { address: "::1", ports: 443, operations: [bind] }
  - id: range
    network: { address: 10.0.0.0/8, ports: "8000-8999", protocol: udp }
    scope: [ { uid: 1000-1999 }, { uid: 5 } ]
  - id: all
    network: { address: 10.0.0.0/8 }
"#,
        );
        let ports: Vec<_> = policy
            .rules
            .iter()
            .map(|rule| match &rule.target {
                Target::Network { ports, .. } => (ports.first, ports.last),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ports, [(443, 443), (8000, 8999), (0, 65535)]);
        let uids: Vec<_> = policy.rules[1]
            .scope
            .iter()
            .map(|subject| subject.uid)
            .collect();
        assert_eq!(uids, [Some((5, 5)), Some((1000, 1999))]);
    }

    #[test]
    fn lists_whose_order_means_nothing_are_equal_in_any_order() {
        let with = |list: &str| {
            parsed(&format!(
                "  - {{ id: a, exec: {{ all-but: [{list}] }}, scope: [ {{ uid: 2 }}, {{ uid: 1 }} ] }}"
            ))
        };
        assert_eq!(with("/b, /a"), with("/a, /b, /a/"));
    }

    #[test]
    fn json_is_read_too() {
        let text = r#"{"version":1,"rules":[{"id":"a","file":{"path":"/x"}}]}"#;
        assert_eq!(parse(Path::new("p"), text).unwrap().rules.len(), 1);
    }

    #[test]
    fn a_typo_names_line_and_field() {
        assert_snapshot!(problem(
            "version: 1\nrules:\n  - id: a\n    fiel: { path: /x }\n"
        ));
    }

    #[test]
    fn a_typo_in_an_operation_names_line_and_operation() {
        assert_snapshot!(problem(
            "version: 1\nrules:\n  - id: a\n    file: { path: /x, operations: [read, wriet] }\n"
        ));
    }

    #[test]
    fn an_operation_of_another_kind_is_refused_as_such() {
        assert_snapshot!(problem(
            "version: 1\nrules:\n  - id: a\n    kernel: { operations: [connect] }\n"
        ));
    }

    #[test]
    fn two_kinds_in_one_rule_are_refused() {
        assert_snapshot!(problem(
            "version: 1\nrules:\n  - id: a\n    file: { path: /x }\n    exec: { path: /x }\n"
        ));
    }

    #[test]
    fn a_newer_version_is_refused_as_such() {
        assert_snapshot!(problem("version: 2\nrules: []\nnew: 1\n"));
    }

    #[test]
    fn a_second_rule_of_the_same_id_is_refused() {
        assert_snapshot!(problem(
            "version: 1\nrules:\n  - id: a\n    file: { path: /x }\n  - id: a\n    file: { path: /y }\n"
        ));
    }

    #[test]
    fn references_are_refused() {
        let text = "version: 1\nrules:\n  - &a { id: a, file: { path: /x } }\n  - *a\n";
        assert!(parse(Path::new("p"), text).is_err());
    }

    #[test]
    fn only_a_regular_file_is_read_and_nothing_is_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        for path in [&*pipe, Path::new("/dev/zero"), Path::new("/")] {
            let error = read(path).unwrap_err().to_string();
            assert!(error.contains("is not a regular file"), "{error}");
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn a_relative_path_is_refused() {
        assert_snapshot!(problem(
            "version: 1\nrules:\n  - id: a\n    file: { path: x/y }\n"
        ));
    }

    #[test]
    fn a_second_value_of_a_field_is_refused() {
        assert_snapshot!(problem("version: 1\nrules: []\nrules: []\n"));
    }

    #[test]
    fn a_pipe_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, rustix::fs::Mode::RUSR, 0).unwrap();
        for path in [pipe.as_path(), folder.path()] {
            let problem = read(path).unwrap_err().to_string();
            assert!(problem.contains("is not a regular file"), "{problem}");
        }
    }
}
