use super::{Checklist, schema};

const GOOD: &str = r#"version = 1
id = "two"
title = "Two"
[subject.commit]
what = "the sources"
commit_of = "."
[evidence.unit]
file = "junit.xml"
about = ["commit"]
[evidence.lint]
command = ["make", "lint"]
[[item]]
id = "tests"
area = "Quality"
text = "Tests pass"
owner = "engineering"
pass = "They do."
fail = "They do not."
[[item.predicate]]
evidence = "unit"
max_age = "1day"
about = ["commit"]
junit = { at_least = 10 }
[[item.predicate]]
evidence = "lint"
max_age = "1day"
about = ["commit"]
command = {}
"#;

fn told(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    match Checklist::parse("c.toml", &GOOD.replacen(from, to, 1)) {
        Ok(_) => "accepted".into(),
        Err(mistake) => mistake.to_string(),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_mistake_is_told_with_place_expectation_and_suggestion() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        let told = told(from, to);
        for part in expected {
            assert!(told.contains(part), "{told}\nlacks {part}");
        }
    };
    check("Two", "Three", &["accepted"]);
    check(
        "owner = ",
        "ownr = ",
        &[
            "c.toml:16:1: unknown field `ownr`",
            "expected",
            "did you mean `owner`?",
        ],
    );
    check(
        "version = 1",
        "version = 2",
        &["c.toml:1:11: version 2", "expected version = 1"],
    );
    check(
        "evidence = \"unit\"",
        "evidence = \"unti\"",
        &[
            "c.toml:20:12: unknown evidence `unti`",
            "one of lint, unit",
            "did you mean `unit`?",
        ],
    );
    check(
        "about = [\"commit\"]\njunit",
        "about = [\"comit\"]\njunit",
        &[
            "c.toml:22:10: unknown subject `comit`",
            "did you mean `commit`?",
        ],
    );
    check(
        "about = [\"commit\"]\njunit",
        "about = []\njunit",
        &["c.toml:19", "`about` is empty"],
    );
    check(
        "\"1day\"",
        "\"soon\"",
        &["c.toml:21:11", "expected a time span such as"],
    );
    check(
        "junit = { at_least = 10 }",
        "junit = { at_leest = 10 }",
        &["c.toml:23", "did you mean `at_least`?"],
    );
    check(
        "junit = { at_least = 10 }",
        "",
        &["c.toml:19", "without one test", "exactly one of e2e"],
    );
    check(
        "junit = { at_least = 10 }",
        "junit = {}\nsarif = { tool = \"x\" }",
        &["without one test"],
    );
    check(
        "junit = { at_least = 10 }",
        "junit = { at_least = 0 }",
        &["would always pass"],
    );
    check(
        "junit = { at_least = 10 }",
        "is_file = {}",
        &["that a file exists shows nothing"],
    );
    check(
        "junit = { at_least = 10 }",
        "json = []",
        &["would always pass"],
    );
    check(
        "junit = { at_least = 10 }",
        "json = [{ at = \"/a\" }]",
        &["that a value exists shows nothing"],
    );
    check(
        "junit = { at_least = 10 }",
        "e2e = { scenarios = [], kernels = [\"6.12\"] }",
        &["would always pass"],
    );
    check(
        "junit = { at_least = 10 }",
        "e2e = { scenarios = [\"a[\"], kernels = [\"6.12\"] }",
        &["`a[` is no pattern"],
    );
    check(
        "command = {}",
        "junit = {}",
        &["does not fit the evidence `lint`"],
    );
    check(
        "junit = { at_least = 10 }",
        "command = {}",
        &["does not fit the evidence `unit`"],
    );
    check(
        "id = \"tests\"",
        "id = \"Tests!\"",
        &["c.toml:13:6: `Tests!` is no name"],
    );
    check(
        "commit_of = \".\"",
        "commit_of = \".\"\nfile = \"x\"",
        &["say one of `file`, `commit_of`"],
    );
    check(
        "file = \"junit.xml\"",
        "",
        &["say one of `file`, `run` and `command`"],
    );
    check(
        "about = [\"commit\"]\n[evidence.lint]",
        "timeout = \"1s\"\n[evidence.lint]",
        &["only for commands"],
    );
    check(
        "text = \"Tests pass\"",
        "text = \"x\"\nnot_applicable = \" \"",
        &["no reason why"],
    );
    check(
        "text = \"Tests pass\"",
        "text = \"x\"\npriority = \"p0\"",
        &["c.toml:16", "unknown variant `p0`", "`P0`"],
    );
}

#[test]
fn two_items_of_one_id_and_none_at_all_are_refused() {
    let (head, item) = GOOD.split_at(GOOD.find("[[item]]").unwrap());
    let twice = format!("{head}{item}{item}");
    let mistake = Checklist::parse("c.toml", &twice).unwrap_err();
    assert!(
        mistake
            .to_string()
            .contains("two items have the id `tests`")
    );
    assert_eq!(mistake.line, 30);
    let none = Checklist::parse("c.toml", &format!("{head}item = []")).unwrap_err();
    assert!(none.to_string().contains("item"), "{none}");
}

/// Write it anew with `UPDATE_SCHEMA=1`.
#[test]
fn the_published_schema_is_that_of_the_code_and_takes_what_the_code_takes() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/schema/checklist.schema.json"
    );
    crate::published(path, &schema());
    let validator = jsonschema::validator_for(&serde_json::to_value(schema()).unwrap()).unwrap();
    let value = |text: &str| toml::from_str::<serde_json::Value>(text).unwrap();
    assert!(validator.is_valid(&value(GOOD)));
    assert!(!validator.is_valid(&value(&GOOD.replacen("owner", "ownr", 1))));
}
