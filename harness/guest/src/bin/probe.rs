//! `probe run JSON` does one thing and prints the kernel's verdict;
//! `probe noop` proves by its exit status that it was executed.

use std::process::ExitCode;

use harness_guest::probe;
use harness_proto::NOOP_EXIT_STATUS;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["noop"] => ExitCode::from(u8::try_from(NOOP_EXIT_STATUS).unwrap_or(u8::MAX)),
        ["run", probe] => match run(probe) {
            Ok(verdict) => {
                println!("{verdict}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error.to_string()),
        },
        _ => fail("usage: probe noop | probe run JSON"),
    }
}

fn run(probe: &str) -> serde_json::Result<String> {
    serde_json::to_string(&probe::perform(&serde_json::from_str(probe)?))
}

fn fail(message: &str) -> ExitCode {
    eprintln!("probe: {message}");
    ExitCode::from(2)
}
