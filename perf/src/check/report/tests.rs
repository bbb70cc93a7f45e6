//! Comparisons that come to the known answer, and each way in which they do not.

use std::path::Path;

use harness_proto::count::{
    CountPlan, Counted, Counts, LOOP_INSTRUCTIONS, Operation, PerThousand, Planned, Round,
};

use super::{CheckReport, CheckVerdict};
use crate::{
    check::{Answer, SLOWED_BY, Seed, Trial},
    compare::KernelComparison,
    count::{Subject, plan},
};

const OPERATIONS: [Operation; 2] = [Operation::OpenClose, Operation::Stat];
const THRESHOLD: f64 = 0.25;

fn the_plan() -> CountPlan {
    plan(&OPERATIONS, 3)
}

/// Both operations take 10,000 instructions, and one of them more by so much.
fn counts(more: [u64; 2], loop_off: u64) -> Counts {
    let plan = the_plan();
    let rounds = |itself| vec![Round { itself, total: 0 }; 3];
    let counted = |(planned, more): (&Planned, u64)| Counted {
        operation: planned.operation,
        rounds: rounds((10_000 + more) * u64::from(planned.times)),
        refused: 0,
        slowed_by: more,
    };
    Counts {
        loop_rounds: rounds(plan.calibration.passes * LOOP_INSTRUCTIONS + loop_off),
        operations: plan.operations.iter().zip(more).map(counted).collect(),
    }
}

fn trial(seed: Seed, head: &[[u64; 2]], loop_off: u64) -> Trial {
    let mut all = vec![
        (Subject::None, counts([0, 0], 5)),
        (Subject::Base, counts([0, 0], loop_off)),
    ];
    all.extend(head.iter().map(|&more| (Subject::Agent, counts(more, 5))));
    let comparison = KernelComparison::new("6.12", "6.12.117", &the_plan(), &all, THRESHOLD);
    Trial {
        seed,
        comparison: comparison.unwrap(),
    }
}

fn slowed(by: PerThousand) -> Seed {
    let operation = Operation::OpenClose;
    Seed::Slowed { operation, by }
}

fn right(seed: Seed) -> Trial {
    let more = match seed {
        Seed::Same => [0, 3],
        Seed::Slowed { by, .. } => [u64::from(by.0) * 10, 3],
    };
    trial(seed, &[more, more], 5)
}

fn all_right(each: usize) -> Vec<Trial> {
    let seeds = std::iter::once(Seed::Same).chain(SLOWED_BY.map(slowed));
    seeds.flat_map(|seed| vec![right(seed); each]).collect()
}

fn report(trials: &[Trial]) -> CheckReport {
    CheckReport::new(("6.12", None), (4, 600.0), THRESHOLD, trials)
}

#[test]
fn twenty_right_answers_of_each_kind_prove_it_and_fewer_prove_less() {
    assert_eq!(report(&all_right(20)).verdict, CheckVerdict::Proven);
    assert_eq!(report(&all_right(19)).verdict, CheckVerdict::ProvesLess);
    insta::assert_snapshot!(report(&all_right(20)).render());
}

#[test]
fn one_in_twenty_may_be_missed_but_no_second_and_none_of_fewer() {
    for (position, by) in SLOWED_BY.into_iter().enumerate() {
        let missed = trial(slowed(by), &[[0, 0], [0, 0]], 5);
        assert_eq!(missed.answer(), Answer::Missed);
        for (each, misses, expected) in [
            (20, 1, CheckVerdict::Proven),
            (20, 2, CheckVerdict::Wrong),
            (5, 1, CheckVerdict::Wrong),
        ] {
            let mut trials = all_right(each);
            let first = (position + 1) * each;
            for trial in &mut trials[first..first + misses] {
                *trial = missed.clone();
            }
            assert_eq!(report(&trials).verdict, expected, "{by:?} {each} {misses}");
        }
    }
}

#[test]
fn a_single_change_that_is_not_there_is_wrong() {
    // Of what is the same, and of what is not the operation that was slowed down.
    let same = trial(Seed::Same, &[[0, 60], [0, 60]], 5);
    let other = trial(slowed(PerThousand(20)), &[[200, 60], [200, 60]], 5);
    for (index, wrong) in [(0, same), (79, other)] {
        assert_eq!(wrong.answer(), Answer::FalseAlarm(vec![Operation::Stat]));
        let mut trials = all_right(20);
        trials[index] = wrong;
        assert_eq!(report(&trials).verdict, CheckVerdict::Wrong);
    }
}

#[test]
fn what_cannot_be_said_is_not_right_and_too_much_of_it_is_inconclusive() {
    let noisy = trial(Seed::Same, &[[0, 0], [0, 60]], 5);
    assert_eq!(noisy.answer(), Answer::Unclear(vec![Operation::Stat]));
    let mut trials = all_right(20);
    trials[0] = noisy.clone();
    assert_eq!(report(&trials).verdict, CheckVerdict::Proven);
    trials[1] = noisy;
    assert_eq!(report(&trials).verdict, CheckVerdict::Inconclusive);
}

#[test]
fn a_counter_that_is_not_proven_once_is_inconclusive() {
    for index in [0, 79] {
        let mut trials = all_right(20);
        trials[index] = trial(trials[index].seed, &[[0, 0]], 300);
        assert_eq!(report(&trials).verdict, CheckVerdict::Inconclusive);
    }
}

#[test]
fn a_kind_that_was_not_tried_is_inconclusive() {
    for kind in 0..4 {
        let mut trials = all_right(20);
        trials.drain(kind * 20..(kind + 1) * 20);
        assert_eq!(report(&trials).verdict, CheckVerdict::Inconclusive);
    }
}

#[test]
fn the_json_is_what_its_schema_says() {
    let mut trials = all_right(20);
    trials[0] = trial(Seed::Same, &[[0, 60], [0, 60]], 5);
    let value = serde_json::to_value(report(&trials)).unwrap();
    let schema = serde_json::to_value(super::schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|it| it.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn the_schema_in_the_documentation_is_this_one() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/perf-self-check.schema.json");
    let mut text = serde_json::to_string_pretty(&super::schema()).unwrap();
    text.push('\n');
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "run with UPDATE_SCHEMA=1: {} is another",
        path.display()
    );
}
