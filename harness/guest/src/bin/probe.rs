//! `probe run JSON` does one thing and prints the kernel's verdict;
//! `probe hold JSON` opens a file and uses it when it is told to; `probe storm
//! JSON` opens one without pause; `probe load JSON` does many things in
//! rounds; `probe serve JSON` does what it is told, line by line; `probe eat`
//! and `probe spin` take memory and a processor from others; `probe noop`
//! proves by its exit status that it was executed, whatever follows: a script
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
        ["load", load] => match serde_json::from_str(load) {
            Ok(load) => tried(probe::load(&load)),
            Err(error) => fail(&error.to_string()),
        },
        ["eat", members, bytes] => match bytes.parse() {
            Ok(bytes) => tried(probe::eat(members, bytes)),
            Err(_) => fail("eat how many bytes?"),
        },
        ["spin"] => tried(probe::spin().map(|never| match never {})),
        ["hold", task] => done(serde_json::from_str(task).map(|task| probe::hold(&task))),
        ["serve", run_as] => done(serde_json::from_str(run_as).map(|it| probe::serve(&it))),
        _ => fail(
            "usage: probe noop | probe run|hold|storm|load|serve JSON | probe eat FILE BYTES | probe spin",
        ),
    }
}

fn done(result: serde_json::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn tried(result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("probe: {message}");
    ExitCode::from(2)
}
