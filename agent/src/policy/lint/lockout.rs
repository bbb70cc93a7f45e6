//! Rules that would take from the host, or from the agent, what it cannot do
//! without. Each check is an error: the policy would be in force at the next
//! boot too, and nobody could take it back.
//!
//! A rule is dangerous when it can deny (audit never is) and reaches root:
//! its scope is empty, or has a subject that names no cgroup, no mount
//! namespace and no program, and whose uids hold 0. An exception saves it when
//! it leaves out all of root: `except: [{ uid: 0 }]`.

use std::path::Path;

use aegisbpf_abi::{Operation, Operations};

use super::{Finding, Host, Severity, Vital, host::INITS, subjects};
use crate::policy::{
    model::{AbsolutePath, FileObject, Policy, Programs, Rule, Subject, Target},
    network::Ports,
};

/// Names of programs that do whatever they are told.
const INTERPRETERS: [&str; 9] = [
    "sh", "bash", "dash", "zsh", "busybox", "env", "perl", "python3", "node",
];

/// All of root.
const ROOT: Subject = Subject {
    program: None,
    cgroup: None,
    uid: Some((0, 0)),
    mount_namespace: None,
};

pub(super) fn findings(policy: &Policy, host: &Host) -> Vec<Finding> {
    let dangerous = policy
        .rules
        .iter()
        .filter(|rule| rule.denies() && reaches_root(rule));
    let mut findings: Vec<Finding> = dangerous
        .filter_map(|rule| lockout(rule, policy, host))
        .collect();
    for rule in &policy.rules {
        findings.extend(loaderless(rule));
        let programs = rule
            .except
            .iter()
            .filter_map(|subject| subject.program.as_ref());
        findings.extend(programs.filter(|path| interprets(path)).map(|path| {
            rule.finding(
                Severity::Warning,
                format!("leaves out {}, which does what it is told", shown(path)),
                "whoever can run it is left out too; name the program that needs the exception",
            )
        }));
    }
    findings.extend(
        policy
            .never_deny
            .iter()
            .filter(|path| interprets(path))
            .map(|path| Finding {
                severity: Severity::Warning,
                rule: None,
                problem: format!(
                    "`never-deny` holds {}, which does what it is told",
                    shown(path)
                ),
                advice: "whoever can run it is denied nothing; name the program that needs it"
                    .into(),
            }),
    );
    findings
}

fn reaches_root(rule: &Rule) -> bool {
    let reaches = |subject: &Subject| subject.covers(&ROOT);
    subjects(&rule.scope).iter().any(reaches)
        && !rule.except.iter().any(|subject| subject.covers(&ROOT))
}

/// The first reason not to apply a dangerous rule.
fn lockout(rule: &Rule, policy: &Policy, host: &Host) -> Option<Finding> {
    let error = |problem, advice: &str| Some(rule.finding(Severity::Error, problem, advice));
    let narrow = "give it a `scope`, or `except: [{ uid: 0 }]`";
    if let Target::Exec(Programs::AllBut(_)) = &rule.target {
        return error(
            "allows only some programs, to everyone: what it leaves out cannot start, at the next boot either".into(),
            narrow,
        );
    }
    if let Some(vital) = host.vital.iter().find(|vital| {
        !(vital.agent_only && is_exempt(&host.agent, rule, policy, host)) && denies_use(rule, vital)
    }) {
        return error(
            format!("denies {} to root, and {}", vital.path.display(), vital.why),
            "name a smaller object or fewer operations, give it a `scope`, or `except: [{ uid: 0 }]`",
        );
    }
    let operations = rule.target.operations();
    if operations.has(Operation::Bpf) && !is_exempt(&host.agent, rule, policy, host) {
        return error(
            "denies bpf(2) to the agent itself: no other policy could be applied".into(),
            "add `except: [{ program: … }]` with the agent's executable",
        );
    }
    let init = INITS
        .iter()
        .any(|init| is_exempt(Path::new(init), rule, policy, host));
    if operations.has(Operation::Mount) && !init {
        return error(
            "denies mounting to init: the next boot would stop there".into(),
            "add init to `never-deny`, or `except: [{ uid: 0 }]`",
        );
    }
    match &rule.target {
        Target::Network { address, ports, operations, .. }
            if !operations.and(Operations::LOCAL).is_empty()
                && (address.prefix() == 0 || address.to_string() == "0.0.0.0/0")
                && *ports == Ports::default()
                && policy.never_deny.is_empty() && rule.except.is_empty() =>
        {
            error(
                "denies every local address and port to everyone: no service, and no remote login, could start".into(),
                "name the ports, give it a `scope`, or name the programs that may in `except` or `never-deny`",
            )
        }
        _ => None,
    }
}

fn is_exempt(program: &Path, rule: &Rule, policy: &Policy, host: &Host) -> bool {
    let all_of_it = |subject: &Subject| {
        let only = Subject {
            program: subject.program.clone(),
            ..Subject::default()
        };
        *subject == only && only.program.is_some_and(|path| path.as_path() == program)
    };
    host.exempt.iter().any(|path| path == program)
        || policy
            .never_deny
            .iter()
            .any(|path| path.as_path() == program)
        || rule.except.iter().any(all_of_it)
}

fn denies_use(rule: &Rule, vital: &Vital) -> bool {
    // What is in the agent's folders is the agent's too.
    let part = |path: &Path| vital.agent_only && path.starts_with(&vital.path);
    let inside =
        |folder: &AbsolutePath| vital.path.starts_with(folder.as_path()) || part(folder.as_path());
    let same = |path: &AbsolutePath| vital.path == path.as_path() || part(path.as_path());
    let object = match &rule.target {
        Target::File { object, .. } => match object {
            FileObject::Path(path) => same(path),
            FileObject::Subtree(folder) => inside(folder),
            FileObject::Inode { device, inode } => vital.inode == Some((*device, *inode)),
        },
        Target::Exec(programs) => match programs {
            Programs::Path(path) => same(path),
            Programs::Subtree(folder) => inside(folder),
            Programs::Sha256(digest) => vital.sha256 == Some(*digest),
            Programs::AllBut(list) => !list.iter().any(same),
        },
        Target::Network { .. } | Target::Kernel { .. } => false,
    };
    object && !rule.target.operations().and(vital.operations).is_empty()
}

/// Mapping a library is an operation of an allow-list too.
fn loaderless(rule: &Rule) -> Option<Finding> {
    let Target::Exec(Programs::AllBut(list)) = &rule.target else {
        return None;
    };
    let is_loader = |path: &AbsolutePath| {
        let name = name(path);
        name.starts_with("ld-") || name.starts_with("ld64.")
    };
    (rule.denies() && !list.iter().any(is_loader)).then(|| {
        rule.finding(
            Severity::Warning,
            "allows no dynamic loader: of the programs it allows only static ones will run".into(),
            "add the loader and the libraries that they map, as `ldd` lists them",
        )
    })
}

fn interprets(path: &AbsolutePath) -> bool {
    INTERPRETERS.contains(&name(path))
}

fn name(path: &AbsolutePath) -> &str {
    path.as_path()
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

fn shown(path: &AbsolutePath) -> String {
    path.as_path().display().to_string()
}
