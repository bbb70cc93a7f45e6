//! `probe run JSON` does one thing and prints the kernel's verdict;
//! `probe hold JSON` opens a file and uses it when it is told to; `probe storm
//! JSON` opens one without pause; `probe serve JSON` does what it is told, line by line;
//! `probe noop` proves by its exit status that it was executed, whatever follows: a script
//! whose interpreter it is has more to say.

use std::process::ExitCode;

use harness_guest::probe;
use harness_proto::NOOP_EXIT_STATUS;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["noop", ..] => ExitCode::from(u8::try_from(NOOP_EXIT_STATUS).unwrap_or(u8::MAX)),
        ["run", task] => done(serde_json::from_str(task).map(|task| probe::run(&task))),
        ["storm", opener] => match serde_json::from_str(opener).map(|it| probe::storm(&it)) {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(error)) => fail(&error.to_string()),
            Err(error) => fail(&error.to_string()),
        },
        ["hold", task] => done(serde_json::from_str(task).map(|task| probe::hold(&task))),
        ["serve", run_as] => done(serde_json::from_str(run_as).map(|it| probe::serve(&it))),
        _ => fail("usage: probe noop | probe run|hold|storm|serve JSON"),
    }
}

fn done(result: serde_json::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("probe: {message}");
    ExitCode::from(2)
}
