//! What a whole command takes, with everything that it makes others do.

use std::io;
use std::process::{Command, Stdio};

use harness_proto::count::Metered;

use super::counter;

/// Run a command to its end. What it says goes to standard error.
pub fn meter(program: &str, arguments: &[&str]) -> io::Result<Metered> {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null());
    let before = counter::read();
    let status = command.status()?;
    let instructions = counter::read() - before;
    if !status.success() {
        return Err(io::Error::other(format!("{program} ended with {status}")));
    }
    Ok(Metered { instructions })
}
