//! `workload count PLAN` counts what the plan (JSON) says and prints the counts
//! as JSON; `workload populate N M` makes the files that N rules speak of, M of
//! which are beside what is counted; `workload meter COMMAND` prints what a
//! command takes; `workload footprint EXECUTABLE` prints what the kernel holds for
//! an agent.

use std::path::Path;
use std::process::ExitCode;

use harness_guest::{footprint, workload};

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
        ["populate", rules, siblings] => Ok(workload::populate(rules.parse()?, siblings.parse()?)?),
        ["meter", program, ref arguments @ ..] => {
            let metered = workload::meter::meter(program, arguments)?;
            println!("{}", serde_json::to_string(&metered)?);
            Ok(())
        }
        ["footprint", executable] => {
            let footprint = footprint::of(Path::new(executable))?;
            println!("{}", serde_json::to_string(&footprint)?);
            Ok(())
        }
        _ => anyhow::bail!(
            "usage: workload count PLAN | populate N M | meter COMMAND | footprint EXECUTABLE"
        ),
    }
}
