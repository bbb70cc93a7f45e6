use std::collections::BTreeSet;

use harness::{Decision, plan::Filter};
use kernel_matrix::Tier;

use super::{fits, listed, selected};
use crate::{e2e, workspace};

#[test]
fn every_fault_fits_the_sources_as_they_are() {
    for fault in selected(&[]).unwrap() {
        fits(&fault, &workspace::root()).unwrap_or_else(|error| panic!("{error:#}"));
    }
}

/// What runs the cells is not built from the copy.
#[test]
fn every_fault_is_in_what_the_guest_runs() {
    const OF_THE_GUEST: [&str; 4] = ["agent/", "ebpf/", "harness/guest/", "harness/proto/"];
    for fault in selected(&[]).unwrap() {
        for edit in &fault.edits {
            let inside = OF_THE_GUEST.iter().any(|part| edit.file.starts_with(part));
            assert!(inside, "{}: {}", fault.name, edit.file.display());
        }
    }
}

#[test]
fn every_cell_of_a_fault_runs_on_the_kernel_that_is_the_default() {
    let plan = e2e::plan(&e2e::Options {
        request: e2e::Request {
            filter: Filter {
                kernels: vec!["6.12".into()],
                tier: Tier::Nightly,
                scenarios: Vec::new(),
                boot_modes: Vec::new(),
                suites: Vec::new(),
            },
            ..e2e::Request::tier(Tier::Nightly)
        },
        ..e2e::Options::tier(Tier::Nightly)
    })
    .unwrap();
    let runs: BTreeSet<(String, &str)> = plan
        .cells
        .iter()
        .filter(|planned| planned.decision == Decision::Run)
        .map(|planned| {
            let cell = &planned.cell;
            (cell.scenario.clone(), cell.group.boot_mode.name())
        })
        .collect();
    for fault in selected(&[]).unwrap() {
        for cell in fault.cells {
            let place = (cell.scenario, cell.boot_mode.name());
            assert!(runs.contains(&place), "{}: {place:?}", fault.name);
        }
    }
}

#[test]
fn an_unknown_fault_is_refused_and_the_near_one_named() {
    let error = selected(&["verdict-ignord".into()]).unwrap_err();
    assert!(error.to_string().contains("verdict-ignored"), "{error}");
    let one = selected(&["verdict-ignored".into()]).unwrap();
    assert!(listed(&one).contains("open-denied -> agent-exit"));
}
