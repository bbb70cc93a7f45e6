//! The cells as test cases, so that cargo's lists and filters work on them:
//!
//! ```text
//! cargo test -p xtask --test cells -- --list
//! cargo test -p xtask --test cells -- --ignored 6.12/bpf-lsm/open
//! ```
//!
//! Two more are about adapters of other agents: the example of the documents
//! must pass, and one that lies must not.
//!
//! All are ignored unless asked for: each boots a virtual machine. A cell that
//! the plan skips is no test case, so that it cannot look passed.

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// The task under test: it plans, runs and judges.
const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each cell's machine takes a processor or two for itself.
    arguments.test_threads.get_or_insert(1);
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn trials() -> Result<Vec<Trial>, String> {
    let plan = output(&["e2e", "--tier", "nightly", "--list", "--json"])?;
    let plan: Value =
        serde_json::from_str(&plan).map_err(|error| format!("the plan is no JSON: {error}"))?;
    let cells = plan["cells"].as_array().ok_or("the plan has no cells")?;
    let trials: Vec<Trial> = cells
        .iter()
        .filter(|cell| cell["decision"] != "skip")
        .map(|cell| {
            let field = |name: &str| cell[name].as_str().unwrap_or_default().to_owned();
            let (kernel, boot_mode) = (field("kernel"), field("boot_mode"));
            let (scenario, agent) = (field("scenario"), field("agent"));
            let name = format!("{kernel}/{boot_mode}/{scenario}/{agent}");
            Trial::test(name, move || run(&kernel, &boot_mode, &scenario)).with_ignored_flag(true)
        })
        .collect();
    if trials.is_empty() {
        return Err("the plan runs no cell".into());
    }
    let adapters = [
        Trial::test("adapter/example-denies", || {
            Ok(adapter("docs/examples/adapter").map(drop)?)
        }),
        Trial::test("adapter/liar-is-found-out", || {
            match adapter("xtask/tests/adapters/liar") {
                Err(said) if said.contains("not-denied") => Ok(()),
                Err(said) => Err(format!("it failed for something else: {said}").into()),
                Ok(_) => Err("an agent that loads nothing has passed".into()),
            }
        }),
    ];
    let adapters = adapters.map(|trial| trial.with_ignored_flag(true));
    Ok(trials.into_iter().chain(adapters).collect())
}

/// A file is denied by the agent of this adapter.
fn adapter(folder: &str) -> Result<String, String> {
    let folder = format!("{}/../{folder}", env!("CARGO_MANIFEST_DIR"));
    output(&[
        "e2e",
        "--agent",
        &folder,
        "--kernel",
        "6.12",
        "--boot-mode",
        "bpf-lsm",
        "--scenario",
        "open-denied",
        "--scenario",
        "exec-denied",
    ])
}

fn run(kernel: &str, boot_mode: &str, scenario: &str) -> Result<(), Failed> {
    output(&[
        "e2e",
        "--tier",
        "nightly",
        "--kernel",
        kernel,
        "--boot-mode",
        boot_mode,
        "--scenario",
        scenario,
    ])
    .map(drop)
    .map_err(Failed::from)
}

/// What the task prints; what it says on standard error if it fails.
fn output(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(XTASK)
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot run {XTASK}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "cargo xtask {} ended with {}\n{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    ))
}
