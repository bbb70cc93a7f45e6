//! A case as a file of the catalogue.

use harness_proto::{
    Attempt, Item, Probe,
    probe::MountProbe,
};
use scenarios::{
    Expect, Mode, Requirement, Rule, Scenario, Setup, StartExpect, Step, Tier,
    schema::{Errno, Suite},
};

use crate::{
    case::{CGROUPS, Came, Case, OTHER_PROGRAM, doers},
    oracle::foretell,
};

/// Every errno that a scenario can name.
const ERRNOS: [Errno; 18] = [
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
    Errno::EPERM,
];

/// The text of a scenario that tries the same and expects what the oracle says.
pub fn text(case: &Case, id: &str, title: &str) -> String {
    let scenario = scenario(case, id, title);
    toml::to_string(&Written::of(&scenario)).expect("a scenario is a table")
}

/// What a scenario's file says; absent where it is the default.
#[derive(serde::Serialize)]
struct Written<'a> {
    id: &'a str,
    title: &'a str,
    tier: Tier,
    needs: &'a [Requirement],
    setup: &'a [Setup],
    rule: &'a [Rule],
    step: Vec<toml::Table>,
}

impl<'a> Written<'a> {
    fn of(scenario: &'a Scenario) -> Self {
        let step = scenario.steps.iter().map(|step| {
            let mut table = toml::Table::try_from(step).expect("a step is a table");
            // What is as it is by default says nothing.
            for name in ["degrade", "without", "undo", "run_as"] {
                let empty = table.get(name).is_some_and(|value| match value {
                    toml::Value::Array(list) => list.is_empty(),
                    toml::Value::Table(table) => table.is_empty(),
                    _ => false,
                });
                if empty {
                    table.remove(name);
                }
            }
            for (name, default) in [("expect", "ready"), ("control", "allowed")] {
                let is_default = table.get(name).and_then(toml::Value::as_str) == Some(default);
                if is_default && (name == "control" || table["do"].as_str() == Some("start")) {
                    table.remove(name);
                }
            }
            table
        });
        Self {
            id: &scenario.id,
            title: &scenario.title,
            tier: scenario.tier,
            needs: &scenario.needs,
            setup: &scenario.setup,
            rule: &scenario.rules,
            step: step.collect(),
        }
    }
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
        suite: Suite::default(),
        bypass: None,
        tier: Tier::Nightly,
        needs: vec![Requirement::BpfLsm],
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
    let mut all = vec![
        Setup::Folder {
            path: case.world.root.clone(),
        },
        Setup::Do(Probe::Mount(MountProbe::Tmpfs {
            at: case.world.root.clone(),
        })),
    ];
    if text.contains(OTHER_PROGRAM) {
        all.push(Setup::Program {
            path: OTHER_PROGRAM.into(),
        });
    }
    let cgroups = CGROUPS.iter().filter(|path| text.contains(**path));
    all.extend(cgroups.map(|path| Setup::Cgroup {
        path: (*path).to_owned(),
    }));
    all.extend(case.world.items.iter().map(made));
    all
}

fn doers_of(case: &Case) -> Vec<harness_proto::RunAs> {
    let doers = doers();
    let of = case.attempts.iter().map(|attempt| doers[attempt.by].clone());
    of.collect()
}

fn made(item: &Item) -> Setup {
    match item {
        Item::Folder(path) => Setup::Folder { path: path.clone() },
        Item::File(path) => Setup::File {
            path: path.clone(),
            content: "text".into(),
            mode: 0o777,
        },
        Item::Program { path, .. } => Setup::Program { path: path.clone() },
        Item::Symlink { path, target } => Setup::Do(Probe::Symlink {
            target: target.clone(),
            path: path.clone(),
        }),
        Item::Link { from, path } => Setup::Do(Probe::Link {
            from: from.clone(),
            to: path.clone(),
        }),
        Item::Tmpfs(at) => Setup::Do(Probe::Mount(MountProbe::Tmpfs { at: at.clone() })),
        Item::Bind { from, to } => Setup::Do(Probe::Mount(MountProbe::Bind {
            from: from.clone(),
            to: to.clone(),
        })),
    }
}
