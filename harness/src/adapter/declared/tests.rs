use std::{fs, path::Path};

use scenarios::Scenario;
use serde_json::json;

use super::{Declared, schema::schema};
use crate::{
    ability::{Ability, ObjectKind},
    adapter::{Adapter, Role, Rules},
    expand::{expand, lacking},
    expectation::{Expectation, Phase},
};

const ADAPTER: &str = r#"name = "mine"
title = "A test's own"

[policy]
path = "/etc/mine"
template = "policy.j2"

[run.daemon]
command = ["/bin/mine"]
ready = "up"

[denial]
errno = ["EACCES"]

[can]
modes = ["enforce"]
file = ["read"]
objects = ["path", "inode"]
"#;

const TEMPLATE: &str = "{% for rule in rules %}\ndeny {{ rule.path }}\n{% endfor %}\n";

fn read(adapter: &str, template: &str) -> Result<Declared, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("adapter.toml"), adapter).unwrap();
    fs::write(folder.path().join("policy.j2"), template).unwrap();
    let place = folder.path().display().to_string();
    Declared::read(folder.path()).map_err(|error| error.to_string().replace(&place, "mine"))
}

fn scenario(text: &str) -> Scenario {
    let text = format!("id = \"x\"\ntitle = \"t\"\n{text}");
    scenarios::catalogue::parse(Path::new("x.toml"), &text).unwrap()
}

const RULE: &str = "[[rule]]\nid = \"a\"\nfile = { path = \"/a\", operations = [\"read\"] }\n";
const START: &str = "[[step]]\ndo = \"start\"\nmode = \"enforce\"\n";
const DENIED: &str = "[[step]]\ndo = \"probe\"\nprobe = { open = { path = \"/a\" } }\nexpect = { denied = \"EPERM\" }\n";
const EVENT: &str = "[[step]]\ndo = \"event\"\nmatches = { type = \"denial\", rule = \"a\", operation = \"read\" }\n";

#[test]
fn a_mistake_is_refused_with_file_line_and_field() {
    let check = |from: &str, to: &str| {
        assert!(ADAPTER.contains(from));
        read(&ADAPTER.replace(from, to), TEMPLATE).unwrap_err()
    };
    insta::assert_snapshot!(check("ready = \"up\"", "raedy = \"up\""), @r#"
    mine/adapter.toml is not an adapter:
    TOML parse error at line 10, column 1
       |
    10 | raedy = "up"
       | ^^^^^
    unknown field `raedy`, expected one of `command`, `ready`, `stop`
    "#);
    insta::assert_snapshot!(check("\"mine\"", "\"My Agent\""), @"mine/adapter.toml:1: `name` must be of lower case letters, digits and hyphens");
    insta::assert_snapshot!(check("\"mine\"", "\"null\""), @"mine/adapter.toml:1: `name` is that of an agent of the project");
    insta::assert_snapshot!(check("\"/etc/mine\"", "\"etc/../mine\""), @"mine/adapter.toml:5: `policy.path` must be an absolute path without `..`");
    insta::assert_snapshot!(check("policy.j2", "policy.txt"), @r#"mine/adapter.toml:6: `policy.template` names "policy.txt", which is no file in mine"#);
    insta::assert_snapshot!(check("errno = [\"EACCES\"]", "errno = []"), @"mine/adapter.toml:1: `denial` is missing: say with which errno it denies");
    insta::assert_snapshot!(check("[policy]", "[guest]\nsuite = \"trixie\"\npackages = [\"a\"]\n[policy]"), @"mine/adapter.lock: has no package a; run `cargo xtask adapter update mine`");
    insta::assert_snapshot!(check("modes = [\"enforce\"]", "modes = [\"enforcing\"]"), @r#"
    mine/adapter.toml is not an adapter:
    TOML parse error at line 16, column 10
       |
    16 | modes = ["enforcing"]
       |          ^^^^^^^^^^^
    unknown variant `enforcing`, expected `enforce` or `audit`
    "#);
}

#[test]
fn a_mistake_in_a_template_is_refused_with_file_and_line() {
    let check = |template: &str| read(ADAPTER, template).unwrap_err();
    insta::assert_snapshot!(check("\n{% for rule in rules %}{{ rule.pth }}{% endfor %}"), @"mine/policy.j2:2: `rule.pth` is undefined");
    insta::assert_snapshot!(check("\n\n{% for rule in rules %}"), @"mine/policy.j2:3: unexpected end of input, expected end of block");
}

#[test]
fn a_template_writes_the_rules_and_leaves_blank_what_only_the_guest_knows() {
    let template =
        "{% for rule in rules %}\n{{ rule.id }} {{ rule.path }} {{ rule.inode }}\n{% endfor %}\n";
    let adapter = read(ADAPTER, template).unwrap();
    let scenario = scenario(&format!(
        "[[rule]]\nid = \"b\"\nfile = {{ inode-of = \"/b\", operations = [\"read\"] }}\n{START}{DENIED}"
    ));
    let policy = adapter.policy(&Rules {
        rules: scenario.rules.iter().collect(),
        never_deny: &[],
    });
    assert_eq!(policy.content, "b /b <inode of /b>\n");
    assert_eq!(policy.blanks.len(), 1, "the device is not asked for");
}

#[test]
fn what_it_does_not_name_is_not_expressible() {
    let adapter = read(ADAPTER, TEMPLATE).unwrap();
    let check = |text: &str, expected: Option<Ability>| {
        assert_eq!(lacking(&scenario(text), &adapter), expected, "{text}");
    };
    check(&format!("{RULE}{START}{DENIED}"), None);
    check(
        &format!("{}{START}{DENIED}", RULE.replace("path =", "subtree =")),
        Some(Ability::Object(ObjectKind::Subtree)),
    );
    check(
        &format!("{RULE}{}{DENIED}", START.replace("enforce", "audit")),
        Some(Ability::AuditMode),
    );
    // Where nothing is left that it could fail, nothing is tried.
    let allowed = DENIED.replace("{ denied = \"EPERM\" }", "\"allowed\"");
    check(
        &format!("{RULE}{START}{allowed}{EVENT}"),
        Some(Ability::Events),
    );
    check(&format!("{RULE}{START}{DENIED}{EVENT}"), None);
}

#[test]
fn its_denials_have_its_errno_and_what_it_does_not_say_is_left_out() {
    let adapter = read(ADAPTER, TEMPLATE).unwrap();
    let scenario = scenario(&format!("{RULE}{START}{DENIED}{EVENT}"));
    let program = expand(&scenario, &adapter).unwrap();
    let of_steps: Vec<_> = program
        .actions
        .iter()
        .filter(|planned| planned.phase == Phase::Steps)
        .filter_map(|planned| match &planned.expectation {
            Expectation::Verdict(expect) => Some(serde_json::to_value(expect).unwrap()),
            _ => None,
        })
        .collect();
    assert_eq!(of_steps, [json!({"denied": "EACCES"})]);
    let left_out: Vec<String> = program.left_out.iter().map(ToString::to_string).collect();
    assert_eq!(left_out, ["step 3: events"]);
}

#[test]
fn of_an_event_it_is_asked_what_it_can_say() {
    let says = "[events]\ncontains = [\"x\"]\nsays = { type = \"denial\", verdict = \"denied\" }\n";
    let adapter = read(&format!("{ADAPTER}{says}"), TEMPLATE).unwrap();
    let asked = json!({"type": "denial", "verdict": "denied", "rule": "a"});
    let (told, untold) = adapter.tells(&asked).unwrap();
    assert_eq!(told, json!({"type": "denial", "verdict": "denied"}));
    assert_eq!(untold, ["rule"]);
    // Any line would do for this.
    assert_eq!(adapter.tells(&json!({"type": "denial", "rule": "a"})), None);
}

#[test]
fn the_adapters_of_the_project_and_of_the_documents_can_be_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut read = 0;
    for entry in fs::read_dir(root.join("adapters")).unwrap() {
        let folder = entry.unwrap().path();
        let adapter = Declared::read(&folder).unwrap();
        assert_eq!(folder.file_name().unwrap(), adapter.name());
        read += 1;
    }
    assert!(read >= 4, "{read}");
    let example = Declared::read(&root.join("docs/examples/adapter")).unwrap();
    assert_eq!(example.role(), Role::Judged);
}

#[test]
fn the_page_about_adapters_shows_the_example_as_it_is() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let page = fs::read_to_string(docs.join("adapters.md")).unwrap();
    for name in ["adapter.toml", "policy.j2"] {
        let file = fs::read_to_string(docs.join("examples/adapter").join(name)).unwrap();
        assert!(page.contains(&file), "{name} is not in docs/adapters.md");
    }
}

#[test]
fn the_published_schema_is_that_of_an_adapter() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/adapter.schema.json");
    let current = serde_json::to_value(schema()).unwrap();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, format!("{current:#}\n")).unwrap();
    }
    let published: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(
        published, current,
        "run this test once with UPDATE_SCHEMA=1"
    );
    let validator = jsonschema::validator_for(&published).unwrap();
    let mut adapter: serde_json::Value = toml::from_str(ADAPTER).unwrap();
    assert!(validator.is_valid(&adapter), "{adapter:#}");
    adapter["unknown"] = json!(1);
    assert!(!validator.is_valid(&adapter));
}
