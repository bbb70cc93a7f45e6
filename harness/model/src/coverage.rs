//! Which kinds of rules have decided how often.

use std::collections::BTreeMap;

use scenarios::{
    Rule, Target,
    rule::{Action, FileObject, Programs, Subject},
};
use serde::{Deserialize, Serialize};

use crate::{deed::Deed, oracle::Spoken};

/// A kind of rule: what it is about, what it says, and of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kind {
    /// Objects.
    pub object: Object,
    /// What was tried.
    pub operation: Deed,
    /// What the rule says.
    pub action: Action,
    /// Whom it means.
    pub scope: Scope,
}

/// Objects of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// `file.path`
    FilePath,
    /// `file.subtree`
    FileSubtree,
    /// `file.inode`
    FileInode,
    /// `exec.path`
    ExecPath,
    /// `exec.subtree`
    ExecSubtree,
    /// `exec.sha256`
    ExecSha256,
    /// `exec.all-but`
    ExecAllBut,
    /// `network`, one address
    Address,
    /// `network`, several
    Network,
    /// `kernel`
    Kernel,
}

impl Object {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::FilePath,
        Self::FileSubtree,
        Self::FileInode,
        Self::ExecPath,
        Self::ExecSubtree,
        Self::ExecSha256,
        Self::ExecAllBut,
        Self::Address,
        Self::Network,
        Self::Kernel,
    ];

    fn of(target: &Target) -> Self {
        match target {
            Target::File { object, .. } => match object {
                FileObject::Path(_) => Self::FilePath,
                FileObject::Subtree(_) => Self::FileSubtree,
                FileObject::InodeOf(_) => Self::FileInode,
            },
            Target::Exec(programs) => match programs {
                Programs::Path(_) => Self::ExecPath,
                Programs::Subtree(_) => Self::ExecSubtree,
                Programs::Sha256Of(_) => Self::ExecSha256,
                Programs::AllBut(_) => Self::ExecAllBut,
            },
            Target::Network(network) if network.address.contains('/') => Self::Network,
            Target::Network(_) => Self::Address,
            Target::Kernel(_) => Self::Kernel,
        }
    }

    /// What rules of this kind can speak of, as far as attempts can show it. To
    /// one about a path or a subtree a guard is added: it also speaks of moving
    /// what is on the way.
    fn operations(self) -> &'static [Deed] {
        match self {
            Self::FilePath | Self::FileSubtree => &ABOUT_PLACES,
            // What has a number is there, so nothing makes it.
            Self::FileInode => &ABOUT_INODES,
            Self::ExecPath | Self::ExecSubtree | Self::ExecSha256 | Self::ExecAllBut => {
                &Deed::OF_PROGRAMS
            }
            Self::Address | Self::Network => &[Deed::Connect, Deed::Send, Deed::Bind, Deed::Listen],
            Self::Kernel => &[
                Deed::Ptrace,
                Deed::ModuleLoad,
                Deed::Kexec,
                Deed::Bpf,
                Deed::Mount,
                Deed::UserNamespace,
            ],
        }
    }
}

const ABOUT_PLACES: [Deed; 11] = [
    Deed::Read,
    Deed::Write,
    Deed::Create,
    Deed::Delete,
    Deed::Rename,
    Deed::Link,
    Deed::Truncate,
    Deed::Attributes,
    Deed::Exec,
    Deed::MmapExec,
    Deed::Mount,
];

const ABOUT_INODES: [Deed; 9] = [
    Deed::Read,
    Deed::Write,
    Deed::Delete,
    Deed::Rename,
    Deed::Link,
    Deed::Truncate,
    Deed::Attributes,
    Deed::Exec,
    Deed::MmapExec,
];

/// Whom a rule means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everyone.
    Everyone,
    /// Users.
    Uid,
    /// A program.
    Program,
    /// A cgroup.
    Cgroup,
    /// Several of these, or more than one subject.
    Several,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Everyone,
        Self::Uid,
        Self::Program,
        Self::Cgroup,
        Self::Several,
    ];

    fn of(scope: &[Subject]) -> Self {
        match scope {
            [] => Self::Everyone,
            [one] => match (&one.uid, &one.program, &one.cgroup) {
                (Some(_), None, None) => Self::Uid,
                (None, Some(_), None) => Self::Program,
                (None, None, Some(_)) => Self::Cgroup,
                _ => Self::Several,
            },
            _ => Self::Several,
        }
    }
}

/// How often each kind has decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(pub BTreeMap<Kind, u64>);

/// Two properties of a kind, which must have met.
pub type Pair = (String, String);

impl Coverage {
    /// A rule has decided.
    pub fn add(&mut self, rules: &[Rule], spoken: Spoken) {
        let rule = &rules[spoken.rule];
        let kind = Kind {
            object: Object::of(&rule.target),
            operation: spoken.deed,
            action: spoken.action,
            scope: Scope::of(&rule.scope),
        };
        *self.0.entry(kind).or_default() += 1;
    }

    /// Add those of another.
    pub fn merge(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            *self.0.entry(*kind).or_default() += count;
        }
    }

    /// What had to meet and did not: every object with each of its operations,
    /// each action and each scope. That all combinations of three are there
    /// would take more than a run has decisions.
    pub fn missing(&self, objects: &[Object]) -> Vec<Pair> {
        let mut missing = Vec::new();
        let mut must = |met: bool, object: Object, other: String| {
            if !met {
                missing.push((text(&object), other));
            }
        };
        for object in objects {
            let met = |of: &dyn Fn(&Kind) -> bool| {
                self.0.keys().any(|kind| kind.object == *object && of(kind))
            };
            for operation in object.operations() {
                let seen = met(&|kind| kind.operation == *operation);
                must(seen, *object, text(operation));
            }
            for action in [Action::Audit, Action::Deny, Action::Kill] {
                must(met(&|kind| kind.action == action), *object, text(&action));
            }
            for scope in Scope::ALL {
                // A rule about everyone's kernel, or all programs, would stop the
                // runner.
                let never = matches!(object, Object::Kernel | Object::ExecAllBut);
                if never && scope == Scope::Everyone {
                    continue;
                }
                must(met(&|kind| kind.scope == scope), *object, text(&scope));
            }
        }
        missing
    }
}

/// As it is written in files.
pub fn text(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        other => format!("{other:?}"),
    }
}
