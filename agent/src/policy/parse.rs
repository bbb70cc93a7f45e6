//! Reading YAML, with limits on the input. The parser is named only here.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use serde::Deserialize;
use serde_saphyr::{DuplicateKeyPolicy, Spanned};
use thiserror::Error;

use super::model::{MAX_RULES, Policy, Rule, Target};

/// The version this agent reads.
const VERSION: u64 = 1;
/// Bytes of the longest policy that is read.
const MAX_BYTES: u64 = 64 << 20;
/// Bytes of the longest rule id.
const MAX_ID: usize = 128;

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "version")]
    _version: u64,
    rules: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    id: Spanned<String>,
    deny: Target,
}

/// Read and check a policy file.
pub fn read(path: &Path) -> Result<Policy, PolicyError> {
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
    parse(path, &text)
}

/// Check a policy; `path` is for the messages.
pub fn parse(path: &Path, text: &str) -> Result<Policy, PolicyError> {
    check(text).map_err(|problem| PolicyError::Invalid {
        path: path.to_owned(),
        problem,
    })
}

fn check(text: &str) -> Result<Policy, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 32 * MAX_RULES,
            max_nodes: 16 * MAX_RULES,
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
    let head: Head = serde_saphyr::from_str_with_options(text, options.clone())
        .map_err(|error| error.to_string())?;
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
    let document: Document =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    if document.rules.len() > MAX_RULES {
        return Err(format!(
            "holds {} rules; the limit is {MAX_RULES}",
            document.rules.len()
        ));
    }
    let mut lines = BTreeMap::new();
    let mut rules = Vec::with_capacity(document.rules.len());
    for RuleText { id, deny } in document.rules {
        let line = id.referenced.line();
        let id = id.value;
        if id.is_empty() || id.len() > MAX_ID || id.chars().any(char::is_control) {
            return Err(format!(
                "line {line}: rule id {id:?} must be 1 to {MAX_ID} bytes without control characters"
            ));
        }
        if let Some(first) = lines.insert(id.clone(), line) {
            return Err(format!(
                "line {line}: rule id {id:?} is used already in line {first}: ids must be unique"
            ));
        }
        rules.push(Rule { id, target: deny });
    }
    Ok(Policy { rules })
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

    #[test]
    fn every_kind_of_rule_is_read() {
        let text = r#"
version: 1
rules:
  - id: secret
    deny: { open: { path: /srv/secret.txt } }
  - id: tool
    deny:
      exec:
        path: /usr/local/bin/tool
  - id: net
    deny: { connect: { to: 10.0.0.0/8, port: 443 } }
  - id: range
    deny: { connect: { to: "fd00::/8", port: "8000-8999" } }
"#;
        let policy = parse(Path::new("p"), text).unwrap();
        let ids: Vec<&str> = policy.rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids, ["secret", "tool", "net", "range"]);
        let Target::Connect { port, .. } = &policy.rules[3].target else {
            panic!("not a rule about the network");
        };
        assert_eq!((port.first, port.last), (8000, 8999));
    }

    #[test]
    fn json_is_read_too() {
        let text = r#"{"version":1,"rules":[{"id":"a","deny":{"open":{"path":"/x"}}}]}"#;
        assert_eq!(parse(Path::new("p"), text).unwrap().rules.len(), 1);
    }

    #[test]
    fn a_typo_names_line_and_field() {
        assert_snapshot!(problem(
            "version: 1\nrules:\n  - id: a\n    deny: { opne: { path: /x } }\n"
        ));
    }

    #[test]
    fn a_newer_version_is_refused_as_such() {
        assert_snapshot!(problem("version: 2\nrules: []\nnew: 1\n"));
    }

    #[test]
    fn a_second_rule_of_the_same_id_is_refused() {
        assert_snapshot!(problem(
            "version: 1\nrules:\n  - id: a\n    deny: { open: { path: /x } }\n  - id: a\n    deny: { open: { path: /y } }\n"
        ));
    }

    #[test]
    fn references_are_refused() {
        let text = "version: 1\nrules:\n  - &a { id: a, deny: { open: { path: /x } } }\n  - *a\n";
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
            "version: 1\nrules:\n  - id: a\n    deny: { open: { path: x/y } }\n"
        ));
    }
}
