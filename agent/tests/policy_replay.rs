//! `simulate` and `explain`, on files and events of this machine.

use std::{
    env, fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Command, Output},
};

use aegisbpf::replay::{explain::Explanation, simulate::Simulation};
use schemars::schema_for;
use serde_json::{Value, json};

fn policy(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aegisbpf"))
        .arg("policy")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the agent was built")
}

fn said(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn published(name: &str, schema: &schemars::Schema, answer: &Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/schema/{name}"));
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(found, text, "run this test once with UPDATE_SCHEMA=1");
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let problems: Vec<String> = validator
        .iter_errors(answer)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(problems, [""; 0], "{answer}");
}

fn event(file: &Path, operation: &str, rule: &str, uid: u32) -> String {
    let found = fs::metadata(file).unwrap();
    let (major, minor) = (
        rustix::fs::major(found.dev()),
        rustix::fs::minor(found.dev()),
    );
    json!({
        "type": "denial", "ring": "denials", "seq": 1, "lost_before": 0, "time_unix_ns": 1,
        "domain": "file", "operation": operation, "rule": rule, "verdict": "would-deny",
        "mode": "audit", "pid": 7, "tid": 7, "uid": uid, "gid": 0, "cgroup": 1, "command": "cat",
        "generation": 1,
        "file": {
            "name": file.file_name().unwrap().to_str().unwrap(),
            "inode": found.ino(), "device": format!("{major}:{minor}"),
        },
    })
    .to_string()
}

#[test]
fn a_recorded_event_is_held_against_another_policy() {
    let folder = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(folder.path()).unwrap();
    let path = |name: &str| root.join(name);
    fs::create_dir(path("tree")).unwrap();
    for name in ["secret", "other", "tree/deep"] {
        fs::write(path(name), name).unwrap();
    }
    let shown = |name: &str| path(name).display().to_string();
    let old = format!(
        "version: 1\nrules:\n  - id: a\n    file: {{ path: {}, operations: [read] }}\n  - id: b\n    \
         file: {{ path: {} }}\n  - id: c\n    file: {{ subtree: {} }}\n",
        shown("secret"),
        shown("other"),
        shown("tree"),
    );
    let new = format!(
        "version: 1\nrules:\n  - id: a\n    file: {{ path: {}, operations: [read] }}\n    \
         except: [{{ uid: 7 }}]\n  - id: c\n    action: kill\n    file: {{ subtree: {} }}\n    \
         scope: [{{ uid: 0 }}, {{ program: /usr/bin/env }}]\n",
        shown("secret"),
        shown("tree"),
    );
    fs::write(path("old"), old).unwrap();
    fs::write(path("new"), new).unwrap();
    let events = [
        event(&path("secret"), "read", "a", 0),
        event(&path("secret"), "read", "a", 7),
        event(&path("other"), "read", "b", 0),
        event(&path("tree/deep"), "write", "c", 0),
        event(&path("tree/deep"), "write", "c", 9),
        r#"{"type":"ready"}"#.to_owned(),
        "no record".to_owned(),
    ];
    fs::write(path("events"), events.join("\n")).unwrap();
    let simulate = ["simulate", "new", "events", "--recorded", "old", "--json"];
    let answer = said(&policy(&root, &simulate));
    published(
        "policy-simulate.schema.json",
        &schema_for!(Simulation),
        &answer,
    );
    let counts = [
        "events",
        "changed",
        "undecidable",
        "unchanged",
        "other_records",
        "unreadable",
    ];
    assert_eq!(
        counts.map(|name| answer[name].as_u64().unwrap()),
        [5, 2, 1, 2, 1, 1]
    );
    let changed: Vec<u64> = answer["outcomes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|outcome| outcome["outcome"] == "changed")
        .map(|outcome| outcome["line"].as_u64().unwrap())
        .collect();
    assert_eq!(changed, [2, 3]);
    assert!(
        answer["outcomes"]
            .to_string()
            .contains(r#""missing":["program"]"#),
        "{answer}"
    );

    // Without the old policy nobody knows where a file is that the new one
    // does not name.
    let unknown = ["simulate", "new", "events", "--recorded", "new", "--json"];
    assert_eq!(said(&policy(&root, &unknown))["undecidable"], 2);
}

#[test]
fn the_rule_that_was_recorded_tells_which_programs_it_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(folder.path()).unwrap();
    fs::write(root.join("secret"), "x").unwrap();
    let text = format!(
        "version: 1\nnever-deny: [/usr/bin/env]\nrules:\n  - id: a\n    file: {{ path: {} }}\n    \
         except: [{{ program: /bin/sh }}]\n",
        root.join("secret").display()
    );
    fs::write(root.join("p"), text).unwrap();
    fs::write(
        root.join("events"),
        event(&root.join("secret"), "read", "a", 0),
    )
    .unwrap();
    fs::write(root.join("empty"), "version: 1\nrules: []\n").unwrap();
    let count = |recorded: &str, count: &str| {
        let simulate = ["simulate", "p", "events", "--recorded", recorded, "--json"];
        assert_eq!(said(&policy(&root, &simulate))[count], 1, "{recorded}");
    };
    count("p", "unchanged");
    count("empty", "undecidable");
    // Elsewhere, where the inode is another one, the rule tells the path.
    let elsewhere = fs::read_to_string(root.join("events")).unwrap();
    let elsewhere = elsewhere.replace("\"device\":\"", "\"device\":\"9");
    fs::write(root.join("events"), elsewhere).unwrap();
    count("p", "unchanged");
    count("empty", "undecidable");
}

#[test]
fn an_operation_is_explained_and_a_senseless_question_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(folder.path()).unwrap();
    fs::write(root.join("secret"), "x").unwrap();
    let text = format!(
        "version: 1\nrules:\n  - id: a\n    file: {{ subtree: {} }}\n    except: [{{ uid: 7 }}]\n  \
         - id: web\n    network: {{ address: 10.0.0.0/8, ports: 80 }}\n  \
         - id: modules\n    kernel: {{ operations: [module-load] }}\n",
        root.display()
    );
    fs::write(root.join("p"), text).unwrap();
    let ask = |arguments: &[&str]| {
        let ask = ["explain", "--policy", "p", "--json"];
        policy(&root, &[&ask, arguments].concat())
    };
    let check = |arguments: &[&str], verdict: &str, rule: Value| {
        let answer = said(&ask(arguments));
        published(
            "policy-explain.schema.json",
            &schema_for!(Explanation),
            &answer,
        );
        assert_eq!(answer["decided"]["verdict"], verdict, "{answer}");
        assert_eq!(answer["decided"]["rule"], rule, "{answer}");
    };
    let read = ["--operation", "read", "--path", "secret"];
    check(&[&read[..], &["--uid", "8"]].concat(), "denied", json!("a"));
    check(
        &[&read[..], &["--uid", "7"]].concat(),
        "allowed",
        Value::Null,
    );
    assert_eq!(said(&ask(&read))["missing"], json!(["uid"]));
    let connect = ["--operation", "connect", "--peer"];
    check(
        &[&connect[..], &["10.1.1.1:80"]].concat(),
        "denied",
        json!("web"),
    );
    check(
        &[&connect[..], &["10.1.1.1:81"]].concat(),
        "allowed",
        Value::Null,
    );
    check(&["--operation", "module-load"], "denied", json!("modules"));
    check(
        &["--event", &event(&root.join("secret"), "read", "a", 8)],
        "denied",
        json!("a"),
    );
    for senseless in [
        &["--operation", "reed", "--path", "secret"][..],
        &["--operation", "connect"],
        &["--operation", "read"],
        &["--event", "{}"],
        &[],
    ] {
        assert_eq!(ask(senseless).status.code(), Some(2), "{senseless:?}");
    }
}
