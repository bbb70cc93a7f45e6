//! Results that are made up.

use std::{fs, path::Path};

use harness_proto::count::{CountPlan, Counted, Counts, Operation, Round};
use proptest::prelude::*;

use super::{CountReport, KernelReport, ReportError, SCHEMA_VERSION, Verdict, schema};
use crate::count::{Bounds, Subject, figure::LEAST_ROUNDS, plan, table};

const OPERATIONS: [Operation; 4] = [
    Operation::Getppid,
    Operation::OpenClose,
    Operation::UdpConnect,
    Operation::Fork,
];

fn bounds() -> Bounds {
    Bounds::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("bounds.toml")).unwrap()
}

fn the_plan() -> CountPlan {
    plan(&OPERATIONS, 4)
}

/// A count in which each operation takes what is said, in every round, and the
/// last round so much more.
fn counts(loop_count: u64, per_operation: [u64; 4], last_round_more: u64) -> Counts {
    let plan = the_plan();
    let rounds = |times: u64, one: u64, windows: u64| {
        (0..u64::from(plan.rounds))
            .map(|number| {
                let more = if number == 3 { last_round_more } else { 0 };
                let warm_up = if number == 0 { 5_000 } else { 0 };
                let itself = times * (one + more + warm_up);
                Round {
                    itself,
                    total: itself * windows + 10 * times * windows,
                }
            })
            .collect()
    };
    Counts {
        loop_rounds: rounds(1, loop_count, 41),
        operations: plan
            .operations
            .iter()
            .zip(per_operation)
            .map(|(planned, one)| Counted {
                operation: planned.operation,
                rounds: rounds(planned.times.into(), one, planned.windows.into()),
                refused: 0,
                slowed_by: 0,
            })
            .collect(),
    }
}

fn kernel(name: &str, counts: &[(Subject, Counts)]) -> Result<KernelReport, ReportError> {
    let hooks = ["file_open".to_owned(), "socket_connect".to_owned()];
    let plan = the_plan();
    KernelReport::new(name, "6.12.117", &hooks, (&plan, 10_000), counts, &bounds())
}

fn four(agent: [u64; 4], loop_count: u64, none_moves: u64) -> Vec<(Subject, Counts)> {
    let none = [321, 5936, 1948, 241_000];
    let null = [321, 6119, 2135, 241_000];
    let count = |one, more| counts(loop_count, one, more);
    vec![
        (Subject::None, count(none, 0)),
        (Subject::Agent, count(agent, 0)),
        (Subject::NullLsm, count(null, 0)),
        (Subject::None, count(none, none_moves)),
    ]
}

fn report(kernels: Vec<KernelReport>) -> CountReport {
    CountReport {
        schema_version: SCHEMA_VERSION,
        commit: Some("0123456789ab".into()),
        subjects: std::collections::BTreeMap::new(),
        agent: "aegisbpf".into(),
        rules: 10_000,
        processes: 1,
        rounds: 4,
        kernels,
        not_counted: vec![],
    }
}

fn verdicts(kernel_name: &str, counts: &[(Subject, Counts)]) -> Vec<Verdict> {
    let kernel = kernel(kernel_name, counts).unwrap();
    report(vec![kernel]).verdicts().collect()
}

const AGENT: [u64; 4] = [321, 6336, 3500, 241_100];

#[test]
fn added_instructions_are_held_against_their_bounds() {
    use Verdict::{Exceeded, Unbounded, Within};
    let counts = four(AGENT, 200_005, 0);
    assert_eq!(
        verdicts("6.12", &counts),
        [Within, Within, Exceeded, Unbounded]
    );
    assert_eq!(verdicts("5.10", &counts), [Unbounded; 4]);
}

#[test]
fn a_counter_that_is_not_proven_makes_everything_inconclusive() {
    for wrong in [199_700, 200_300, 400_000] {
        let counts = four(AGENT, wrong, 0);
        assert_eq!(verdicts("6.12", &counts), [Verdict::Inconclusive; 4]);
    }
}

#[test]
fn a_spread_beyond_its_bound_is_inconclusive_even_if_all_is_within() {
    // Two instructions: 0.6 % of getppid, less than 0.1 % of the others.
    let counts = four(AGENT, 200_005, 2);
    assert_eq!(verdicts("6.12", &counts)[0], Verdict::Inconclusive);
    assert_eq!(verdicts("6.12", &counts)[1], Verdict::Within);
}

#[test]
fn a_bound_between_the_least_and_the_most_is_inconclusive() {
    let counts = four([321, 5936 + 452, 1948, 241_000], 200_005, 3);
    assert_eq!(verdicts("6.12", &counts)[1], Verdict::Inconclusive);
}

#[test]
fn what_was_not_counted_is_an_error_and_never_left_out() {
    let mut missing = four(AGENT, 200_005, 0);
    missing[1].1.operations.remove(2);
    let short = ReportError::Short {
        operation: Operation::UdpConnect,
        subject: Subject::Agent,
    };
    assert_eq!(kernel("6.12", &missing), Err(short));
    let without_null: Vec<_> = four(AGENT, 200_005, 0).drain(..2).collect();
    assert!(kernel("6.12", &without_null).is_err());
    let mut uncalibrated = four(AGENT, 200_005, 0);
    uncalibrated[3].1.loop_rounds.truncate(LEAST_ROUNDS - 1);
    assert_eq!(
        kernel("6.12", &uncalibrated),
        Err(ReportError::NotCalibrated)
    );
}

#[test]
fn the_table_is_read_at_a_glance() {
    let good = kernel("6.12", &four(AGENT, 200_005, 0)).unwrap();
    let bad = kernel("5.10", &four(AGENT, 200_300, 0)).unwrap();
    let mut report = report(vec![good, bad]);
    report.not_counted.push(super::NotCounted {
        kernel: "7.3".into(),
        reason: "the machine did not boot".into(),
    });
    insta::assert_snapshot!(table::render(&report), @r"
    6.12 (6.12.117): aegisbpf in enforce, 10000 file and 10000 address rules; on file_open, socket_connect
    a loop of 200000 instructions was counted as 200005 to 200005: the counter is proven
    operation      none  null LSM  aegisbpf  with background  spread  bound         verdict
    getppid         321        +0        +0               +0  0.00 %  at most +3    within
    open-close     5936      +183      +400             +400  0.00 %  at most +450  within
    udp-connect    1948      +187     +1552            +1552  0.00 %  at most +450  EXCEEDED
    fork         241000        +0      +100             +100  0.00 %

    5.10 (6.12.117): aegisbpf in enforce, 10000 file and 10000 address rules; on file_open, socket_connect
    a loop of 200000 instructions was counted as 200300 to 200300: more than 0.1 % off: the counter is not proven, nothing below may stand
    operation      none  null LSM  aegisbpf  with background  spread  bound  verdict
    getppid         321        +0        +0               +0  0.00 %         inconclusive
    open-close     5936      +183      +400             +400  0.00 %         inconclusive
    udp-connect    1948      +187     +1552            +1552  0.00 %         inconclusive
    fork         241000        +0      +100             +100  0.00 %         inconclusive

    7.3: not counted: the machine did not boot
    ");
}

#[test]
fn the_published_schema_is_that_of_the_report_and_the_report_keeps_to_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/perf-count.schema.json");
    let current = serde_json::to_value(schema()).unwrap();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, format!("{current:#}\n")).unwrap();
    }
    let published: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(
        published, current,
        "run this test once with UPDATE_SCHEMA=1 and look at the difference"
    );
    let validator = jsonschema::validator_for(&published).unwrap();
    let kernel = kernel("6.12", &four(AGENT, 200_005, 0)).unwrap();
    let mut json = serde_json::to_value(report(vec![kernel])).unwrap();
    assert!(validator.is_valid(&json), "{json:#}");
    json["kernels"][0]["operations"][0]["verdict"] = "fine".into();
    assert!(!validator.is_valid(&json));
}

proptest! {
    #[test]
    fn the_order_of_what_was_counted_does_not_matter(
        agent in prop::array::uniform4(300_u64..300_000),
        moves in 0_u64..100,
    ) {
        let mut counts = four(agent, 200_005, moves);
        let forwards = kernel("6.12", &counts);
        counts.reverse();
        prop_assert_eq!(forwards, kernel("6.12", &counts));
    }

    #[test]
    fn an_agent_that_adds_more_is_never_judged_better(
        added in 0_u64..3_000,
        more in 0_u64..3_000,
    ) {
        let rank = |added| {
            let counts = four([321, 5936 + added, 1948, 241_000], 200_005, 0);
            match verdicts("6.12", &counts)[1] {
                Verdict::Within | Verdict::Unbounded => 0,
                Verdict::Inconclusive => 1,
                Verdict::Exceeded => 2,
            }
        };
        prop_assert!(rank(added) <= rank(added + more));
    }
}
