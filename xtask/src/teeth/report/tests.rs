use harness::{FailCode, outcome::OutcomeKind};
use kernel_matrix::BootMode;

use super::{CellVerdict, Expected, FaultReport, Seen, TeethReport, Verdict};
use crate::exit_code::ExitCode;

fn expected() -> Expected {
    Expected {
        scenario: "open-denied".into(),
        boot_mode: BootMode::BpfLsm,
        code: FailCode::NotDenied,
    }
}

fn seen(outcome: OutcomeKind, code: Option<&str>) -> Seen {
    Seen {
        scenario: "open-denied".into(),
        boot_mode: "bpf-lsm".into(),
        outcome,
        code: code.map(str::to_owned),
        reason: None,
    }
}

fn report(unpatched: OutcomeKind, faults: &[(&str, Option<Seen>)]) -> TeethReport {
    TeethReport {
        schema_version: 1,
        kernel: "6.12".into(),
        interrupted: false,
        unpatched: vec![seen(unpatched, None)],
        faults: faults
            .iter()
            .map(|(name, seen)| {
                let verdict = Verdict::of(&expected(), seen.as_ref());
                FaultReport {
                    fault: (*name).into(),
                    breaks: "b".into(),
                    verdict,
                    build_error: None,
                    cells: vec![CellVerdict {
                        expected: expected(),
                        seen: seen.clone(),
                        verdict,
                    }],
                    seconds: 1.0,
                }
            })
            .collect(),
    }
}

#[test]
fn a_fault_is_caught_only_by_the_code_that_was_named_before() {
    let check = |outcome, code, verdict, exit| {
        let seen = seen(outcome, code);
        assert_eq!(Verdict::of(&expected(), Some(&seen)), verdict);
        let report = report(OutcomeKind::Passed, &[("f", Some(seen))]);
        assert_eq!(report.exit_code(), exit);
    };
    let (failed, infra) = (ExitCode::Failed, ExitCode::Infrastructure);
    check(
        OutcomeKind::Failed,
        Some("not-denied"),
        Verdict::Caught,
        ExitCode::Ok,
    );
    check(
        OutcomeKind::Failed,
        Some("timeout"),
        Verdict::WrongCode,
        failed,
    );
    check(OutcomeKind::Passed, None, Verdict::Survived, failed);
    check(
        OutcomeKind::Skipped,
        Some("missing-capability"),
        Verdict::Survived,
        failed,
    );
    check(OutcomeKind::Infra, Some("boot"), Verdict::NotJudged, infra);
    check(OutcomeKind::NotRun, None, Verdict::NotJudged, infra);
    assert_eq!(Verdict::of(&expected(), None), Verdict::NotJudged);
}

#[test]
fn sources_that_are_not_green_fail_the_run_whatever_the_faults_do() {
    let caught = || seen(OutcomeKind::Failed, Some("not-denied"));
    let check = |unpatched, code| {
        let report = report(unpatched, &[("f", Some(caught()))]);
        assert_eq!(report.exit_code(), code);
    };
    check(OutcomeKind::Passed, ExitCode::Ok);
    check(OutcomeKind::Failed, ExitCode::Failed);
    check(OutcomeKind::Skipped, ExitCode::Failed);
    check(OutcomeKind::Infra, ExitCode::Infrastructure);
}

#[test]
fn the_table_has_a_line_for_each_cell() {
    let report = report(
        OutcomeKind::Passed,
        &[
            (
                "links-not-pinned",
                Some(seen(OutcomeKind::Failed, Some("not-denied"))),
            ),
            ("event-not-sent", Some(seen(OutcomeKind::Passed, None))),
            ("interrupted", None),
        ],
    );
    insta::assert_snapshot!(report.table() + &report.summary(), @r"
    fault             cell                 expected    got
    (none)            bpf-lsm/open-denied  passed      passed
    links-not-pinned  bpf-lsm/open-denied  not-denied  not-denied  caught
    event-not-sent    bpf-lsm/open-denied  not-denied  passed      SURVIVED
    interrupted       bpf-lsm/open-denied  not-denied  –           not judged
    1 of 3 faults caught on 6.12; unpatched, 1 of 1 cells passed
    ");
}
