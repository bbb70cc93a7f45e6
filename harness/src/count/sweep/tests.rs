//! A guest that answers as it should, and what comes of answers that are wrong.

use harness_proto::{
    Action, Exit, Observation, Verdict,
    count::{
        BENCH_FOLDER, BpfProgram, Counted as CountedOperation, Counts, Footprint, LsmHooks,
        Metered, Operation, Round, Verified,
    },
};
use perf::run::{Case, Mode, Policy, Rules};
use serde::Serialize;

use super::{Counted, Sweep, SweepProgram, program, read, rules};
use crate::{
    AegisBpf,
    count::reading::ReadingError,
    expectation::Expectation,
    session::{End, Record, Transcript},
};

const FLOOR: Policy = Policy {
    mode: Mode::Enforce,
    rules: Rules::Exact(2),
};

fn sweep() -> Sweep {
    let counted = |mode, rules| Counted {
        policy: Policy { mode, rules },
        plan: perf::count::plan(&[Operation::OpenClose], 3),
        processes: 1,
    };
    Sweep {
        policies: vec![
            counted(Mode::Enforce, Rules::Exact(0)),
            counted(Mode::Enforce, Rules::Exact(2)),
            counted(Mode::Audit, Rules::Exact(2)),
            counted(Mode::Enforce, Rules::Siblings(3)),
        ],
        floor: FLOOR,
        plan: perf::count::plan(&[Operation::OpenClose], 3),
        processes: 1,
        apply: vec![9],
    }
}

fn printed(value: &impl Serialize) -> Observation {
    Observation::Ran {
        exit: Some(Exit::Status(0)),
        stdout: serde_json::to_string(value).unwrap(),
        stderr: String::new(),
    }
}

fn hooks(names: &[&str]) -> Observation {
    printed(&LsmHooks {
        hooks: names.iter().map(ToString::to_string).collect(),
        other_links: 0,
    })
}

fn counts() -> Counts {
    let round = Round {
        itself: 200_000,
        total: 8_200_000,
    };
    Counts {
        loop_rounds: vec![round; 3],
        operations: vec![CountedOperation {
            operation: Operation::OpenClose,
            rounds: vec![round; 3],
            refused: 0,
            slowed_by: 0,
        }],
    }
}

fn footprint() -> Footprint {
    Footprint {
        programs: vec![BpfProgram {
            name: "file_open".into(),
            translated_bytes: 8,
            jited_bytes: 16,
            verified: Verified::Instructions(24),
        }],
        map_bytes: 4096,
        maps: 1,
        resident_bytes: 8192,
    }
}

/// What is read of it; everything else is judged elsewhere.
fn transcript(program: &SweepProgram) -> Transcript {
    let answer = |action: &Action| match action {
        Action::Run { argv, .. } => match argv[1].as_str() {
            "count" => printed(&counts()),
            "footprint" => printed(&footprint()),
            "meter" => printed(&Metered { instructions: 7 }),
            _ => hooks(&["file_open"]),
        },
        Action::Probe(_) => Observation::Probed(Verdict::Allowed),
        _ => Observation::Done,
    };
    let actions = program.program.actions.iter().enumerate();
    let records = actions.map(|(index, planned)| Record {
        index: u32::try_from(index).unwrap(),
        observation: answer(&planned.action),
        micros: 1,
    });
    Transcript {
        records: records.collect(),
        logs: std::collections::BTreeMap::new(),
        end: End::Final {
            nonce: "n".into(),
            records: u32::try_from(program.program.actions.len()).unwrap(),
        },
        damaged: 0,
    }
}

#[test]
fn each_policy_is_probed_before_and_after_it_is_counted_and_gone_at_the_end() {
    let shown: Vec<String> = program(&AegisBpf, &sweep())
        .program
        .actions
        .iter()
        .filter_map(|planned| match (&planned.action, &planned.expectation) {
            (Action::Run { argv, .. }, _) => Some(format!("run {}", argv[..2].join(" "))),
            (Action::Spawn { argv, .. }, _) => Some(format!("spawn {}", argv.join(" "))),
            (_, Expectation::Verdict(verdict)) => Some(format!("probe: {verdict:?}")),
            (Action::ListBpfLinks, _) => Some("no BPF links".into()),
            _ => None,
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn everything_that_was_said_is_read() {
    let program = program(&AegisBpf, &sweep());
    let surveyed = read(&program, &transcript(&program)).unwrap();
    let cases: Vec<String> = surveyed.counts.iter().map(|it| it.0.to_string()).collect();
    assert_eq!(
        cases.join(" "),
        "none enforce-0 enforce-2 audit-2 enforce-siblings-3 null-lsm none"
    );
    assert_eq!(surveyed.footprints.len(), 4);
    assert_eq!(surveyed.footprints[1].0, Case::Agent(FLOOR));
    assert_eq!(surveyed.programs, footprint().programs);
    assert_eq!(surveyed.applied, [(9, Metered { instructions: 7 })]);
}

#[test]
fn what_is_not_what_it_should_be_is_named_with_its_action() {
    let program = program(&AegisBpf, &sweep());
    let actions = program.program.actions.iter().enumerate();
    let read_of = actions.filter(|(_, planned)| match &planned.action {
        Action::Run { argv, .. } => ["count", "footprint", "meter"].contains(&argv[1].as_str()),
        _ => false,
    });
    for (index, _) in read_of {
        let mut transcript = transcript(&program);
        transcript.records[index].observation = printed(&"nothing");
        let error = read(&program, &transcript).unwrap_err();
        assert!(matches!(error, ReadingError::Foreign { index: found, .. } if found == index));
    }
    let mut transcript = transcript(&program);
    transcript.records[program.null_hooks].observation = hooks(&["mmap_file"]);
    let error = read(&program, &transcript).unwrap_err();
    assert!(matches!(error, ReadingError::Hooks { .. }));
}

#[test]
fn only_siblings_are_beside_what_is_measured() {
    let beside = |shape| {
        let text = serde_json::to_string(&rules(shape)).unwrap();
        text.matches(BENCH_FOLDER).count()
    };
    assert_eq!(beside(Rules::Siblings(3)), 3);
    for shape in [
        Rules::Exact(9),
        Rules::Subtree,
        Rules::Networks(20),
        Rules::Revoking,
    ] {
        assert_eq!(beside(shape), 0, "{shape:?}");
    }
}

#[test]
fn no_network_contains_the_peer_and_each_has_another_length() {
    let of = |rule: &scenarios::Rule| match &rule.target {
        scenarios::Target::Network(target) => target.address.clone(),
        _ => String::new(),
    };
    let all: Vec<String> = rules(Rules::Networks(20)).iter().map(of).collect();
    let mut lengths = std::collections::BTreeSet::new();
    for (address, length) in all.iter().filter_map(|it| it.split_once('/')) {
        let length: u32 = length.parse().unwrap();
        let address: std::net::Ipv4Addr = address.parse().unwrap();
        let rest = 32 - length;
        assert_eq!(address.to_bits() >> rest << rest, address.to_bits());
        assert_ne!(
            address.to_bits() >> rest,
            super::COUNTED_PEER.to_bits() >> rest
        );
        assert!(lengths.insert(length));
    }
    assert_eq!(lengths.len(), 20);
}
