//! Rules in the reference agent's language: JSON, which is YAML.

use harness_proto::{Blank, Lookup};
use scenarios::{
    Target,
    rule::{Action, FileObject, Held, Programs, Subject},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::adapter::{PolicyFile, Rules};

/// A struct, so that its fields come in this order.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct PolicyText<'a> {
    version: u32,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    never_deny: &'a [String],
    rules: Vec<RuleText<'a>>,
}

#[derive(Serialize)]
struct RuleText<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    action: Action,
    #[serde(flatten)]
    target: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scope: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except: Vec<Value>,
    #[serde(skip_serializing_if = "is_default")]
    held: Held,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) fn write(rules: &Rules<'_>) -> PolicyFile {
    let mut blanks = Blanks::default();
    let text = PolicyText {
        version: 1,
        never_deny: rules.never_deny,
        rules: rules
            .rules
            .iter()
            .map(|rule| RuleText {
                id: &rule.id,
                action: rule.action,
                target: blanks.target(&rule.target),
                scope: blanks.subjects(&rule.scope),
                except: blanks.subjects(&rule.except),
                held: rule.held,
            })
            .collect(),
    };
    PolicyFile {
        content: serde_json::to_string(&text).expect("rules have string keys"),
        blanks: blanks.0,
    }
}

/// What the guest has to fill in.
#[derive(Default)]
struct Blanks(Vec<Blank>);

impl Blanks {
    /// A value of which the guest writes all, quotes included.
    fn number(&mut self, name: &str, of: &str, lookup: Lookup) -> Value {
        let text = format!("<{name} of {of}>");
        self.add(format!("\"{text}\""), lookup);
        text.into()
    }

    /// A string of which the guest writes what is between the quotes.
    fn string(&mut self, name: &str, of: &str, lookup: Lookup) -> Value {
        let text = format!("<{name} of {of}>");
        self.add(text.clone(), lookup);
        text.into()
    }

    fn add(&mut self, text: String, lookup: Lookup) {
        let blank = Blank { text, lookup };
        if !self.0.contains(&blank) {
            self.0.push(blank);
        }
    }

    fn target(&mut self, target: &Target) -> Map<String, Value> {
        let (kind, value) = match target {
            Target::File { object, operations } => {
                let mut file = self.file(object);
                if !operations.is_empty() {
                    file["operations"] = json!(operations);
                }
                ("file", file)
            }
            Target::Exec(programs) => ("exec", self.programs(programs)),
            Target::Network(network) => ("network", json!(network)),
            Target::Kernel(operations) => ("kernel", json!({"operations": operations})),
        };
        Map::from_iter([(kind.to_owned(), value)])
    }

    fn file(&mut self, object: &FileObject) -> Value {
        match object {
            FileObject::Path(path) => json!({"path": path}),
            FileObject::Subtree(folder) => json!({"subtree": folder}),
            FileObject::InodeOf(path) => {
                let of = || path.clone();
                json!({
                    "inode": self.number("inode", path, Lookup::InodeOf(of())),
                    "device": self.string("device", path, Lookup::DeviceOf(of())),
                })
            }
        }
    }

    fn programs(&mut self, programs: &Programs) -> Value {
        match programs {
            Programs::Path(path) => json!({"path": path}),
            Programs::Subtree(folder) => json!({"subtree": folder}),
            Programs::AllBut(paths) => json!({"all-but": paths}),
            Programs::Sha256Of(path) => {
                let lookup = Lookup::Sha256Of(path.clone());
                json!({"sha256": self.string("sha256", path, lookup)})
            }
        }
    }

    fn subjects(&mut self, subjects: &[Subject]) -> Vec<Value> {
        subjects.iter().map(|one| self.subject(one)).collect()
    }

    fn subject(&mut self, subject: &Subject) -> Value {
        let mut text = Map::new();
        let mut put = |name: &str, value: Value| text.insert(name.to_owned(), value);
        if let Some(program) = &subject.program {
            put("program", json!(program));
        }
        if let Some(cgroup) = &subject.cgroup {
            put("cgroup", json!(cgroup));
        }
        if let Some(uid) = &subject.uid {
            put("uid", json!(uid));
        }
        if let Some(name) = &subject.mount_namespace_of {
            let lookup = Lookup::MountNamespaceOf(name.clone());
            put(
                "mount-namespace",
                self.number("mount namespace", name, lookup),
            );
        }
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::adapter::Rules;
    use scenarios::Rule;

    fn written(texts: &[&str]) -> String {
        let rules: Vec<Rule> = texts
            .iter()
            .map(|one| toml::from_str(one).unwrap())
            .collect();
        let policy = write(&Rules {
            rules: rules.iter().collect(),
            never_deny: &[],
        });
        let blanks: Vec<String> = policy
            .blanks
            .iter()
            .map(|blank| format!("{} = {:?}", blank.text, blank.lookup))
            .collect();
        let content = policy.content.replace(",{\"id\"", ",\n{\"id\"");
        [vec![content], blanks].concat().join("\n")
    }

    #[test]
    fn rules_are_written_as_the_agent_reads_them() {
        insta::assert_snapshot!(written(&[
            "id = \"a\"\nfile = { path = \"/a\" }",
            "id = \"b\"\naction = \"kill\"\nheld = \"revoke\"\nfile = { subtree = \"/b\", operations = [\"read\", \"mmap-exec\"] }",
            "id = \"c\"\nexec = { all-but = [\"/c\"] }\nscope = [{ cgroup = \"/t\", uid = \"1000-1999\" }]\nexcept = [{ program = \"/p\" }]",
            "id = \"d\"\nnetwork = { address = \"10.0.0.0/8\", ports = 443, protocol = \"tcp\", operations = [\"connect\"] }",
            "id = \"e\"\nkernel = { operations = [\"module-load\"] }",
        ]), @r#"
        {"version":1,"rules":[{"id":"a","file":{"path":"/a"}},
        {"id":"b","action":"kill","file":{"operations":["read","mmap-exec"],"subtree":"/b"},"held":"revoke"},
        {"id":"c","exec":{"all-but":["/c"]},"scope":[{"cgroup":"/t","uid":"1000-1999"}],"except":[{"program":"/p"}]},
        {"id":"d","network":{"address":"10.0.0.0/8","operations":["connect"],"ports":443,"protocol":"tcp"}},
        {"id":"e","kernel":{"operations":["module-load"]}}]}
        "#);
    }

    #[test]
    fn what_only_the_guest_knows_is_left_blank_once() {
        insta::assert_snapshot!(written(&[
            "id = \"a\"\nfile = { inode-of = \"/a\" }",
            "id = \"b\"\nfile = { inode-of = \"/a\", operations = [\"read\"] }",
            "id = \"c\"\nexec = { sha256-of = \"/c\" }\nscope = [{ mount-namespace-of = \"tenant\" }]",
        ]), @r#"
        {"version":1,"rules":[{"id":"a","file":{"device":"<device of /a>","inode":"<inode of /a>"}},
        {"id":"b","file":{"device":"<device of /a>","inode":"<inode of /a>","operations":["read"]}},
        {"id":"c","exec":{"sha256":"<sha256 of /c>"},"scope":[{"mount-namespace":"<mount namespace of tenant>"}]}]}
        "<inode of /a>" = InodeOf("/a")
        <device of /a> = DeviceOf("/a")
        <sha256 of /c> = Sha256Of("/c")
        "<mount namespace of tenant>" = MountNamespaceOf("tenant")
        "#);
    }

    #[test]
    fn no_rules_are_a_policy_too() {
        assert_eq!(written(&[]), r#"{"version":1,"rules":[]}"#);
        let console = ["/srv/console".to_owned()];
        let policy = write(&Rules {
            rules: Vec::new(),
            never_deny: &console,
        });
        assert_eq!(
            policy.content,
            r#"{"version":1,"never-deny":["/srv/console"],"rules":[]}"#
        );
    }
}
