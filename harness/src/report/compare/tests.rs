use super::{CompareError, Word, compare, comparison_schema};
use crate::{
    outcome::OutcomeKind,
    report::{ShardReport, tests::report},
};
use std::{fs, path::Path};

/// The same cells by another agent.
fn run(agent: &str) -> ShardReport {
    let mut report = report();
    for cell in &mut report.cells {
        cell.agent = agent.into();
    }
    ShardReport {
        name: agent.into(),
        report,
    }
}

fn runs() -> [ShardReport; 2] {
    let mut other = run("other");
    let cells = &mut other.report.cells;
    cells[0].left_out = vec!["step 4: events".into()];
    cells[1].outcome = OutcomeKind::Skipped;
    cells[1].code = Some("not-expressible".into());
    cells[1].reason = Some("not expressible: the agent has no rules about executing".into());
    cells.pop();
    [run("aegisbpf"), other]
}

#[test]
fn the_same_cells_stand_side_by_side() {
    let comparison = compare(&runs()).unwrap();
    insta::assert_snapshot!(comparison.markdown());
    let html = comparison.html();
    assert!(html.contains("not looked at: step 4: events"), "{html}");
    assert!(!html.contains("<b>a|b</b>"), "a reason is no markup");
}

#[test]
fn what_is_not_expressible_is_neither_failed_nor_skipped() {
    let comparison = compare(&runs()).unwrap();
    let other = comparison
        .columns
        .iter()
        .position(|one| one.agent == "other" && one.boot_mode == "bpf-lsm");
    let words: Vec<Word> = comparison
        .scenarios
        .iter()
        .map(|row| row.results[other.unwrap()].is)
        .collect();
    assert_eq!(words, [Word::NotExpressible, Word::PassedInPart]);
}

#[test]
fn runs_with_the_same_cell_or_of_other_scenarios_are_refused() {
    let error = compare(&[run("one"), run("one")]).unwrap_err();
    assert!(matches!(error, CompareError::Twice { .. }), "{error}");
    let mut other = run("other");
    other.report.catalogue[0].title = "something else".into();
    let error = compare(&[run("one"), other]).unwrap_err();
    assert!(matches!(error, CompareError::Scenario { .. }), "{error}");
}

#[test]
fn the_published_schema_is_that_of_a_comparison() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/agents-compare.schema.json");
    let current = serde_json::to_value(comparison_schema()).unwrap();
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
    let json = serde_json::to_value(compare(&runs()).unwrap()).unwrap();
    assert!(validator.is_valid(&json), "{json:#}");
}
