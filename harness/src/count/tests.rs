//! A guest that answers as it should, and what comes of answers that are wrong.

use std::{cell::RefCell, collections::BTreeMap};

use harness_proto::{
    Action, Exit, Observation, Verdict,
    count::{Counted, Counts, LsmHooks, Operation, Round},
};
use perf::count::{Subject, plan};
use serde::Serialize;
use serde_json::json;

use super::{
    Boot, CountError, CountProgram, Request, count,
    program::{program, rules},
    reading::{ReadingError, read},
};
use crate::{
    AegisBpf,
    expectation::Expectation,
    fake::{FakeHypervisor, Life, spec},
    judge::{Evidence, judge},
    outcome::{FailCode, Outcome},
    session::{End, Record, Transcript},
};

const NONCE: &str = "n";

fn the_program() -> CountProgram {
    let request = Request {
        rules: 2,
        plan: plan(&[Operation::OpenClose], 3),
        processes: 1,
    };
    program(&AegisBpf, &request)
}

fn printed(value: &impl Serialize) -> Observation {
    Observation::Ran {
        exit: Some(Exit::Status(0)),
        stdout: serde_json::to_string(value).unwrap(),
        stderr: String::new(),
    }
}

fn hooks(names: &[&str]) -> LsmHooks {
    LsmHooks {
        hooks: names.iter().map(ToString::to_string).collect(),
        other_links: 0,
    }
}

fn counts() -> Counts {
    let round = Round {
        itself: 200_000,
        total: 8_200_000,
    };
    Counts {
        loop_rounds: vec![round; 3],
        operations: vec![Counted {
            operation: Operation::OpenClose,
            rounds: vec![round; 3],
            refused: 0,
            slowed_by: 0,
        }],
    }
}

/// Every action comes to what it must.
fn transcript(program: &CountProgram) -> Transcript {
    let observation = |(index, expectation): (usize, &Expectation)| match expectation {
        Expectation::Done(_) => Observation::Done,
        Expectation::Verdict(scenarios::Expect::Allowed) => Observation::Probed(Verdict::Allowed),
        Expectation::Verdict(scenarios::Expect::Denied(errno)) => {
            Observation::Probed(Verdict::Denied {
                errno: errno.number(),
            })
        }
        Expectation::Ready { .. } => Observation::Spawned {
            ready: Some(json!({"type": "ready"})),
            exit: None,
        },
        Expectation::Ended { exit, .. } => Observation::Exited(Some(*exit)),
        Expectation::Links(_) => Observation::BpfLinks(vec![]),
        Expectation::Ran { .. } if index == program.agent_hooks || index == program.null_hooks => {
            printed(&hooks(&["file_open", "socket_connect"]))
        }
        _ => printed(&counts()),
    };
    let records = program.program.actions.iter().enumerate();
    Transcript {
        records: records
            .map(|(index, planned)| Record {
                index: u32::try_from(index).unwrap(),
                observation: observation((index, &planned.expectation)),
                micros: 1,
            })
            .collect(),
        logs: BTreeMap::new(),
        end: End::Final {
            nonce: NONCE.into(),
            records: u32::try_from(program.program.actions.len()).unwrap(),
        },
        damaged: 0,
    }
}

fn judged(program: &CountProgram, transcript: &Transcript) -> Outcome {
    judge(Evidence {
        program: &program.program,
        nonce: NONCE,
        transcript,
        console: "",
    })
}

#[test]
fn each_is_counted_in_one_boot_and_shown_to_be_in_force_or_gone() {
    let shown: Vec<String> = the_program()
        .program
        .actions
        .iter()
        .map(|planned| match &planned.action {
            Action::Run { argv, .. } => format!("run {}", argv[..2].join(" ")),
            Action::Spawn { argv, .. } => format!("spawn {}", argv[..2].join(" ")),
            Action::Probe(_) => format!("probe: {}", json!(planned.expectation)["verdict"]),
            Action::Signal { name, signal } => format!("signal {signal} to {name}"),
            Action::WriteFile { path, .. } => format!("write {path}"),
            Action::AwaitExit { name, .. } => format!("await the end of {name}"),
            Action::ListBpfLinks => "no BPF links".into(),
            other => format!("{other:?}"),
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    run /bin/workload populate
    probe: "allowed"
    probe: "allowed"
    run /bin/workload count
    write /etc/aegisbpf/policy.yaml
    spawn /bin/aegisbpf run
    probe: {"denied":"EPERM"}
    probe: {"denied":"EPERM"}
    run /bin/null-lsm list
    run /bin/workload count
    probe: {"denied":"EPERM"}
    probe: {"denied":"EPERM"}
    signal 15 to agent
    await the end of agent
    run /bin/aegisbpf detach
    no BPF links
    probe: "allowed"
    probe: "allowed"
    spawn /bin/null-lsm attach
    run /bin/null-lsm list
    run /bin/workload count
    signal 9 to null-lsm
    await the end of null-lsm
    no BPF links
    run /bin/workload count
    "#);
}

#[test]
fn rules_are_exact_and_none_is_about_what_is_counted() {
    let rules = rules(300);
    assert_eq!(rules.len(), 600);
    let text = serde_json::to_string(&rules).unwrap();
    assert!(!text.contains(harness_proto::count::BENCH_FOLDER));
    assert!(!text.contains("127.0.0.1") && !text.contains("/32"));
    assert!(text.contains("file-000299") && text.contains("10.128.1.43"));
}

#[test]
fn counts_are_read_for_each_subject() {
    let program = the_program();
    let transcript = transcript(&program);
    assert_eq!(judged(&program, &transcript), Outcome::Passed);
    let reading = read(&program, &transcript).unwrap();
    assert_eq!(reading.hooks, ["file_open", "socket_connect"]);
    let subjects: Vec<Subject> = reading.counts.iter().map(|(subject, _)| *subject).collect();
    let expected = [
        Subject::None,
        Subject::Agent,
        Subject::NullLsm,
        Subject::None,
    ];
    assert_eq!(subjects, expected);
    assert_eq!(reading.counts[1].1, counts());
}

#[test]
fn an_agent_that_stops_denying_while_it_is_counted_is_found() {
    let program = the_program();
    let probes_after = |index: usize| {
        let rest = program.program.actions[index..].iter();
        index
            + rest
                .take_while(|one| !matches!(one.action, Action::Probe(_)))
                .count()
    };
    for index in [program.agent_hooks - 1, probes_after(program.agent_hooks)] {
        let mut transcript = transcript(&program);
        transcript.records[index].observation = Observation::Probed(Verdict::Allowed);
        let outcome = judged(&program, &transcript);
        let Outcome::Failed { code, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(code, FailCode::NotDenied);
    }
}

#[test]
fn a_null_lsm_on_other_hooks_is_no_floor() {
    let program = the_program();
    let check = |index: usize, names: &[&str], expected: &str| {
        let mut transcript = transcript(&program);
        transcript.records[index].observation = printed(&hooks(names));
        let error = read(&program, &transcript).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(program.null_hooks, &["file_open"], "file_open instead of");
    check(program.null_hooks, &[], "other hooks");
    check(program.agent_hooks, &[], "no LSM program");
}

#[test]
fn what_is_no_count_is_named_with_its_action() {
    let program = the_program();
    let (_, index) = program.counts[2];
    let mut transcript = transcript(&program);
    transcript.records[index].observation = printed(&"no counts");
    let error = read(&program, &transcript).unwrap_err();
    assert!(matches!(error, ReadingError::Foreign { index: found, .. } if found == index));
}

#[test]
fn a_boot_that_dies_before_user_space_is_tried_once_more() {
    let program = the_program();
    let told = RefCell::new(Vec::new());
    let death =
        || Life::Dies("[    0.4] Kernel panic - not syncing: IO-APIC + timer doesn't work!");
    let result = count(&Boot {
        hypervisor: &FakeHypervisor::new([death(), death()]),
        spec: &spec(),
        name: "count",
        program: &program.program,
        capabilities: &std::collections::BTreeSet::new(),
        retried: &|why| told.borrow_mut().push(why.to_owned()),
    });
    assert!(matches!(result, Err(CountError::Boot(_))));
    assert_eq!(told.borrow().len(), 1);
}
