//! What agents differ in, and what of it a scenario asks for.

use std::{collections::BTreeSet, fmt};

use scenarios::{
    FileOperation, KernelOperation, Mode, NetworkOperation, Rule, Scenario, Step, Target,
    rule::{Action, FileObject, Held, Programs, Subject},
    schema::{LinksExpect, PauseSignal, ReloadExpect, SignalName, StartExpect},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that not every agent can express or do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ability {
    /// Rules about this operation on files; without one, about whatever its
    /// default for files is.
    File(Option<FileOperation>),
    /// Rules about executing.
    Exec,
    /// Rules about this operation on sockets.
    Network(Option<NetworkOperation>),
    /// Rules about this operation on the kernel.
    Kernel(KernelOperation),
    /// Rules that name objects in this way.
    Object(ObjectKind),
    /// Rules for subjects that are told apart by this.
    Scope(SubjectKind),
    /// Rules that leave subjects alone.
    Except,
    /// Programs that no rule holds for.
    NeverDeny,
    /// Rules that only report while others deny.
    AuditRule,
    /// Rules that end the process.
    KillRule,
    /// Rules that hold for descriptors that are older than them.
    RevokeHeld,
    /// Account for its events when it ends.
    Account,
    /// Say of each denial which policy decided.
    Generations,
    /// Take a policy from a command.
    Apply,
    /// Test itself while it runs.
    RepeatCanary,
    /// Be run so that it denies.
    Enforce,
    /// Be run so that it only reports.
    AuditMode,
    /// Give up what it cannot enforce.
    Degrade,
    /// Refuse a policy or to start, and say why as the scenario knows it.
    Refuse,
    /// Read a policy in the reference agent's language.
    ReferencePolicy,
    /// End at once, as one process.
    KillProcess,
    /// Be stopped and go on, as one process.
    PauseProcess,
    /// Deny by BPF links, which the scenario looks at.
    BpfLinks,
    /// Report what it has decided.
    Events,
    /// Say of itself how it is.
    Health,
}

/// How the objects of a rule are named.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// A path.
    Path,
    /// A folder and all beneath it.
    Subtree,
    /// A device and an inode.
    Inode,
    /// The digest of a program's content.
    Sha256,
    /// Everything but what is listed.
    AllBut,
}

/// What subjects are told apart by.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectKind {
    /// The program.
    Program,
    /// The cgroup.
    Cgroup,
    /// The user.
    Uid,
    /// The mount namespace.
    MountNamespace,
}

/// Everything that a scenario asks of an agent, each once, in order.
pub fn abilities(scenario: &Scenario) -> BTreeSet<Ability> {
    let mut all: BTreeSet<Ability> = scenario.rules.iter().flat_map(of_rule).collect();
    if !scenario.never_deny.is_empty() {
        all.insert(Ability::NeverDeny);
    }
    all.extend(scenario.steps.iter().flat_map(of_step));
    all
}

/// What a step asks of an agent.
pub fn of_step(step: &Step) -> Vec<Ability> {
    match step {
        Step::Start {
            mode,
            degrade,
            raw_policy,
            canary_every,
            expect,
            ..
        } => {
            let mode = match mode {
                Mode::Enforce => Ability::Enforce,
                Mode::Audit => Ability::AuditMode,
            };
            let asks = [
                (true, mode),
                (!degrade.is_empty(), Ability::Degrade),
                (raw_policy.is_some(), Ability::ReferencePolicy),
                (canary_every.is_some(), Ability::RepeatCanary),
                (*expect != StartExpect::Ready, Ability::Refuse),
            ];
            given(&asks)
        }
        Step::Reload {
            raw_policy, expect, ..
        } => given(&[
            (raw_policy.is_some(), Ability::ReferencePolicy),
            (*expect != ReloadExpect::Applied, Ability::Refuse),
        ]),
        Step::Apply { .. } => vec![Ability::Apply],
        Step::Storm { .. } => vec![Ability::Generations],
        Step::Kill { signal } => given(&[(*signal == SignalName::SIGKILL, Ability::KillProcess)]),
        Step::Signal {
            signal: PauseSignal::SIGSTOP | PauseSignal::SIGCONT,
        } => vec![Ability::PauseProcess],
        Step::Accounting { .. } => vec![Ability::Account],
        Step::Ends { .. } => vec![Ability::Refuse],
        Step::Fault { fault, .. } => given(&[(fault.is_of_process(), Ability::PauseProcess)]),
        Step::Detach { exit, .. } => given(&[(*exit != 0, Ability::Refuse)]),
        Step::Event { .. } | Step::NoEvent { .. } => vec![Ability::Events],
        Step::Health { .. } | Step::Unchanged { .. } => vec![Ability::Health],
        Step::Links { expect } => given(&[(*expect != LinksExpect::None, Ability::BpfLinks)]),
        Step::Probe { .. }
        | Step::Hold { .. }
        | Step::Make { .. }
        | Step::Lift { .. }
        | Step::Suspend { .. } => Vec::new(),
    }
}

fn given(asks: &[(bool, Ability)]) -> Vec<Ability> {
    let asked = asks.iter().filter(|(asked, _)| *asked);
    asked.map(|(_, ability)| *ability).collect()
}

fn of_rule(rule: &Rule) -> Vec<Ability> {
    let mut all = of_target(&rule.target);
    match rule.action {
        Action::Audit => all.push(Ability::AuditRule),
        Action::Deny => {}
        Action::Kill => all.push(Ability::KillRule),
    }
    if rule.held == Held::Revoke {
        all.push(Ability::RevokeHeld);
    }
    if !rule.except.is_empty() {
        all.push(Ability::Except);
    }
    let subjects = rule.scope.iter().chain(&rule.except);
    all.extend(subjects.flat_map(of_subject).map(Ability::Scope));
    all
}

fn of_target(target: &Target) -> Vec<Ability> {
    match target {
        Target::File { object, operations } => {
            let kind = match object {
                FileObject::Path(_) => ObjectKind::Path,
                FileObject::Subtree(_) => ObjectKind::Subtree,
                FileObject::InodeOf(_) => ObjectKind::Inode,
            };
            let mut all = or_default(operations, Ability::File);
            all.push(Ability::Object(kind));
            all
        }
        Target::Exec(programs) => {
            let kind = match programs {
                Programs::Path(_) => ObjectKind::Path,
                Programs::Subtree(_) => ObjectKind::Subtree,
                Programs::Sha256Of(_) => ObjectKind::Sha256,
                Programs::AllBut(_) => ObjectKind::AllBut,
            };
            vec![Ability::Exec, Ability::Object(kind)]
        }
        Target::Network(network) => or_default(&network.operations, Ability::Network),
        Target::Kernel(operations) => operations.iter().copied().map(Ability::Kernel).collect(),
    }
}

fn or_default<T: Copy>(operations: &[T], ability: impl Fn(Option<T>) -> Ability) -> Vec<Ability> {
    if operations.is_empty() {
        return vec![ability(None)];
    }
    operations.iter().map(|one| ability(Some(*one))).collect()
}

fn of_subject(subject: &Subject) -> impl Iterator<Item = SubjectKind> {
    [
        (subject.program.is_some(), SubjectKind::Program),
        (subject.cgroup.is_some(), SubjectKind::Cgroup),
        (subject.uid.is_some(), SubjectKind::Uid),
        (
            subject.mount_namespace_of.is_some(),
            SubjectKind::MountNamespace,
        ),
    ]
    .into_iter()
    .filter_map(|(given, kind)| given.then_some(kind))
}

/// As in "the agent has no …".
impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(None) => write!(f, "rules about files"),
            Self::File(Some(operation)) => write!(f, "rules about {operation} of files"),
            Self::Exec => write!(f, "rules about executing"),
            Self::Network(None) => write!(f, "rules about the network"),
            Self::Network(Some(operation)) => write!(f, "rules about {operation} of sockets"),
            Self::Kernel(operation) => write!(f, "rules about {operation}"),
            Self::Object(ObjectKind::Path) => write!(f, "rules about a path"),
            Self::Object(ObjectKind::Subtree) => write!(f, "rules about a subtree"),
            Self::Object(ObjectKind::Inode) => write!(f, "rules about an inode"),
            Self::Object(ObjectKind::Sha256) => write!(f, "rules about a program's content"),
            Self::Object(ObjectKind::AllBut) => write!(f, "allow-lists"),
            Self::Scope(SubjectKind::Program) => write!(f, "rules for a program"),
            Self::Scope(SubjectKind::Cgroup) => write!(f, "rules for a cgroup"),
            Self::Scope(SubjectKind::Uid) => write!(f, "rules for a user"),
            Self::Scope(SubjectKind::MountNamespace) => write!(f, "rules for a mount namespace"),
            Self::Except => write!(f, "rules with exceptions"),
            Self::NeverDeny => write!(f, "programs that no rule holds for"),
            Self::AuditRule => write!(f, "rules that only report"),
            Self::KillRule => write!(f, "rules that kill"),
            Self::RevokeHeld => write!(f, "rules that hold for older descriptors"),
            Self::Account => write!(f, "account of its events"),
            Self::Generations => write!(f, "events that tell policies apart"),
            Self::Apply => write!(f, "command that applies a policy"),
            Self::RepeatCanary => write!(f, "tests of itself while it runs"),
            Self::Enforce => write!(f, "mode in which it denies"),
            Self::AuditMode => write!(f, "mode in which it only reports"),
            Self::Degrade => write!(f, "domains that it can give up"),
            Self::Refuse => write!(f, "refusals that the scenario knows"),
            Self::ReferencePolicy => write!(f, "policies in the reference agent's language"),
            Self::KillProcess => write!(f, "single process that can be killed"),
            Self::PauseProcess => write!(f, "single process that can be stopped"),
            Self::BpfLinks => write!(f, "BPF links"),
            Self::Events => write!(f, "events"),
            Self::Health => write!(f, "account of its health"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::abilities;
    use std::path::Path;

    #[test]
    fn a_scenario_asks_for_everything_its_rules_say() {
        let check = |rule: &str, expected: &[&str]| {
            let text = format!(
                "id = \"x\"\ntitle = \"t\"\n[[rule]]\nid = \"a\"\n{rule}\n[[step]]\ndo = \"detach\"\n"
            );
            let scenario = scenarios::catalogue::parse(Path::new("x.toml"), &text).unwrap();
            let found: Vec<String> = abilities(&scenario)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(found, expected);
        };
        check(
            "file = { path = \"/a\" }",
            &["rules about files", "rules about a path"],
        );
        check(
            "file = { inode-of = \"/a\", operations = [\"read\", \"mmap-exec\"] }",
            &[
                "rules about read of files",
                "rules about mmap-exec of files",
                "rules about an inode",
            ],
        );
        check(
            "action = \"kill\"\nexec = { all-but = [\"/a\"] }\nexcept = [{ uid = 1, cgroup = \"/t\" }]",
            &[
                "rules about executing",
                "allow-lists",
                "rules for a cgroup",
                "rules for a user",
                "rules with exceptions",
                "rules that kill",
            ],
        );
        check(
            "action = \"audit\"\nkernel = { operations = [\"bpf\"] }",
            &["rules about bpf", "rules that only report"],
        );
        check(
            "network = { address = \"::1\", operations = [\"bind\"] }",
            &["rules about bind of sockets"],
        );
    }
}
