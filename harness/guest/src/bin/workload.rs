//! `workload count PLAN` counts what the plan (JSON) says and prints the counts
//! as JSON; `workload populate N` makes the files that N rules speak of.

use std::process::ExitCode;

use harness_guest::workload;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("workload: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> anyhow::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["count", plan] => {
            let counts = workload::count(&serde_json::from_str(plan)?)?;
            println!("{}", serde_json::to_string(&counts)?);
            Ok(())
        }
        ["populate", rules] => Ok(workload::populate(rules.parse()?)?),
        _ => anyhow::bail!("usage: workload count PLAN | populate N"),
    }
}
