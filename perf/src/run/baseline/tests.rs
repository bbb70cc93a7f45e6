//! A baseline, and what comes of a run in which a figure is gone, altered, in another
//! unit, or of another kernel.

use super::{Baseline, BaselineError, Change, ChangeKind, Compared, metrics};
use crate::run::{
    KernelRun, Unit,
    report::tests::{bounds, kernel_run, report, surveyed},
};

fn run() -> KernelRun {
    kernel_run(&surveyed()).unwrap()
}

fn baseline() -> Baseline {
    let run = run();
    Baseline::accepting(None, &report(run.clone()), &run, "the first").unwrap()
}

fn changes(compared: Compared) -> Vec<Change> {
    match compared {
        Compared::With { changes, .. } => changes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_is_as_the_baseline_that_was_made_of_it() {
    let compared = baseline().compare(&run(), true, &bounds());
    assert_eq!(changes(compared), []);
}

#[test]
fn every_metric_that_is_gone_altered_or_in_another_unit_is_named() {
    let run = run();
    for name in metrics(&run).into_keys() {
        let check = |alter: &dyn Fn(&mut Baseline), expected: &dyn Fn(ChangeKind) -> bool| {
            let mut baseline = baseline();
            alter(&mut baseline);
            let found = changes(baseline.compare(&run, true, &bounds()));
            let [change] = found.as_slice() else {
                panic!("{name}: {found:?}");
            };
            assert!(change.metric == name && expected(change.kind), "{change:?}");
        };
        let metric = |baseline: &mut Baseline, by: f64| {
            baseline.accepted[0].metrics.get_mut(&name).unwrap().value *= by;
        };
        check(
            &|it| assert!(it.accepted[0].metrics.remove(&name).is_some()),
            &|kind| kind == ChangeKind::Missing,
        );
        check(&|it| metric(it, 0.9), &|kind| {
            matches!(kind, ChangeKind::Dearer(_))
        });
        check(&|it| metric(it, 1.1), &|kind| {
            matches!(kind, ChangeKind::Cheaper(_))
        });
        check(&|it| metric(it, 0.0), &|kind| kind == ChangeKind::Missing);
        check(
            &|it| it.accepted[0].metrics.get_mut(&name).unwrap().unit = Unit::Percent,
            &|kind| kind == ChangeKind::OtherUnit,
        );
    }
}

#[test]
fn a_metric_that_only_the_baseline_has_is_missing_from_a_whole_run() {
    let mut choice = run();
    let gone = choice.cells.remove(0);
    let found = changes(baseline().compare(&choice, true, &bounds()));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, ChangeKind::Missing);
    assert!(found[0].metric.starts_with(gone.operation.name()));
    // Nobody asked for it.
    assert_eq!(changes(baseline().compare(&choice, false, &bounds())), []);
}

#[test]
fn what_is_tolerated_is_no_change() {
    let mut baseline = baseline();
    for (name, metric) in &mut baseline.accepted[0].metrics {
        metric.value *= if name.contains('/') { 1.0019 } else { 1.019 };
    }
    assert_eq!(changes(baseline.compare(&run(), true, &bounds())), []);
}

#[test]
fn another_build_of_the_kernel_is_not_compared() {
    let mut other = run();
    other.build = "linux-image 6.12.118-1 sha256:11".into();
    let compared = baseline().compare(&other, true, &bounds());
    assert!(
        matches!(compared, Compared::OtherBuild { .. }),
        "{compared:?}"
    );
}

#[test]
fn a_baseline_keeps_what_it_replaces_and_why() {
    let run = run();
    let second =
        Baseline::accepting(Some(baseline()), &report(run.clone()), &run, " a reason \n").unwrap();
    let why: Vec<&str> = second.accepted.iter().map(|one| one.why.as_str()).collect();
    assert_eq!(why, ["the first", "a reason"]);
}

#[test]
fn what_cannot_be_held_against_later_runs_is_not_accepted() {
    let good = report(run());
    let refused = |alter: &dyn Fn(&mut crate::run::RunReport), why: &str| {
        let mut report = good.clone();
        alter(&mut report);
        let result = Baseline::accepting(None, &report, &report.kernels[0], why);
        assert!(matches!(result, Err(BaselineError::Unfit(_))), "{result:?}");
    };
    refused(&|_| (), " \n");
    refused(&|it| it.whole = false, "why");
    refused(&|it| it.commit = None, "why");
    refused(&|it| it.kernels[0].calibration.proven = false, "why");
}

#[test]
fn a_baseline_comes_back_from_its_file_and_a_foreign_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Baseline::read(folder.path(), "6.12").unwrap().is_none());
    let path = baseline().write(folder.path()).unwrap();
    assert_eq!(
        Baseline::read(folder.path(), "6.12").unwrap(),
        Some(baseline())
    );
    std::fs::rename(&path, folder.path().join("7.3.json")).unwrap();
    let error = Baseline::read(folder.path(), "7.3").unwrap_err();
    assert!(matches!(error, BaselineError::Foreign { .. }), "{error}");
    std::fs::write(&path, "{}").unwrap();
    let error = Baseline::read(folder.path(), "6.12")
        .unwrap_err()
        .to_string();
    assert!(error.contains("6.12.json"), "{error}");
}
