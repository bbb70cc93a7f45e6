use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroUsize,
    os::unix::fs::symlink,
    path::Path,
    sync::Mutex,
};

use kernel_matrix::{BootMode, Capability};

use super::{BootFiles, BootResult, CellResult, Images, Inputs, Observer, Results, RunFolder, run};
use crate::{
    adapter::AegisBpf,
    cell::{Again, Cell, Group},
    expand::expand,
    expectation::Program,
    fake::{FakeHypervisor, Flaw, Guest, Life},
    interrupt::Interrupt,
    judge::KnownSplats,
    outcome::{FailCode, InfraCode, Outcome, SkipReason},
    plan::{Decision, Plan, PlannedCell},
};

/// As much as the fake's toy agent knows.
const SCENARIO: &str = r#"
id = "open-denied"
title = "A denied file cannot be opened; its neighbour can"
needs = ["bpf-lsm"]
must_run = true
[[rule]]
id = "secret"
file = { path = "/srv/secret.txt", operations = ["read", "write"] }
[[step]]
do = "start"
mode = "enforce"
[[step]]
do = "probe"
probe = { open = { path = "/srv/secret.txt" } }
expect = { denied = "EPERM" }
[[step]]
do = "probe"
probe = { open = { path = "/srv/plain.txt" } }
expect = "allowed"
[[step]]
do = "event"
matches = { type = "denial" }
"#;

fn programs() -> BTreeMap<String, Program> {
    let scenario = scenarios::catalogue::parse(Path::new("open-denied.toml"), SCENARIO).unwrap();
    let program = expand(&scenario, &AegisBpf).unwrap();
    BTreeMap::from([
        ("open-denied.aegisbpf".into(), program.clone()),
        ("another.aegisbpf".into(), program),
    ])
}

fn cell(boot_mode: BootMode) -> Cell {
    Cell {
        group: Group {
            kernel: "6.12".into(),
            boot_mode,
        },
        scenario: "open-denied".into(),
        agent: "aegisbpf".into(),
    }
}

fn boots(flaw: Flaw) -> Life {
    Life::Boots(Guest {
        programs: programs().into_iter().collect(),
        flaw,
        only: Some("open-denied.aegisbpf"),
    })
}

#[derive(Default)]
struct Retries(Mutex<Vec<String>>);

impl Observer for Retries {
    fn booting(&self, _: &Group) {}
    fn boot_retried(&self, _: &Group, why: &str) {
        self.0.lock().unwrap().push(why.into());
    }
    fn booted(&self, _: &BootResult) {}
    fn cell_started(&self, _: &Cell) {}
    fn cell_done(&self, _: &CellResult) {}
}

struct Ran {
    results: Results,
    retries: usize,
    folder: tempfile::TempDir,
}

fn files() -> BootFiles {
    BootFiles {
        image: "/vmlinux".into(),
        initramfs: "/guest.cpio".into(),
    }
}

fn run_with(
    cells: &[(Cell, Decision)],
    lives: impl IntoIterator<Item = Life>,
    images: &Images<'_>,
    interrupt: &Interrupt,
) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder, cells, lives, images, interrupt)
}

fn run_in(
    folder: tempfile::TempDir,
    cells: &[(Cell, Decision)],
    lives: impl IntoIterator<Item = Life>,
    images: &Images<'_>,
    interrupt: &Interrupt,
) -> Ran {
    let run_folder = RunFolder::create(folder.path(), Again::default()).unwrap();
    let retries = Retries::default();
    let full = BTreeSet::from([Capability::Bpf, Capability::Btf, Capability::BpfLsm]);
    let results = run(&Inputs {
        plan: &Plan {
            cells: cells
                .iter()
                .map(|(cell, decision)| PlannedCell {
                    cell: cell.clone(),
                    decision: *decision,
                })
                .collect(),
        },
        programs: &programs(),
        capabilities: &BootMode::ALL
            .map(|mode| (cell(mode).group, mode.limit(&full)))
            .into(),
        lsms: &[],
        images,
        hypervisor: &FakeHypervisor::new(lives),
        jobs: NonZeroUsize::new(2).unwrap(),
        seed: 0,
        known_splats: &KnownSplats::default(),
        folder: &run_folder,
        observer: &retries,
        interrupt,
    });
    Ran {
        results,
        retries: retries.0.into_inner().unwrap().len(),
        folder,
    }
}

fn outcome_of(lives: impl IntoIterator<Item = Life>) -> (Outcome, usize) {
    let cells = [(cell(BootMode::BpfLsm), Decision::Run)];
    let ran = run_with(&cells, lives, &|_| Ok(files()), &Interrupt::default());
    (ran.results.cells[0].outcome.clone(), ran.retries)
}

fn fail_code(life: Life) -> Option<FailCode> {
    match outcome_of([life]).0 {
        Outcome::Failed { code, .. } => Some(code),
        _ => None,
    }
}

#[test]
fn a_cell_passes_only_when_the_guest_does_everything_right() {
    assert_eq!(outcome_of([boots(Flaw::None)]), (Outcome::Passed, 0));
    let check = |flaw, code| assert_eq!(fail_code(boots(flaw)), Some(code), "{flaw:?}");
    check(Flaw::AllowsAll, FailCode::NotDenied);
    check(Flaw::DiesAfter(3), FailCode::GuestDied);
    check(Flaw::OtherNonce, FailCode::BadFinal);
    check(Flaw::LosesRecord, FailCode::BadFinal);
    check(Flaw::Splats, FailCode::KernelSplat);
    check(Flaw::PanicsAfter(3), FailCode::KernelPanic);
    check(Flaw::HangsAfter(3), FailCode::Timeout);
    check(Flaw::FloodsConsole, FailCode::Timeout);
}

#[test]
fn whatever_a_guest_does_to_itself_the_next_cell_is_judged_by_its_own() {
    for (flaw, code) in [
        (Flaw::DiesAfter(3), "guest-died"),
        (Flaw::PanicsAfter(3), "kernel-panic"),
        (Flaw::HangsAfter(3), "timeout"),
        (Flaw::FloodsConsole, "timeout"),
        (Flaw::OtherNonce, "bad-final"),
        (Flaw::OutOfDisk, "harness"),
        (Flaw::KilledAfter(3), "qemu-died"),
    ] {
        let another = Cell {
            scenario: "another".into(),
            ..cell(BootMode::BpfLsm)
        };
        let cells = [
            (cell(BootMode::BpfLsm), Decision::Run),
            (another, Decision::Run),
        ];
        let ran = run_with(
            &cells,
            [boots(flaw)],
            &|_| Ok(files()),
            &Interrupt::default(),
        );
        let [bad, good] = &ran.results.cells[..] else {
            panic!("{:?}", ran.results.cells);
        };
        assert_eq!(bad.outcome.code().as_deref(), Some(code), "{flaw:?}");
        assert_eq!(good.outcome, Outcome::Passed, "after {flaw:?}");
    }
}

#[test]
fn a_guest_without_room_says_which_file_it_could_not_write() {
    let (outcome, _) = outcome_of([boots(Flaw::OutOfDisk)]);
    let Outcome::Infra { code, reason } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(code, InfraCode::Harness);
    assert!(reason.contains("No space left on device"), "{reason}");
}

#[test]
fn a_machine_that_the_host_ended_says_nothing_about_the_agent() {
    let (outcome, _) = outcome_of([boots(Flaw::KilledAfter(3))]);
    let Outcome::Infra { code, reason } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(code, InfraCode::QemuDied);
    assert!(reason.contains("SIGKILL"), "{reason}");
}

#[test]
fn a_boot_that_dies_early_is_repeated_once_and_reported() {
    let dies = || Life::Dies("Kernel panic - not syncing: timer");
    assert_eq!(
        outcome_of([dies(), boots(Flaw::None)]),
        (Outcome::Passed, 1)
    );
    let (outcome, retries) = outcome_of([dies(), dies()]);
    assert_eq!((outcome.code().as_deref(), retries), (Some("boot"), 1));
    let (outcome, retries) = outcome_of([Life::GivesUp("no /proc")]);
    assert_eq!((outcome.code().as_deref(), retries), (Some("boot"), 0));
}

#[test]
fn a_kernel_that_is_not_as_the_matrix_says_fails_its_cells() {
    // The fake always has type information, which the matrix denies in this mode.
    let cells = [(cell(BootMode::NoBtf), Decision::Run)];
    let lives = [boots(Flaw::None)];
    let ran = run_with(&cells, lives, &|_| Ok(files()), &Interrupt::default());
    let code = ran.results.cells[0].outcome.code();
    assert_eq!(code.as_deref(), Some("capability-mismatch"));
}

#[test]
fn a_missing_kernel_is_infrastructure_and_others_run_on() {
    let images = |group: &Group| match group.boot_mode {
        BootMode::BpfLsm => Ok(files()),
        _ => Err("the mirror is away".into()),
    };
    let cells = [
        (cell(BootMode::NoBtf), Decision::Run),
        (cell(BootMode::BpfLsm), Decision::Run),
    ];
    let lives = [boots(Flaw::None)];
    let ran = run_with(&cells, lives, &images, &Interrupt::default());
    assert_eq!(
        ran.results.cells[0].outcome,
        Outcome::Infra {
            code: InfraCode::KernelImage,
            reason: "the mirror is away".into()
        }
    );
    assert_eq!(ran.results.cells[1].outcome, Outcome::Passed);
}

#[test]
fn a_cell_whose_results_find_no_room_has_not_passed() {
    let folder = tempfile::tempdir().unwrap();
    // It opens, and has no room for anything.
    symlink("/dev/full", folder.path().join("cells.jsonl")).unwrap();
    let cells = [(cell(BootMode::BpfLsm), Decision::Run)];
    let ran = run_in(
        folder,
        &cells,
        [boots(Flaw::None)],
        &|_| Ok(files()),
        &Interrupt::default(),
    );
    let Outcome::Infra { code, reason } = &ran.results.cells[0].outcome else {
        panic!("{:?}", ran.results.cells);
    };
    assert_eq!(*code, InfraCode::Disk);
    assert!(reason.contains("cells.jsonl"), "{reason}");
    assert!(reason.contains("with --report"), "{reason}");
}

#[test]
fn an_interrupted_run_keeps_what_it_knows() {
    let reason = SkipReason::MissingCapability(Capability::Btf);
    let cells = [
        (cell(BootMode::NoBtf), Decision::Skip { reason }),
        (cell(BootMode::BpfLsm), Decision::Run),
    ];
    let interrupt = Interrupt::default();
    interrupt.request();
    let ran = run_with(&cells, [], &|_| Ok(files()), &interrupt);
    let outcomes: Vec<_> = ran.results.cells.iter().map(|one| &one.outcome).collect();
    assert_eq!(outcomes, [&Outcome::Skipped { reason }, &Outcome::NotRun]);
}

#[test]
fn a_must_run_cell_that_would_be_skipped_has_failed() {
    let reason = SkipReason::MissingCapability(Capability::BpfLsm);
    let cells = [(cell(BootMode::BpfLsm), Decision::UnexpectedSkip { reason })];
    let ran = run_with(&cells, [], &|_| Ok(files()), &Interrupt::default());
    let code = ran.results.cells[0].outcome.code();
    assert_eq!(code.as_deref(), Some("unexpected-skip"));
}

#[test]
fn what_was_seen_is_written_down() {
    let cells = [(cell(BootMode::BpfLsm), Decision::Run)];
    let lives = [boots(Flaw::AllowsAll)];
    let ran = run_with(&cells, lives, &|_| Ok(files()), &Interrupt::default());
    let folder = ran.folder.path();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let cell = "cells/6.12/bpf-lsm/open-denied/aegisbpf";
    let line: serde_json::Value = serde_json::from_str(read("cells.jsonl").trim()).unwrap();
    assert_eq!(line["outcome"], "failed");
    assert_eq!(line["code"], "not-denied");
    let outcome: serde_json::Value =
        serde_json::from_str(&read(&format!("{cell}/outcome.json"))).unwrap();
    assert_eq!(outcome, line);
    let actions = programs()["open-denied.aegisbpf"].actions.len();
    let observations = read(&format!("{cell}/observations.jsonl"));
    assert_eq!(observations.lines().count(), actions);
    assert!(read(&format!("{cell}/program.json")).contains("negative"));
}
