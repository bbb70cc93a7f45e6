use std::time::{Duration, SystemTime};

use kernel_matrix::{BootMode, Capability};
use proptest::prelude::*;

use super::{MergeError, ShardReport, merge};
use crate::{
    cell::{Again, Cell, Group},
    outcome::{FailCode, InfraCode, Outcome, SkipReason},
    plan::{Decision, Plan, PlannedCell, Shard},
    report::{BootReport, CellReport, PlanReport, Report, RunInfo},
    run::{BootResult, CellResult},
};

fn plan(machines: &[Vec<bool>]) -> Plan {
    let reason = SkipReason::MissingCapability(Capability::Btf);
    let cells = machines.iter().enumerate().flat_map(|(machine, runs)| {
        runs.iter()
            .enumerate()
            .map(move |(index, run)| PlannedCell {
                cell: Cell {
                    group: Group {
                        kernel: machine.to_string(),
                        boot_mode: BootMode::BpfLsm,
                    },
                    scenario: format!("s{index}"),
                    agent: "a".into(),
                },
                decision: match run {
                    true => Decision::Run,
                    false => Decision::Skip { reason },
                },
            })
    });
    Plan {
        cells: cells.collect(),
    }
}

/// What became of a cell: the same whoever runs it, but for the time.
fn result(planned: &PlannedCell, took: u64) -> CellResult {
    let outcome = match (planned.decision, planned.cell.seed(0) % 4) {
        (Decision::Skip { reason }, _) => Outcome::Skipped { reason },
        (_, 0) => Outcome::failed(FailCode::NotDenied, "it was allowed"),
        (_, 1) => Outcome::infra(InfraCode::Boot, "it did not boot"),
        _ => Outcome::Passed,
    };
    let ran = planned.decision == Decision::Run;
    CellResult {
        cell: planned.cell.clone(),
        outcome,
        took: ran.then(|| Duration::from_millis(took)),
        restored_in: ran.then(|| Duration::from_millis(took / 7)),
        starts_agent: ran,
        let_pass: Vec::new(),
        left_out: Vec::new(),
        idle: false,
    }
}

/// A run of a part of a plan, on a machine where everything takes so long.
fn report(whole: &Plan, shard: Option<Shard>, took: u64) -> Report {
    let part = shard.map_or_else(|| whole.clone(), |shard| shard.of(whole, &|_| 2));
    let again = Again::default();
    let cells = part
        .cells
        .iter()
        .map(|planned| CellReport::of(&result(planned, took), planned.cell.repro_command(&again)));
    let boots = part.groups().into_iter().map(|(group, _)| {
        BootReport::of(&BootResult {
            release: Some(format!("{}.0", group.kernel)),
            group,
            booted_in: Some(Duration::from_millis(took)),
            retried: None,
            failure: None,
        })
    });
    let info = RunInfo {
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + took),
        seconds: 10.0 + f64::from(u32::try_from(took).unwrap()),
        interrupted: false,
        tier: "pr".into(),
        accelerator: "tcg".into(),
        jobs: 2,
        commit: Some("abc".into()),
        seed: 0,
        plan: PlanReport {
            cells: whole.cells.len(),
            digest: whole.digest().to_string(),
            programs: "p".into(),
        },
        shard,
        subjects: std::collections::BTreeMap::new(),
    };
    Report::new(info, cells.collect(), boots.collect(), Vec::new())
}

/// As JSON, without what the clock says.
fn timeless(mut report: Report) -> String {
    report.run.started = String::new();
    report.run.seconds = 0.0;
    for cell in &mut report.cells {
        cell.seconds = cell.seconds.map(|_| 0.0);
        cell.restore_seconds = cell.restore_seconds.map(|_| 0.0);
    }
    for boot in &mut report.boots {
        boot.seconds = boot.seconds.map(|_| 0.0);
    }
    let timings = &mut report.timings;
    for seconds in [
        &mut timings.cells_that_start_the_agent,
        &mut timings.restores,
        &mut timings.boots,
    ]
    .into_iter()
    .flatten()
    {
        (
            seconds.median_seconds,
            seconds.p95_seconds,
            seconds.max_seconds,
        ) = (0.0, 0.0, 0.0);
    }
    serde_json::to_string_pretty(&report).unwrap()
}

fn shards(whole: &Plan, count: u32) -> Vec<ShardReport> {
    (1..=count)
        .map(|index| ShardReport {
            name: format!("dir-{index}"),
            report: report(
                whole,
                Some(format!("{index}/{count}").parse().unwrap()),
                u64::from(index) * 10,
            ),
        })
        .collect()
}

proptest! {
    #[test]
    fn merged_shards_are_the_run_that_was_not_sharded_but_for_times(
        machines in prop::collection::vec(prop::collection::vec(any::<bool>(), 1..20), 1..6),
        count in 1_u32..7,
        turned in 0_usize..7,
    ) {
        let whole = plan(&machines);
        let mut shards = shards(&whole, count);
        shards.rotate_left(turned % count as usize);
        let merged = merge(shards).unwrap();
        prop_assert_eq!(timeless(merged), timeless(report(&whole, None, 3)));
    }

    #[test]
    fn a_shard_that_is_missing_or_there_twice_is_named(
        machines in prop::collection::vec(prop::collection::vec(any::<bool>(), 1..20), 1..6),
        count in 2_u32..7,
        which in 0_usize..7,
    ) {
        let which = which % count as usize;
        let whole = plan(&machines);
        let mut missing = shards(&whole, count);
        missing.remove(which);
        let expected = MergeError::Missing { missing: vec![(which + 1).to_string()], count };
        prop_assert_eq!(merge(missing).unwrap_err(), expected);
        let mut twice = shards(&whole, count);
        twice.push(ShardReport { name: "again".into(), ..twice[which].clone() });
        let error = merge(twice).unwrap_err().to_string();
        let expected = format!("dir-{} and in again", which + 1);
        prop_assert!(error.contains(&expected), "{}", error);
    }
}

/// What is said of three shards, the second of which was changed.
fn refused(change: impl FnOnce(&mut ShardReport)) -> String {
    let whole = plan(&[vec![true; 8], vec![true; 9], vec![true; 7]]);
    let mut all = shards(&whole, 3);
    change(&mut all[1]);
    merge(all).unwrap_err().to_string()
}

#[test]
fn what_does_not_belong_together_is_refused_with_the_reason() {
    insta::assert_snapshot!(merge(Vec::new()).unwrap_err(), @"no report is named: name the folder of each shard");
    insta::assert_snapshot!(refused(|two| two.report.run.shard = None), @"dir-2 is no shard but a whole run: there is nothing to merge it with");
    insta::assert_snapshot!(refused(|two| two.report.run.shard = Some("2".into())), @r#"dir-2: "2" is no shard: write which of how many, from 1, such as 2/3"#);
    insta::assert_snapshot!(refused(|two| two.report.run.shard = Some("2/4".into())), @"dir-2 is of another run than dir-1: the number of shards is 4, there 3");
    insta::assert_snapshot!(refused(|two| two.report.run.commit = None), @"dir-2 is of another run than dir-1: the commit is unknown, there abc");
    insta::assert_snapshot!(refused(|two| two.report.run.tier = "nightly".into()), @"dir-2 is of another run than dir-1: the tier is nightly, there pr");
    insta::assert_snapshot!(refused(|two| two.report.run.plan.programs = "q".into()), @"dir-2 is of another run than dir-1: the digest of what is done in them is q, there p");
    insta::assert_snapshot!(refused(|two| drop(two.report.cells.pop())), @"the shards have 23 cells, which are not the 24 of their plan: was a report edited, or a shard resumed with other sources?");
    insta::assert_snapshot!(refused(|two| two.report.cells[0].scenario = "x".into()), @"the shards have 24 cells, which are not the 24 of their plan: was a report edited, or a shard resumed with other sources?");
}

#[test]
fn a_run_lasts_from_its_first_start_to_its_last_end() {
    let whole = plan(&[vec![true; 8]]);
    // They start 10 s apart, and the last is the longest.
    let merged = merge(shards(&whole, 3)).unwrap();
    assert_eq!(merged.run.started, "2023-11-14T22:13:30Z");
    assert!(
        (merged.run.seconds - 60.0).abs() < 1e-9,
        "{}",
        merged.run.seconds
    );
}

#[test]
fn what_was_amiss_with_a_machine_that_two_shards_booted_is_told() {
    let whole = plan(&[vec![true; 20]]);
    let mut shards = shards(&whole, 2);
    shards[1].report.boots[0].retried = Some("it panicked".into());
    let merged = merge(shards).unwrap();
    assert_eq!(merged.boots.len(), 1);
    assert_eq!(merged.boots[0].retried.as_deref(), Some("it panicked"));
}
