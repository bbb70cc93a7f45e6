//! Rules that nothing meets, or that never decide because another rule does.

use std::collections::BTreeMap;

use aegisbpf_abi::Operation;

use super::{Finding, Severity, subjects};
use crate::policy::model::{
    AbsolutePath, FileObject, Held, Policy, Programs, Protocol, Rule, Subject, Target,
};

/// Rules about one object that a rule is compared with: a policy in which more
/// share one is slow to read for people too.
const COMPARED: usize = 64;

pub(super) fn findings(policy: &Policy) -> Vec<Finding> {
    let mut by_object: BTreeMap<Object, Vec<usize>> = BTreeMap::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        let same = by_object.entry(Object::of(&rule.target)).or_default();
        if same.len() < COMPARED {
            same.push(index);
        }
    }
    let mut findings = Vec::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        if let Some((problem, advice)) = unmet(rule, policy) {
            findings.push(rule.finding(Severity::Warning, problem, advice));
            continue;
        }
        let around = Object::of(&rule.target).and_around();
        let mut others = around
            .iter()
            .filter_map(|object| by_object.get(object))
            .flatten();
        let decides = others.find(|other| {
            let earlier = **other < index;
            let other = &policy.rules[**other];
            (other.action > rule.action || (other.action == rule.action && earlier))
                && covers(other, rule)
        });
        if let Some(other) = decides {
            let other = &policy.rules[*other].id;
            findings.push(rule.finding(
                Severity::Warning,
                format!("never decides: rule {other:?} applies whenever it does"),
                "remove it, or make the other one narrower",
            ));
        }
    }
    findings
}

/// Why no operation can meet a rule.
fn unmet(rule: &Rule, policy: &Policy) -> Option<(String, &'static str)> {
    if let Target::Network {
        protocol: Some(Protocol::Udp),
        operations,
        ..
    } = &rule.target
        && *operations == Operation::Listen.alone()
    {
        return Some((
            "is met by nothing: UDP sockets do not listen".into(),
            "use `operations: [bind]`",
        ));
    }
    let left_out = |subject: &Subject| {
        let exempt = subject.program.as_ref();
        rule.except
            .iter()
            .any(|exception| exception.covers(subject))
            || exempt.is_some_and(|program| policy.never_deny.contains(program))
    };
    subjects(&rule.scope).iter().all(left_out).then(|| {
        (
            "is met by nobody: its exceptions and `never-deny` leave out its whole scope".into(),
            "widen `scope` or remove an exception",
        )
    })
}

/// Whether `outer` applies to everything that `inner` applies to. Says no when
/// in doubt: a path rule also holds for its file's other names, so no subtree
/// covers it.
fn covers(outer: &Rule, inner: &Rule) -> bool {
    let operations = inner.target.operations();
    let enough = outer.target.operations().and(operations) == operations;
    let socket = match (&outer.target, &inner.target) {
        (
            Target::Network {
                ports: outer,
                protocol: of_outer,
                ..
            },
            Target::Network {
                ports: inner,
                protocol: of_inner,
                ..
            },
        ) => {
            outer.first <= inner.first
                && inner.last <= outer.last
                && (of_outer.is_none() || of_outer == of_inner)
        }
        _ => true,
    };
    let (wide, narrow) = (subjects(&outer.scope), subjects(&inner.scope));
    let scope = narrow
        .iter()
        .all(|subject| wide.iter().any(|outer| outer.covers(subject)));
    let exceptions = outer
        .except
        .iter()
        .all(|subject| inner.except.iter().any(|inner| inner.covers(subject)));
    let held = outer.held == Held::Revoke || inner.held == Held::Keep;
    enough && socket && scope && exceptions && held
}

/// What a rule is about, to find others about the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Object {
    Path(AbsolutePath),
    Subtree(AbsolutePath),
    Inode((u32, u32), u64),
    Sha256([u8; 32]),
    AllBut(Vec<AbsolutePath>),
    Network([u8; 16], u8),
    Kernel,
}

impl Object {
    fn of(target: &Target) -> Self {
        match target {
            Target::File { object, .. } => match object {
                FileObject::Path(path) => Self::Path(path.clone()),
                FileObject::Subtree(folder) => Self::Subtree(folder.clone()),
                FileObject::Inode { device, inode } => Self::Inode(*device, *inode),
            },
            Target::Exec(programs) => match programs {
                Programs::Path(path) => Self::Path(path.clone()),
                Programs::Subtree(folder) => Self::Subtree(folder.clone()),
                Programs::Sha256(digest) => Self::Sha256(*digest),
                Programs::AllBut(list) => Self::AllBut(list.clone()),
            },
            Target::Network { address, .. } => Self::Network(address.address(), address.prefix()),
            Target::Kernel { .. } => Self::Kernel,
        }
    }

    /// Itself and what contains it.
    fn and_around(&self) -> Vec<Self> {
        match self {
            Self::Subtree(folder) => folder
                .as_path()
                .ancestors()
                .filter_map(|folder| folder.to_str()?.to_owned().try_into().ok())
                .map(Self::Subtree)
                .collect(),
            Self::Network(address, prefix) => (0..=*prefix)
                .map(|prefix| {
                    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                    let address = u128::from_be_bytes(*address) & mask;
                    Self::Network(address.to_be_bytes(), prefix)
                })
                .collect(),
            other => vec![other.clone()],
        }
    }
}
