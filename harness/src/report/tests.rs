use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use kernel_matrix::{BootMode, Capability};

use super::support::support;
use super::{
    BootReport, BypassReport, CellReport, PlanReport, Report, RunInfo, ScenarioReport, html, junit,
    schema, summary,
};
use crate::{
    cell::{Again, Cell, Group},
    outcome::{FailCode, InfraCode, Outcome, SkipReason},
    run::{BootResult, CellResult},
};

fn result(boot_mode: BootMode, scenario: &str, outcome: Outcome, ms: Option<u64>) -> CellResult {
    CellResult {
        cell: Cell {
            group: Group {
                kernel: "6.12".into(),
                boot_mode,
            },
            scenario: scenario.into(),
            agent: "aegisbpf".into(),
        },
        outcome,
        took: ms.map(Duration::from_millis),
        restored_in: ms.map(|_| Duration::from_millis(200)),
        starts_agent: true,
        let_pass: Vec::new(),
        left_out: Vec::new(),
        idle: false,
    }
}

pub(super) fn report() -> Report {
    let skipped = Outcome::Skipped {
        reason: SkipReason::MissingCapability(Capability::BpfLsm),
    };
    let failed = Outcome::failed(FailCode::NotDenied, "<b>a|b</b> was allowed");
    let infra = Outcome::infra(InfraCode::Boot, "the machine ended");
    let results = [
        result(BootMode::BpfLsm, "open-denied", Outcome::Passed, Some(900)),
        result(BootMode::BpfLsm, "exec-denied", failed, Some(1100)),
        result(BootMode::NoBpfLsm, "open-denied", skipped, None),
        result(BootMode::NoBpfLsm, "exec-denied", infra, None),
        result(BootMode::NoBtf, "open-denied", Outcome::NotRun, None),
    ];
    let again = Again::default();
    let cells = results
        .iter()
        .map(|result| CellReport::of(result, result.cell.repro_command(&again)));
    let boot = BootReport::of(&BootResult {
        group: Group {
            kernel: "6.12".into(),
            boot_mode: BootMode::BpfLsm,
        },
        booted_in: Some(Duration::from_secs(3)),
        retried: Some("it panicked".into()),
        release: Some("6.12.117".into()),
        failure: None,
    });
    let info = RunInfo {
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        seconds: 12.5,
        interrupted: true,
        tier: "pr".into(),
        accelerator: "tcg".into(),
        jobs: 2,
        commit: None,
        seed: 0,
        plan: PlanReport {
            cells: results.len(),
            digest: "d".into(),
            programs: "p".into(),
        },
        shard: None,
        subjects: BTreeMap::from([("agent".into(), "sha256:00".into())]),
    };
    let scenario = |id: &str, technique: &str, gap: Option<&str>| ScenarioReport {
        id: id.into(),
        title: "What is true when it passes".into(),
        suite: "bypass".into(),
        operations: vec!["file read".into()],
        modes: vec!["enforce".into()],
        bypass: Some(BypassReport {
            technique: technique.into(),
            reference: "man 2 open".into(),
            gap: gap.map(Into::into),
        }),
    };
    let catalogue = vec![
        scenario("open-denied", "asking nicely", Some("nobody can say no")),
        scenario("exec-denied", "another way", None),
    ];
    Report::new(info, cells.collect(), vec![boot], catalogue)
}

#[test]
fn the_published_schema_is_that_of_the_report_and_the_report_keeps_to_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/report.schema.json");
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
    let mut json = serde_json::to_value(report()).unwrap();
    assert!(validator.is_valid(&json), "{json:#}");
    json["cells"][0]["outcome"] = "fine".into();
    assert!(!validator.is_valid(&json));
}

#[test]
fn only_passed_cells_count_for_the_timing() {
    let timing = report().timings.cells_that_start_the_agent.unwrap();
    assert_eq!(timing.count, 1);
    assert!((timing.median_seconds - 0.9).abs() < 1e-9);
}

#[test]
fn the_summary_is_read_at_a_glance() {
    insta::assert_snapshot!(summary::render(&report()), @r#"
    # End-to-end run

    **failed**: 1 passed, 1 failed, 1 skipped, 1 infrastructure, 1 not run; tier pr, 13 s, tcg, 2 at a time.

    A cell that starts the agent took 0.90 s (median of 1; 95 %: 0.90 s).

    | scenario | 6.12 bpf-lsm | 6.12 no-bpf-lsm | 6.12 no-btf |
    | --- | :-: | :-: | :-: |
    | open-denied | ✅ | ➖ | ❔ |
    | exec-denied | ❌ | ⚠️ |  |

    ✅ passed ❌ failed ➖ skipped ⚠️ infrastructure ❔ not run

    | ways round a rule | techniques | blocked | the rest |
    | --- | --: | --: | --- |
    | 6.12 aegisbpf | 2 | 0 of 1 | 1 open, 1 not judged |

    - known gap: asking nicely: nobody can say no

    - **not-denied** 6.12/bpf-lsm/exec-denied/aegisbpf: &lt;b>a\|b&lt;/b> was allowed
      `cargo xtask repro 6.12/bpf-lsm/exec-denied/aegisbpf`
    - **boot** 6.12/no-bpf-lsm/exec-denied/aegisbpf: the machine ended
      `cargo xtask repro 6.12/no-bpf-lsm/exec-denied/aegisbpf`
    - 6.12/bpf-lsm was booted twice: it panicked
    "#);
}

#[test]
fn junit_knows_what_failed_and_what_could_not_be_judged() {
    insta::assert_snapshot!(junit::render(&report()).unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="aegisbpf e2e" tests="5" skipped="1" failures="1" errors="2" time="12.500">
        <testsuite name="6.12/bpf-lsm" tests="2" skipped="0" errors="0" failures="1">
            <testcase name="open-denied/aegisbpf" classname="6.12/bpf-lsm" time="0.900"/>
            <testcase name="exec-denied/aegisbpf" classname="6.12/bpf-lsm" time="1.100">
                <failure message="&lt;b&gt;a|b&lt;/b&gt; was allowed" type="not-denied">run it again with: cargo xtask repro 6.12/bpf-lsm/exec-denied/aegisbpf</failure>
            </testcase>
        </testsuite>
        <testsuite name="6.12/no-bpf-lsm" tests="2" skipped="1" errors="1" failures="0">
            <testcase name="open-denied/aegisbpf" classname="6.12/no-bpf-lsm">
                <skipped message="the kernel lacks bpf-lsm" type="missing-capability"/>
            </testcase>
            <testcase name="exec-denied/aegisbpf" classname="6.12/no-bpf-lsm">
                <error message="the machine ended" type="boot">run it again with: cargo xtask repro 6.12/no-bpf-lsm/exec-denied/aegisbpf</error>
            </testcase>
        </testsuite>
        <testsuite name="6.12/no-btf" tests="1" skipped="0" errors="1" failures="0">
            <testcase name="open-denied/aegisbpf" classname="6.12/no-btf">
                <error message="the run was interrupted" type="not-run">run it again with: cargo xtask repro 6.12/no-btf/open-denied/aegisbpf</error>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn the_page_holds_every_cell_with_its_logs_and_nothing_from_elsewhere() {
    let logs = |cell: &CellReport| {
        let program = r#"{"actions":[{"action":"list-bpf-links","expectation":{"links":"none"},"phase":"release"}]}"#;
        BTreeMap::from([
            (
                "console.log".to_owned(),
                format!("console of {}", cell.id()),
            ),
            ("program.json".to_owned(), program.to_owned()),
        ])
    };
    let page = html::render(&report(), &logs);
    for cell in &report().cells {
        let anchor = cell.id().replace('/', "_");
        assert!(page.contains(&format!("href=\"#{anchor}\"")), "{anchor}");
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
        assert!(page.contains(&format!("console of {}", cell.id())));
    }
    assert!(page.contains("known gap: nobody can say no"));
    assert!(page.contains("list-bpf-links"));
    assert!(!page.contains("<b>a|b</b>"), "what is quoted is no markup");
    for foreign in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn a_run_is_called_by_its_time() {
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    assert_eq!(super::run_name(started, 42), "20231114T221320Z-42");
}

#[test]
fn what_is_supported_is_what_was_seen() {
    insta::assert_snapshot!(support(&report()), @r"
    # What is supported where

    Generated by `cargo xtask report support RUN`, never by hand: from a run of commit unknown with 5 cells (tier pr, digest of the cells `d`).

    ✓ n: n scenarios about the operation passed on this kernel. ✗: some failed. ?: some could not be judged. –: none runs there, because the kernel or the agent lacks what they are about. What is open by nature is in [threat-model.md](threat-model.md), and not counted.

    ## aegisbpf, enforce, booted bpf-lsm

    | operation | 6.12 |
    | --- | --- |
    | file read | ✗ 0 of 1 |

    ## aegisbpf, enforce, booted no-bpf-lsm

    | operation | 6.12 |
    | --- | --- |
    | file read | ? 0 of 1 |
    ");
}
