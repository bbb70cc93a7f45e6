//! Rules in an agent's own language, by the template of its adapter.

use std::path::Path;

use harness_proto::{Blank, Lookup};
use minijinja::{Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use scenarios::{
    Rule, Target,
    rule::{Action, FileObject, Held, NetworkTarget, Ports, Programs, Protocol, Subject, Uids},
};
use serde::Serialize;

use crate::{
    ability::ObjectKind,
    adapter::{PolicyFile, Rules},
};

const NAME: &str = "policy";

/// The template of an adapter's policy.
#[derive(Debug, Clone)]
pub(super) struct Template {
    environment: Environment<'static>,
}

/// What a template is given.
#[derive(Debug, Serialize)]
struct PolicyView<'a> {
    rules: Vec<RuleView<'a>>,
    never_deny: &'a [String],
}

/// What a template is given for a rule. A field that the rule does not have is
/// `none`; one that there is not is an error.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
struct RuleView<'a> {
    id: &'a str,
    action: Action,
    held: Held,
    /// `file`, `exec`, `network` or `kernel`.
    kind: &'static str,
    /// How the object is named.
    object: Option<ObjectKind>,
    path: Option<&'a str>,
    /// Of an allow-list.
    paths: &'a [String],
    operations: Vec<String>,
    inode: Option<String>,
    device: Option<String>,
    sha256: Option<String>,
    address: Option<&'a str>,
    first_port: Option<String>,
    last_port: Option<String>,
    protocol: Option<Protocol>,
    scope: Vec<SubjectView<'a>>,
    except: Vec<SubjectView<'a>>,
}

#[derive(Debug, Serialize)]
struct SubjectView<'a> {
    program: Option<&'a str>,
    cgroup: Option<&'a str>,
    first_uid: Option<String>,
    last_uid: Option<String>,
    mount_namespace: Option<String>,
}

impl Template {
    /// Compile it; errors name the file and the line.
    pub(super) fn new(path: &Path, text: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        let syntax = syntax.keep_trailing_newline(true).build();
        environment.set_syntax(syntax.map_err(|error| described(path, &error))?);
        environment
            .add_template_owned(NAME, text.to_owned())
            .map_err(|error| described(path, &error))?;
        Ok(Self { environment })
    }

    /// Errors name the file and the line.
    pub(super) fn render(&self, path: &Path, rules: &Rules<'_>) -> Result<PolicyFile, String> {
        let mut blanks = Vec::new();
        let views: Vec<RuleView<'_>> = rules
            .rules
            .iter()
            .map(|rule| view(rule, &mut blanks))
            .collect();
        let content = self
            .environment
            .get_template(NAME)
            .and_then(|template| {
                template.render(Serde(PolicyView {
                    rules: views,
                    never_deny: rules.never_deny,
                }))
            })
            .map_err(|error| described(path, &error))?;
        // What no text asks for need not be there to be looked up.
        blanks.retain(|blank: &Blank| content.contains(&blank.text));
        Ok(PolicyFile { content, blanks })
    }
}

fn described(path: &Path, error: &minijinja::Error) -> String {
    let line = error.line().unwrap_or(1);
    let kind = error.kind().to_string();
    let what = error.detail().map_or(kind, ToOwned::to_owned);
    format!("{}:{line}: {what}", path.display())
}

fn view<'a>(rule: &'a Rule, blanks: &mut Vec<Blank>) -> RuleView<'a> {
    let mut blank = |text: String, lookup: Lookup| {
        let blank = Blank {
            text: text.clone(),
            lookup,
        };
        if !blanks.contains(&blank) {
            blanks.push(blank);
        }
        text
    };
    let mut seen = RuleView {
        id: &rule.id,
        action: rule.action,
        held: rule.held,
        kind: "",
        object: None,
        path: None,
        paths: &[],
        operations: Vec::new(),
        inode: None,
        device: None,
        sha256: None,
        address: None,
        first_port: None,
        last_port: None,
        protocol: None,
        scope: Vec::new(),
        except: Vec::new(),
    };
    match &rule.target {
        Target::File { object, operations } => {
            seen.kind = "file";
            seen.operations = operations.iter().map(ToString::to_string).collect();
            let (kind, path) = match object {
                FileObject::Path(path) => (ObjectKind::Path, path),
                FileObject::Subtree(path) => (ObjectKind::Subtree, path),
                FileObject::InodeOf(path) => {
                    let inode = Lookup::InodeOf(path.clone());
                    let device = Lookup::DeviceOf(path.clone());
                    seen.inode = Some(blank(format!("<inode of {path}>"), inode));
                    seen.device = Some(blank(format!("<device of {path}>"), device));
                    (ObjectKind::Inode, path)
                }
            };
            (seen.object, seen.path) = (Some(kind), Some(path.as_str()));
        }
        Target::Exec(programs) => {
            seen.kind = "exec";
            let (kind, path) = match programs {
                Programs::Path(path) => (ObjectKind::Path, Some(path)),
                Programs::Subtree(path) => (ObjectKind::Subtree, Some(path)),
                Programs::Sha256Of(path) => {
                    let lookup = Lookup::Sha256Of(path.clone());
                    seen.sha256 = Some(blank(format!("<sha256 of {path}>"), lookup));
                    (ObjectKind::Sha256, Some(path))
                }
                Programs::AllBut(paths) => {
                    seen.paths = paths;
                    (ObjectKind::AllBut, None)
                }
            };
            (seen.object, seen.path) = (Some(kind), path.map(String::as_str));
        }
        Target::Network(network) => network_view(network, &mut seen),
        Target::Kernel(operations) => {
            seen.kind = "kernel";
            seen.operations = operations.iter().map(ToString::to_string).collect();
        }
    }
    seen.scope = subjects(&rule.scope, &mut blank);
    seen.except = subjects(&rule.except, &mut blank);
    seen
}

fn network_view<'a>(network: &'a NetworkTarget, seen: &mut RuleView<'a>) {
    seen.kind = "network";
    seen.address = Some(&network.address);
    seen.operations = network.operations.iter().map(ToString::to_string).collect();
    seen.protocol = network.protocol;
    let ports = network.ports.as_ref().map(|ports| match ports {
        Ports::One(port) => bounds(&port.to_string()),
        Ports::Range(range) => bounds(range),
    });
    (seen.first_port, seen.last_port) = ports.unzip();
}

fn subjects<'a>(
    subjects: &'a [Subject],
    blank: &mut impl FnMut(String, Lookup) -> String,
) -> Vec<SubjectView<'a>> {
    let one = |subject: &'a Subject| {
        let uids = subject.uid.as_ref().map(|uids| match uids {
            Uids::One(uid) => bounds(&uid.to_string()),
            Uids::Range(range) => bounds(range),
        });
        let (first_uid, last_uid) = uids.unzip();
        SubjectView {
            program: subject.program.as_deref(),
            cgroup: subject.cgroup.as_deref(),
            first_uid,
            last_uid,
            mount_namespace: subject.mount_namespace_of.as_ref().map(|name| {
                let lookup = Lookup::MountNamespaceOf(name.clone());
                blank(format!("<mount namespace of {name}>"), lookup)
            }),
        }
    };
    subjects.iter().map(one).collect()
}

/// "8000-8999" as first and last.
fn bounds(range: &str) -> (String, String) {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    (first.trim().to_owned(), last.trim().to_owned())
}
