//! Results that are made up.

use std::{fs, path::Path};

use harness_proto::count::{CountPlan, Counted, Counts, Operation, Round};
use proptest::prelude::*;

use super::{CompareReport, KernelComparison, SCHEMA_VERSION, Verdict, schema};
use crate::{
    compare::table,
    count::{Subject, plan},
};

const OPERATIONS: [Operation; 2] = [Operation::Getppid, Operation::OpenClose];

fn the_plan() -> CountPlan {
    plan(&OPERATIONS, 3)
}

fn counts(loop_count: u64, per_operation: [u64; 2]) -> Counts {
    let plan = the_plan();
    let rounds = |times: u64, one: u64| {
        let itself = times * one;
        vec![Round { itself, total: 0 }; 3]
    };
    Counts {
        loop_rounds: rounds(1, loop_count),
        operations: std::iter::zip(&plan.operations, per_operation)
            .map(|(planned, one)| Counted {
                operation: planned.operation,
                rounds: rounds(planned.times.into(), one),
                refused: 0,
                slowed_by: 0,
            })
            .collect(),
    }
}

fn comparison(loop_count: u64, base: &[[u64; 2]], head: &[[u64; 2]]) -> KernelComparison {
    let side = |subject, figures: &[[u64; 2]]| -> Vec<_> {
        let counted = figures
            .iter()
            .map(|one| (subject, counts(loop_count, *one)));
        counted.collect()
    };
    let mut all = vec![(Subject::None, counts(loop_count, [340, 4600]))];
    all.extend(side(Subject::Base, base));
    all.extend(side(Subject::Agent, head));
    KernelComparison::new("6.12", "6.12.1", &the_plan(), &all, 0.5).unwrap()
}

fn verdicts(kernel: &KernelComparison) -> Vec<Verdict> {
    kernel.operations.iter().map(|one| one.verdict).collect()
}

#[test]
fn half_a_percent_is_seen_and_less_is_none() {
    let check = |base: u64, head: u64, expected| {
        let found = comparison(200_000, &[[340, base]; 2], &[[340, head]; 2]);
        assert_eq!(verdicts(&found), [Verdict::Unchanged, expected], "{head}");
    };
    check(5000, 5000, Verdict::Unchanged);
    check(5000, 5025, Verdict::Unchanged);
    check(5000, 5026, Verdict::Dearer);
    check(5000, 4975, Verdict::Unchanged);
    check(5000, 4974, Verdict::Cheaper);
}

#[test]
fn rounds_on_both_sides_of_the_threshold_decide_nothing() {
    let found = comparison(200_000, &[[340, 5000]; 2], &[[340, 5010], [340, 5040]]);
    assert_eq!(
        verdicts(&found),
        [Verdict::Unchanged, Verdict::Inconclusive]
    );
}

#[test]
fn a_counter_that_is_not_proven_decides_nothing() {
    let found = comparison(201_000, &[[340, 5000]; 2], &[[340, 9000]; 2]);
    assert_eq!(verdicts(&found), [Verdict::Inconclusive; 2]);
}

fn report() -> CompareReport {
    CompareReport {
        schema_version: SCHEMA_VERSION,
        base: "0123456789ab".into(),
        head: "ba9876543210-dirty".into(),
        agent: "aegisbpf".into(),
        rules: 10_000,
        threshold_percent: 0.5,
        kernels: vec![comparison(
            200_005,
            &[[340, 5118], [340, 5120]],
            &[[340, 5170], [340, 5172]],
        )],
        not_counted: vec![],
    }
}

#[test]
fn a_person_sees_what_became_dearer_first() {
    insta::assert_snapshot!(table::render(&report()));
}

#[test]
fn a_pull_request_gets_the_same_as_markdown() {
    insta::assert_snapshot!(table::markdown(&report()));
}

#[test]
fn the_published_schema_is_that_of_the_report() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/perf-compare.schema.json");
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == text,
        "{} is not the schema of the report: run this test with UPDATE_SCHEMA=1",
        path.display()
    );
    let schema = serde_json::from_str(&published).unwrap();
    let report = serde_json::to_value(report()).unwrap();
    assert!(jsonschema::is_valid(&schema, &report));
}

proptest! {
    /// Swapping the two agents swaps the verdicts, as far as percentages of
    /// each other do.
    #[test]
    fn what_is_dearer_one_way_is_not_dearer_the_other(one in 1_000_u64..10_000, other in 1_000_u64..10_000) {
        let there = verdicts(&comparison(200_000, &[[340, one]; 2], &[[340, other]; 2]));
        let back = verdicts(&comparison(200_000, &[[340, other]; 2], &[[340, one]; 2]));
        prop_assert!(!(there[1] == Verdict::Dearer && back[1] == Verdict::Dearer));
        prop_assert!(!(there[1] == Verdict::Cheaper && back[1] == Verdict::Cheaper));
    }
}
