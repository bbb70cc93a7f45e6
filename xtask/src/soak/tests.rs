//! Reports of soaks that were not run.

use super::{ExitCode, Loaded, Report, exit_code, text, with_trends};
use harness::{FailCode, Outcome, soak};
use harness_proto::{
    Access, Probe,
    probe::OpenWay,
    soak::{Sample, Tried},
};
use std::collections::BTreeMap;

fn samples(step_kib: u64) -> Vec<Sample> {
    let sample = |number| Sample {
        at_ms: number * 5000,
        resident_kib: 9000 + number * step_kib,
        descriptors: 31,
        threads: 1,
        maps: 18,
        map_kib: 2400,
        links: 5,
        lines: number * 300,
    };
    (1..=120).map(sample).collect()
}

fn report(step_kib: u64, judged: Outcome) -> Report {
    let samples = samples(step_kib);
    let trends = soak::trends(&samples);
    let denied = Tried {
        denied: BTreeMap::from([(1, 12_000)]),
        ..Tried::default()
    };
    Report {
        schema_version: 1,
        kernel: "6.12".into(),
        seconds: 600,
        fault: None,
        outcome: with_trends(judged, &trends),
        load: vec![Loaded {
            probe: Probe::Open {
                path: "/srv/secret".into(),
                access: Access::Read,
                by: OpenWay::Openat,
                cwd: None,
            },
            denied: true,
            tried: denied,
        }],
        swaps: 30,
        canaries: 750,
        lines: 36_753,
        trends,
        samples,
    }
}

#[test]
fn a_person_reads_what_the_load_came_to_and_what_grew() {
    insta::assert_snapshot!("within", text::render(&report(0, Outcome::Passed)));
    insta::assert_snapshot!("grows", text::render(&report(8, Outcome::Passed)));
}

#[test]
fn what_grows_fails_what_was_denied_otherwise_comes_first_and_too_short_is_no_success() {
    assert_eq!(exit_code(&report(0, Outcome::Passed)), ExitCode::Ok);
    assert_eq!(exit_code(&report(8, Outcome::Passed)), ExitCode::Failed);
    let denied = Outcome::failed(FailCode::NotDenied, "x");
    assert_eq!(report(8, denied.clone()).outcome, denied);
    let mut short = report(0, Outcome::Passed);
    short.trends = soak::trends(&short.samples[..10]);
    assert_eq!(exit_code(&short), ExitCode::Inconclusive);
}
