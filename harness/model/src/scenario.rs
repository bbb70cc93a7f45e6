//! A case as a file of the catalogue.

use std::{
    fmt::Write as _,
    net::{Ipv6Addr, SocketAddr},
};

use harness_proto::{Attempt, RunAs, Transport};
use scenarios::{
    Expect, KernelOperation, Mode, Requirement, Rule, Scenario, Setup, StartExpect, Step, Target,
    Tier,
    rule::Programs,
    schema::{Errno, Suite},
};
use serde::Serialize;
use toml::Value;

use crate::{
    case::{CGROUPS, Came, Case, LISTENING, OTHER_PROGRAM, doers},
    oracle::foretell,
};

/// Every errno that a scenario can name.
const ERRNOS: [Errno; 17] = [
    Errno::EPERM,
    Errno::ENOENT,
    Errno::ESRCH,
    Errno::ENOEXEC,
    Errno::EBADF,
    Errno::EACCES,
    Errno::EBUSY,
    Errno::EEXIST,
    Errno::EXDEV,
    Errno::ENOTDIR,
    Errno::EISDIR,
    Errno::EINVAL,
    Errno::ENOSYS,
    Errno::ENOTEMPTY,
    Errno::ENODATA,
    Errno::EOPNOTSUPP,
    Errno::ECONNREFUSED,
];

/// The text of a scenario that tries the same and expects what the oracle says.
pub fn text(case: &Case, id: &str, title: &str) -> String {
    let scenario = scenario(case, id, title);
    let mut text = String::new();
    for (name, value) in [
        ("id", inline(&scenario.id)),
        ("title", inline(&scenario.title)),
        ("suite", inline(&scenario.suite)),
        ("tier", inline(&scenario.tier)),
        ("needs", inline(&scenario.needs)),
    ] {
        let _ = writeln!(text, "{name} = {value}");
    }
    scenario
        .setup
        .iter()
        .for_each(|one| part(&mut text, "setup", one));
    scenario
        .rules
        .iter()
        .for_each(|one| part(&mut text, "rule", one));
    scenario
        .steps
        .iter()
        .for_each(|one| part(&mut text, "step", one));
    text
}

/// One of several tables, each of its fields on a line.
fn part(text: &mut String, name: &str, value: &impl Serialize) {
    let _ = writeln!(text, "\n[[{name}]]");
    let Ok(Value::Table(fields)) = Value::try_from(value) else {
        unreachable!("every part of a scenario is a table");
    };
    // What is done first, and what must come of it last.
    let place = |name: &str| match name {
        "do" | "id" => 0,
        "expect" => 2,
        "no_teeth" => 3,
        _ => 1,
    };
    let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
    fields.sort_by_key(|(name, _)| place(name));
    for (field, value) in fields {
        if !is_default(name, &field, &value) {
            let _ = writeln!(text, "{field} = {value}");
        }
    }
}

/// Whether a field of a step says nothing that is not so without it.
fn is_default(part: &str, field: &str, value: &Value) -> bool {
    if part != "step" {
        return false;
    }
    match (field, value) {
        ("degrade" | "without" | "undo", Value::Array(list)) => list.is_empty(),
        ("run_as", Value::Table(table)) => table.is_empty(),
        ("control", Value::String(text)) => text == "allowed",
        // Of a start.
        ("expect", Value::String(text)) => text == "ready",
        _ => false,
    }
}

fn inline(value: &impl Serialize) -> Value {
    Value::try_from(value).expect("these are words and lists of them")
}

fn scenario(case: &Case, id: &str, title: &str) -> Scenario {
    let foretold = foretell(case, true);
    let probes = case.attempts.iter().zip(&foretold);
    let start = Step::Start {
        mode: Mode::Enforce,
        degrade: Vec::new(),
        without: Vec::new(),
        raw_policy: None,
        canary_every: None,
        expect: StartExpect::default(),
    };
    let steps = std::iter::once(start).chain(probes.filter_map(|(attempt, foretold)| {
        expect(foretold.came).map(|expect| step(attempt, expect))
    }));
    Scenario {
        id: id.into(),
        title: title.into(),
        suite: Suite::Model,
        bypass: None,
        tier: Tier::Nightly,
        needs: needs(&case.rules),
        needs_absent: Vec::new(),
        must_run: false,
        setup: setup(case),
        rules: case.rules.clone(),
        never_deny: Vec::new(),
        steps: steps.collect(),
    }
}

fn step(attempt: &Attempt, expect: Expect) -> Step {
    Step::Probe {
        probe: attempt.probe.clone(),
        run_as: doers()[attempt.by].clone(),
        no_teeth: expect
            .is_refusal()
            .then(|| "found by the model: the steps before change what it is tried on".into()),
        expect,
        control: Expect::Allowed,
        undo: Vec::new(),
    }
}

/// `None` for what is no verdict, and for errnos that scenarios have no name
/// for.
fn expect(came: Came) -> Option<Expect> {
    match came {
        Came::Allowed => Some(Expect::Allowed),
        Came::Killed(_) => Some(Expect::Killed),
        Came::Denied(errno) => {
            let named = ERRNOS.into_iter().find(|one| one.number() == errno);
            named.map(Expect::Denied)
        }
        Came::NoVerdict => None,
    }
}

fn setup(case: &Case) -> Vec<Setup> {
    let text = serde_json::to_string(&(&case.rules, &doers_of(case))).unwrap_or_default();
    let mut all = Vec::new();
    if text.contains(OTHER_PROGRAM) {
        all.push(Setup::Program {
            path: OTHER_PROGRAM.into(),
        });
    }
    let cgroups = CGROUPS.iter().filter(|path| text.contains(**path));
    all.extend(cgroups.map(|path| Setup::Cgroup {
        path: (*path).to_owned(),
    }));
    let tried = serde_json::to_string(&case.attempts).unwrap_or_default();
    for port in LISTENING {
        if tried.contains(&port.to_string()) {
            all.extend(
                [Transport::Tcp, Transport::Udp].map(|transport| Setup::Listener {
                    transport,
                    address: SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
                }),
            );
        }
    }
    all.push(Setup::World(case.world.clone()));
    all
}

fn doers_of(case: &Case) -> Vec<RunAs> {
    let doers = doers();
    let of = case
        .attempts
        .iter()
        .map(|attempt| doers[attempt.by].clone());
    of.collect()
}

/// What a kernel must be able to do for the rules.
fn needs(rules: &[Rule]) -> Vec<Requirement> {
    let mut needs = vec![Requirement::BpfLsm];
    let content = |rule: &Rule| matches!(rule.target, Target::Exec(Programs::Sha256Of(_)));
    if rules.iter().any(content) {
        needs.extend([Requirement::SleepableLsm, Requirement::ImaFileHash]);
    }
    let namespaces = |rule: &Rule| {
        matches!(&rule.target, Target::Kernel(operations)
            if operations.contains(&KernelOperation::UserNamespace))
    };
    if rules.iter().any(namespaces) {
        needs.push(Requirement::UsernsCreate);
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::{case::Abilities, generate};
    use scenarios::catalogue;
    use std::path::Path;

    #[test]
    fn the_catalogue_accepts_every_case_and_reads_the_same_rules() {
        for number in 0..100 {
            let case = generate::case(3, number, Abilities::ALL);
            let text = text(&case, "model-x", "what the model found");
            let scenario = catalogue::parse(Path::new("model-x.toml"), &text)
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(scenario.rules, case.rules, "{text}");
            assert!(!scenario.steps.is_empty());
        }
    }

    #[test]
    fn it_reads_like_one_of_the_catalogue() {
        let mut case = generate::case(3, 1, Abilities::ALL);
        case.rules.truncate(1);
        case.attempts.truncate(2);
        case.world.items.truncate(3);
        insta::assert_snapshot!(text(&case, "model-1", "what the model found"));
    }
}
