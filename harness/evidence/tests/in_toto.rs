//! A second opinion: Python's securesystemslib and in-toto-attestation accept
//! what we write and refuse what was altered. Downloads them with pip into a
//! folder below the target folder, so it runs only when it is asked for:
//!
//! ```text
//! cargo test -p evidence --test in_toto -- --ignored
//! ```

mod fixture;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use evidence::bundle::{Files, folder};
use fixture::{Fixture, key};

const TEXT: &str = include_str!("../../../docs/checklists/agent-release.toml");
const PACKAGES: [&str; 3] = ["securesystemslib[crypto]", "in-toto", "in-toto-attestation"];

fn run(command: &mut Command) -> (bool, String) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// A Python that has the packages.
fn python() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("in-toto");
    let python = home.join("bin/python");
    let has = |python: &Path| {
        python.is_file()
            && run(Command::new(python).args(["-c", "import securesystemslib, in_toto_attestation"])).0
    };
    if !has(&python) {
        let (made, said) = run(Command::new("python3").args(["-m", "venv"]).arg(&home));
        assert!(made, "{said}");
        let pip = ["-m", "pip", "install", "--quiet"];
        let (installed, said) = run(Command::new(&python).args(pip).args(PACKAGES));
        assert!(installed, "{said}");
    }
    python
}

/// Base64 as hexadecimal digits, as securesystemslib has its keys.
fn hex(base64: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(base64)
        .unwrap();
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<_>>().concat()
}

fn keys(seeds: &[u8]) -> serde_json::Value {
    let all = seeds.iter().map(|seed| {
        let public = key(*seed).public();
        (public.id(), hex(&public.to_string()).into())
    });
    serde_json::Value::Object(all.collect())
}

#[test]
#[ignore = "downloads Python packages"]
fn in_totos_own_libraries_accept_the_good_bundle_and_refuse_every_altered_one() {
    let python = python();
    let scratch = tempfile::tempdir().unwrap();
    let trusted = scratch.path().join("keys.json");
    let text = serde_json::json!({ "statement": keys(&[1]), "sign-offs": keys(&[2, 3, 4]) });
    std::fs::write(&trusted, text.to_string()).unwrap();
    let mut number = 0;
    let mut accepted = |files: &Files| {
        number += 1;
        let bundle = scratch.path().join(number.to_string());
        folder::write(&bundle, files).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/in_toto/verify.py");
        run(Command::new(&python)
            .arg(script)
            .args([&bundle, &trusted])
            .arg("2"))
    };
    let good = Fixture::good(TEXT).files();
    let (yes, said) = accepted(&good);
    assert!(yes, "{said}");
    for name in good.keys() {
        let mut dropped = good.clone();
        dropped.remove(name);
        let (yes, said) = accepted(&dropped);
        assert!(
            !yes && said.starts_with("refused"),
            "{name} dropped: {said}"
        );
        let mut altered = good.clone();
        let bytes = altered.get_mut(name).unwrap();
        // A byte in the midst: of a payload, a signature or a content.
        let at = bytes.len() / 2;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let (yes, said) = accepted(&altered);
        assert!(
            !yes && said.starts_with("refused"),
            "{name} altered: {said}"
        );
    }
}
