//! Rules as they are written: exactly one of `file`, `exec`, `network` and
//! `kernel`, and of the ways to name an object.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{Action, FileObject, Held, NetworkTarget, Programs, Rule, Subject, Target};
use crate::operation::{FileOperation, KernelOperation};

/// One rule of a scenario's policy, with exactly one of `file`, `exec`,
/// `network` and `kernel`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RuleText {
    /// Unique in the scenario; events name it.
    id: String,
    /// What becomes of an operation to which it applies.
    #[serde(default, skip_serializing_if = "is_default")]
    action: Action,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<FileText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exec: Option<ExecText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<NetworkTarget>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kernel: Option<KernelText>,
    /// Whose operations: of any of these subjects. Everyone's when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scope: Vec<Subject>,
    /// Whose operations it leaves alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    except: Vec<Subject>,
    /// What becomes of descriptors that are older than the rule.
    #[serde(default, skip_serializing_if = "is_default")]
    held: Held,
}

/// Files, by exactly one of `path`, `subtree` and `inode-of`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct FileText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subtree: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inode_of: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    operations: Vec<FileOperation>,
}

/// Programs, by exactly one of `path`, `subtree`, `sha256-of` and `all-but`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ExecText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subtree: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256_of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all_but: Option<Vec<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KernelText {
    operations: Vec<KernelOperation>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TryFrom<RuleText> for Rule {
    type Error = String;

    fn try_from(text: RuleText) -> Result<Self, String> {
        let RuleText {
            id,
            action,
            file,
            exec,
            network,
            kernel,
            scope,
            except,
            held,
        } = text;
        let target = match (file, exec, network, kernel) {
            (Some(file), None, None, None) => file_target(&id, file)?,
            (None, Some(exec), None, None) => exec_target(&id, exec)?,
            (None, None, Some(network), None) => Target::Network(network),
            (None, None, None, Some(kernel)) => Target::Kernel(kernel.operations),
            _ => {
                return Err(format!(
                    "rule \"{id}\" must have exactly one of file, exec, network and kernel"
                ));
            }
        };
        Ok(Self {
            id,
            action,
            target,
            scope,
            except,
            held,
        })
    }
}

fn file_target(id: &str, file: FileText) -> Result<Target, String> {
    let object = match (file.path, file.subtree, file.inode_of) {
        (Some(path), None, None) => FileObject::Path(path),
        (None, Some(folder), None) => FileObject::Subtree(folder),
        (None, None, Some(path)) => FileObject::InodeOf(path),
        _ => {
            return Err(format!(
                "rule \"{id}\" must name its files by exactly one of path, subtree and inode-of"
            ));
        }
    };
    Ok(Target::File {
        object,
        operations: file.operations,
    })
}

fn exec_target(id: &str, exec: ExecText) -> Result<Target, String> {
    let programs = match (exec.path, exec.subtree, exec.sha256_of, exec.all_but) {
        (Some(path), None, None, None) => Programs::Path(path),
        (None, Some(folder), None, None) => Programs::Subtree(folder),
        (None, None, Some(path), None) => Programs::Sha256Of(path),
        (None, None, None, Some(paths)) => Programs::AllBut(paths),
        _ => {
            return Err(format!(
                "rule \"{id}\" must name its programs by exactly one of path, subtree, sha256-of and all-but"
            ));
        }
    };
    Ok(Target::Exec(programs))
}

impl From<Rule> for RuleText {
    fn from(rule: Rule) -> Self {
        let mut text = Self {
            id: rule.id,
            action: rule.action,
            scope: rule.scope,
            except: rule.except,
            held: rule.held,
            ..Self::default()
        };
        match rule.target {
            Target::File { object, operations } => {
                let mut file = FileText {
                    operations,
                    ..FileText::default()
                };
                match object {
                    FileObject::Path(path) => file.path = Some(path),
                    FileObject::Subtree(folder) => file.subtree = Some(folder),
                    FileObject::InodeOf(path) => file.inode_of = Some(path),
                }
                text.file = Some(file);
            }
            Target::Exec(programs) => {
                let mut exec = ExecText::default();
                match programs {
                    Programs::Path(path) => exec.path = Some(path),
                    Programs::Subtree(folder) => exec.subtree = Some(folder),
                    Programs::Sha256Of(path) => exec.sha256_of = Some(path),
                    Programs::AllBut(paths) => exec.all_but = Some(paths),
                }
                text.exec = Some(exec);
            }
            Target::Network(network) => text.network = Some(network),
            Target::Kernel(operations) => text.kernel = Some(KernelText { operations }),
        }
        text
    }
}

impl JsonSchema for Rule {
    fn schema_name() -> Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        RuleText::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use crate::rule::Rule;

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        for text in [
            "id = \"a\"\n\n[file]\npath = \"/a\"\noperations = [\"read\", \"mmap-exec\"]\n",
            "id = \"a\"\naction = \"kill\"\nheld = \"revoke\"\n\n[file]\nsubtree = \"/a\"\n",
            "id = \"a\"\n\n[file]\ninode-of = \"/a\"\n",
            "id = \"a\"\n\n[exec]\nall-but = [\"/a\"]\n",
            "id = \"a\"\n\n[exec]\nsha256-of = \"/a\"\n",
            "id = \"a\"\n\n[network]\naddress = \"::/0\"\nports = 80\nprotocol = \"tcp\"\noperations = [\"bind\"]\n",
            "id = \"a\"\n\n[network]\naddress = \"10.0.0.1\"\nports = \"1-2\"\n",
            "id = \"a\"\n\n[kernel]\noperations = [\"module-load\"]\n\n[[scope]]\nuid = \"1-2\"\n\n[[except]]\nmount-namespace-of = \"x\"\n",
        ] {
            let rule: Rule = toml::from_str(text).unwrap();
            let back: Rule = toml::from_str(&toml::to_string(&rule).unwrap()).unwrap();
            assert_eq!(rule, back);
            assert_eq!(rule.problem(), None);
        }
    }

    #[test]
    fn a_rule_with_no_or_two_targets_is_refused_by_name() {
        let check = |text: &str, says: &str| {
            let error = toml::from_str::<Rule>(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        check("id = \"a\"", "exactly one of file, exec");
        check(
            "id = \"a\"\n[file]\npath = \"/a\"\n[exec]\npath = \"/a\"",
            "exactly one of file, exec",
        );
        check("id = \"a\"\n[file]\n", "exactly one of path, subtree");
        check("id = \"a\"\n[exec]\n", "all-but");
        check("id = \"a\"\n[file]\npath = \"/a\"\ntypo = 1", "typo");
        check(
            "id = \"a\"\n[file]\npath = \"/a\"\noperations = [\"connect\"]",
            "connect",
        );
    }

    #[test]
    fn a_rule_about_nothing_or_everyone_by_mistake_is_a_problem() {
        let check = |text: &str| {
            let rule: Rule = toml::from_str(text).unwrap();
            assert!(rule.problem().is_some(), "{text}");
        };
        check("id = \"a\"\n[kernel]\noperations = []");
        check("id = \"a\"\n[file]\npath = \"/a\"\n[[scope]]");
        check("id = \"a\"\n[network]\naddress = \"example.org\"");
    }
}
