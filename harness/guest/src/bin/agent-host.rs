//! `agent-host run JSON` runs an agent by its own commands and says on
//! standard output what the proving ground listens for; `agent-host undo JSON`
//! runs the commands that end its enforcement.

use std::process::ExitCode;

use anyhow::Context as _;
use harness_guest::agent_host;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agent-host: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["run", json] => {
            let hosted = serde_json::from_str(json).context("the argument of run")?;
            Ok(agent_host::run(&hosted)?)
        }
        ["undo", json] => {
            let commands: Vec<Vec<String>> =
                serde_json::from_str(json).context("the argument of undo")?;
            Ok(agent_host::run_all(&commands)?)
        }
        _ => anyhow::bail!("usage: agent-host run JSON | undo JSON"),
    }
}
