//! A second opinion: the official schema of CycloneDX, as Python's
//! cyclonedx-python-lib has it, accepts what `cargo xtask sbom` prints and
//! refuses what was spoilt. Downloads it with pip into a folder below the target
//! folder, so it runs only when it is asked for:
//!
//! ```text
//! cargo test -p evidence --test cyclonedx -- --ignored
//! ```

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const PACKAGE: &str = "cyclonedx-python-lib[json-validation]";

const CHECK: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read())
sys.exit(str(error) if error else 0)
";

fn done(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A Python that has the package.
fn python() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cyclonedx");
    let python = home.join("bin/python");
    let mut probe = Command::new(&python);
    let has = probe.args(["-c", "import cyclonedx, jsonschema"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        done(Command::new("python3").args(["-m", "venv"]).arg(&home));
        done(Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]));
    }
    python
}

fn is_valid(python: &Path, text: &str) -> Result<(), String> {
    let mut command = Command::new(python);
    let command = command
        .args(["-c", CHECK])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(said)
    }
}

#[test]
#[ignore = "downloads with pip: see the file"]
fn the_official_schema_takes_what_the_agent_is_made_of_and_not_what_is_spoilt() {
    let python = python();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let text =
        done(Command::new(cargo).args(["run", "--quiet", "--package", "xtask", "--", "sbom"]));
    assert_eq!(is_valid(&python, &text), Ok(()));
    for (from, to) in [
        ("\"CycloneDX\"", "\"Another\""),
        ("\"SHA-256\"", "\"SHA-0\""),
        ("\"type\": \"library\"", "\"type\": \"thing\""),
        ("\"bom-ref\"", "\"bom-reference\""),
    ] {
        assert!(text.contains(from), "{from}");
        let told = is_valid(&python, &text.replacen(from, to, 1));
        assert!(told.is_err(), "{to} was taken");
    }
}
