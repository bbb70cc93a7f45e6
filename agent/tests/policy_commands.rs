//! The commands that need no daemon and change nothing on the host.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const POLICY: &str = "version: 1\nrules:\n  - id: a # why\n    file: { path: /etc/shadow }\n";

fn policy(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aegisbpf"))
        .arg("policy")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the agent was built")
}

fn status(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn lint_says_what_is_wrong_and_its_status_says_how_bad() {
    let folder = tempfile::tempdir().unwrap();
    let check = |content: &str, expected: i32, part: &str| {
        fs::write(folder.path().join("p"), content).unwrap();
        let output = policy(folder.path(), &["lint", "p"]);
        let said = [text(&output.stdout), text(&output.stderr)].concat();
        assert_eq!(status(&output), expected, "{said}");
        assert!(said.contains(part), "{said}");
    };
    check(POLICY, 0, "1 rules");
    check(
        &format!("never-deny: [/bin/sh]\n{POLICY}"),
        0,
        "warning: `never-deny`",
    );
    check(
        &POLICY.replace("/etc/shadow", "/usr/bin/env/../sh"),
        4,
        "line 4 column 19",
    );
    check(
        &POLICY.replace("path: /etc/shadow", "subtree: /usr"),
        4,
        "p would be refused",
    );
    check(&POLICY.replace("file:", "fiel:"), 4, "did you mean `file`");
    assert_eq!(status(&policy(folder.path(), &["lint", "missing"])), 1);
    assert_eq!(status(&policy(folder.path(), &["lint"])), 2);
}

#[test]
fn a_policy_is_signed_here_or_elsewhere_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::write(file("p"), POLICY).unwrap();
    let made = policy(folder.path(), &["keygen", "key", "--json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let (public, id) = (
        made["public"].as_str().unwrap(),
        made["id"].as_str().unwrap(),
    );
    let trust = format!(
        "[[key]]\nname = \"ops\"\npublic = \"{public}\"\n\
         not-before = 2020-01-01T00:00:00Z\nexpires = 9999-01-01T00:00:00Z\n"
    );
    fs::write(file("trust"), trust).unwrap();
    let about = [
        "p",
        "--name",
        "production",
        "--counter",
        "7",
        "--expires",
        "1h",
    ];
    let verified = || {
        let output = policy(folder.path(), &["verify", "p", "--trust", "trust"]);
        (
            status(&output),
            text(&output.stdout).to_owned() + text(&output.stderr),
        )
    };
    assert_eq!(verified().0, 4);

    let here = policy(
        folder.path(),
        &[&["sign", "--key", "key"], &about[..]].concat(),
    );
    assert_eq!(status(&here), 0, "{}", text(&here.stderr));
    let (code, said) = verified();
    assert!(
        code == 0 && said.contains("signed by \"ops\" for \"production\" with counter 7"),
        "{said}"
    );

    // What a key management service would do with the printed bytes.
    let statement = policy(
        folder.path(),
        &[&["statement", "--key", id], &about[..]].concat(),
    );
    fs::write(file("statement"), &statement.stdout).unwrap();
    let seed = fs::read_to_string(file("key")).unwrap();
    let seed = aegisbpf::hex::decode::<32>(seed.trim_end()).unwrap();
    let key = ed25519_dalek::SigningKey::from_bytes(&seed);
    let signature = ed25519_dalek::Signer::sign(&key, &statement.stdout).to_bytes();
    fs::write(file("signature"), signature).unwrap();
    fs::remove_file(file("p.sig")).unwrap();
    let attach = [
        "attach",
        "p",
        "--statement",
        "statement",
        "--signature",
        "signature",
    ];
    let attached = policy(folder.path(), &attach);
    assert_eq!(status(&attached), 0, "{}", text(&attached.stderr));
    assert_eq!(verified().0, 0);

    fs::write(file("p"), POLICY.replace("why", "who")).unwrap();
    let (code, said) = verified();
    assert!(code == 4 && said.contains("another text"), "{said}");
}
