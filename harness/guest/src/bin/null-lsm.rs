//! `null-lsm list [FILE]` prints the LSM hooks that have programs, as JSON, and
//! keeps them in a file if told to; `null-lsm attach FILE` attaches programs
//! that do nothing to the hooks in such a file, says so, and holds them until
//! it is killed.

use std::fs;
use std::process::ExitCode;

use harness_guest::null_lsm;
use harness_proto::count::LsmHooks;
use rustix::process::{Resource, Rlimit, setrlimit};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("null-lsm: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => println!("{}", serde_json::to_string(&null_lsm::list()?)?),
        ["list", file] => {
            let text = serde_json::to_string(&null_lsm::list()?)?;
            fs::write(file, &text)?;
            println!("{text}");
        }
        ["attach", file] => {
            // Kernels before 5.11 charge programs to this limit.
            let unlimited = Rlimit {
                current: None,
                maximum: None,
            };
            let wanted: LsmHooks = serde_json::from_slice(&fs::read(file)?)?;
            setrlimit(Resource::Memlock, unlimited)?;
            let links = null_lsm::attach(&wanted.hooks)?;
            println!("{{\"type\":\"ready\",\"links\":{}}}", links.len());
            // Until the signal that ends it: nothing else wakes it, so it
            // takes no part in what is counted.
            loop {
                std::thread::park();
            }
        }
        _ => anyhow::bail!("usage: null-lsm list [FILE] | attach FILE"),
    }
    Ok(())
}
