//! `junit.xml`: one suite for each machine, one case for each cell.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as JunitReport, TestCase, TestCaseStatus, TestSuite};

use super::json::{CellReport, Report};
use crate::outcome::OutcomeKind;

pub(super) fn render(report: &Report) -> Result<String, String> {
    let mut junit = JunitReport::new("aegisbpf e2e");
    junit.set_time(seconds(report.run.seconds));
    let mut suites: Vec<(String, TestSuite)> = Vec::new();
    for cell in &report.cells {
        let name = format!("{}/{}", cell.kernel, cell.boot_mode);
        let at = suites.iter().position(|(known, _)| *known == name);
        let at = at.unwrap_or_else(|| {
            suites.push((name.clone(), TestSuite::new(name)));
            suites.len() - 1
        });
        suites[at].1.add_test_case(case(cell));
    }
    junit.add_test_suites(suites.into_iter().map(|(_, suite)| suite));
    junit
        .to_string()
        .map_err(|error| format!("junit.xml: {error}"))
}

fn case(cell: &CellReport) -> TestCase {
    let mut status = match cell.outcome {
        OutcomeKind::Passed => TestCaseStatus::success(),
        OutcomeKind::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        OutcomeKind::Skipped => TestCaseStatus::skipped(),
        // JUnit has no word for what was not run; it must not look passed.
        OutcomeKind::Infra | OutcomeKind::NotRun => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
    };
    match (&cell.code, &cell.reason) {
        (Some(code), Some(reason)) => {
            status.set_type(code.as_str()).set_message(reason.as_str());
        }
        _ if cell.outcome == OutcomeKind::NotRun => {
            status
                .set_type("not-run")
                .set_message("the run was interrupted");
        }
        _ => {}
    }
    let bad = !matches!(cell.outcome, OutcomeKind::Passed | OutcomeKind::Skipped);
    if bad {
        status.set_description(format!("run it again with: {}", cell.rerun));
    }
    let mut case = TestCase::new(format!("{}/{}", cell.scenario, cell.agent), status);
    case.set_classname(format!("{}/{}", cell.kernel, cell.boot_mode));
    if let Some(taken) = cell.seconds {
        case.set_time(seconds(taken));
    }
    case
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
