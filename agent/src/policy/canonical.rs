//! The canonical form: the one text of a policy, whatever text it was read
//! from. Two policies that mean the same have one form and so one digest.
//!
//! It is itself a policy (JSON, a rule a line) with every default written out,
//! so that it can be read, compared line by line and applied.

use std::fmt::Write as _;

use aegisbpf_abi::{Operation, Operations};
use serde::{
    Serialize,
    ser::{SerializeMap as _, Serializer},
};
use sha2::{Digest as _, Sha256};

use super::model::{AbsolutePath, FileObject, Held, Policy, Programs, Rule, Subject, Target};
use crate::hex;

/// SHA-256 of the canonical form.
pub fn digest(policy: &Policy) -> [u8; 32] {
    Sha256::digest(canonical(policy)).into()
}

/// The canonical form.
pub fn canonical(policy: &Policy) -> String {
    let never_deny = json(&policy.never_deny);
    let rules: Vec<String> = policy.rules.iter().map(line).collect();
    let rules = rules.join(",\n");
    format!("{{\"version\":1,\"never-deny\":{never_deny},\"rules\":[\n{rules}\n]}}\n")
}

/// The canonical form of one rule.
pub fn line(rule: &Rule) -> String {
    json(rule)
}

fn json(value: &impl Serialize) -> String {
    // These types have no maps with keys other than text and no `Serialize`
    // that fails.
    let text = serde_json::to_string(value).unwrap_or_default();
    // JSON leaves characters as they are that YAML forbids or takes for ends
    // of lines. They can only be inside of strings.
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || "\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}".contains(character)
        {
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("action", &self.action)?;
        let (kind, target) = (kind(&self.target), &self.target);
        map.serialize_entry(kind, target)?;
        if self.held != Held::Keep {
            map.serialize_entry("held", &self.held)?;
        }
        for (name, subjects) in [("scope", &self.scope), ("except", &self.except)] {
            if !subjects.is_empty() {
                map.serialize_entry(name, subjects)?;
            }
        }
        map.end()
    }
}

const fn kind(target: &Target) -> &'static str {
    match target {
        Target::File { .. } => "file",
        Target::Exec(_) => "exec",
        Target::Network { .. } => "network",
        Target::Kernel { .. } => "kernel",
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        match self {
            Self::File { object, .. } => match object {
                FileObject::Path(path) => map.serialize_entry("path", path)?,
                FileObject::Subtree(folder) => map.serialize_entry("subtree", folder)?,
                FileObject::Inode { device, inode } => {
                    map.serialize_entry("inode", inode)?;
                    map.serialize_entry("device", &format!("{}:{}", device.0, device.1))?;
                }
            },
            Self::Exec(programs) => match programs {
                Programs::Path(path) => map.serialize_entry("path", path)?,
                Programs::Subtree(folder) => map.serialize_entry("subtree", folder)?,
                Programs::Sha256(digest) => map.serialize_entry("sha256", &hex::encode(digest))?,
                Programs::AllBut(list) => map.serialize_entry("all-but", list)?,
            },
            Self::Network {
                address,
                ports,
                protocol,
                ..
            } => {
                map.serialize_entry("address", &address.to_string())?;
                map.serialize_entry("ports", &format!("{}-{}", ports.first, ports.last))?;
                if let Some(protocol) = protocol {
                    map.serialize_entry("protocol", protocol)?;
                }
            }
            Self::Kernel { .. } => {}
        }
        // The operations of a rule about programs are always the same.
        if !matches!(self, Self::Exec(_)) {
            map.serialize_entry("operations", &names(self.operations()))?;
        }
        map.end()
    }
}

fn names(operations: Operations) -> Vec<&'static str> {
    operations.iter().map(Operation::name).collect()
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (name, path) in [("program", &self.program), ("cgroup", &self.cgroup)] {
            if let Some(path) = path {
                map.serialize_entry(name, path)?;
            }
        }
        if let Some((first, last)) = self.uid {
            map.serialize_entry("uid", &format!("{first}-{last}"))?;
        }
        if let Some(number) = self.mount_namespace {
            map.serialize_entry("mount-namespace", &number)?;
        }
        map.end()
    }
}

impl Serialize for AbsolutePath {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.as_path().display())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::policy::{arbitrary, parse};
    use proptest::prelude::*;

    fn parsed(text: &str) -> Policy {
        parse(Path::new("p"), text).unwrap()
    }

    #[test]
    fn two_texts_that_mean_the_same_have_one_digest() {
        let one = parsed(
            "version: 1\nnever-deny: [/b, /a]\nrules:\n  - id: x # why\n    file: { path: /etc//shadow, operations: [write, read] }\n    scope: [ { uid: 2 }, { uid: 1 } ]\n",
        );
        let other = parsed(
            r#"{"rules": [{"scope": [{"uid": "1-1"}, {"uid": 2}], "action": "deny", "held": "keep",
                "file": {"operations": ["read", "write"], "path": "/etc/shadow"}, "id": "x"}],
                "never-deny": ["/a", "/b", "/a"], "version": 1}"#,
        );
        assert_eq!(digest(&one), digest(&other));
    }

    #[test]
    fn the_canonical_form_is_a_rule_a_line() {
        let text = r"
version: 1
never-deny: [/usr/sbin/sshd]
rules:
  - id: secrets
    file: { subtree: /srv/secrets }
    held: revoke
    scope: [ { cgroup: /a, uid: 7 } ]
  - { id: web, action: kill, network: { address: 10.0.0.0/8, ports: 80 } }
  - { id: only, exec: { all-but: [/bin/true] } }
";
        insta::assert_snapshot!(canonical(&parsed(text)), @r#"
        {"version":1,"never-deny":["/usr/sbin/sshd"],"rules":[
        {"id":"secrets","action":"deny","file":{"subtree":"/srv/secrets","operations":["read","write","create","delete","rename","link","truncate","attributes","exec","mmap-exec"]},"held":"revoke","scope":[{"cgroup":"/a","uid":"7-7"}]},
        {"id":"web","action":"kill","network":{"address":"10.0.0.0/8","ports":"80-80","operations":["connect","send"]}},
        {"id":"only","action":"deny","exec":{"all-but":["/bin/true"]}}
        ]}
        "#);
    }

    proptest! {
        #[test]
        fn a_policy_is_read_back_from_its_canonical_form(policy in arbitrary::policy()) {
            prop_assert_eq!(parsed(&canonical(&policy)), policy);
        }

        #[test]
        fn policies_that_differ_have_different_digests(
            one in arbitrary::policy(), other in arbitrary::policy(),
        ) {
            prop_assert_eq!(one == other, digest(&one) == digest(&other));
        }
    }
}
