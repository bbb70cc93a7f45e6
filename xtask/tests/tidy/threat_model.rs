//! Every way round a rule that is known to be open is told to the reader.

use std::collections::BTreeSet;

use scenarios::Catalogue;

/// The scenarios in the last column of a table.
fn named(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter_map(|line| line.strip_suffix(" |"));
    rows.filter_map(|row| {
        let (_, last) = row.rsplit_once("| `")?;
        last.strip_suffix('`').map(str::to_owned)
    })
    .collect()
}

#[test]
fn the_threat_model_lists_the_known_gaps_and_no_others() {
    let root = xtask::workspace::root();
    let text = std::fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let catalogue = Catalogue::read(&root.join("scenarios/catalogue")).unwrap();
    let open = |one: &&scenarios::Scenario| {
        let bypass = one.bypass.as_ref();
        bypass.is_some_and(|bypass| bypass.gap.is_some())
    };
    let gaps: BTreeSet<String> = catalogue
        .iter()
        .filter(open)
        .map(|one| one.id.clone())
        .collect();
    assert_eq!(named(&text), gaps);
}

#[test]
fn a_row_names_its_scenario_last() {
    let text = "| what | scenario |\n| --- | --- |\n| a `b` | `bypass-x` |\nand `y`\n";
    assert_eq!(named(text), BTreeSet::from(["bypass-x".to_owned()]));
}
