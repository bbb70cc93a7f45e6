//! Standard output: what a task was asked for. Everything else is said on
//! standard error.

use std::io::{self, ErrorKind};

use anyhow::{Result, anyhow};
use serde::Serialize;

use crate::exit_code::{ExitCode, OrExit as _};

/// Prints a text as it is.
pub fn print(text: &str) -> Result<()> {
    print_to(&mut io::stdout().lock(), text)
        .map_err(|error| {
            if harness::room::is_lacking(&error) {
                anyhow!("no room for standard output ({error}): free some space where it goes")
            } else {
                anyhow!("cannot write to standard output: {error}")
            }
        })
        .or_exit(ExitCode::Infrastructure)
}

/// Prints a value as JSON.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

fn print_to(out: &mut impl io::Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads it has seen enough, as `head` has.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::print_to;
    use std::{fs::File, io};

    #[test]
    fn a_reader_who_has_seen_enough_is_no_error_but_a_full_disk_is() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        assert!(print_to(&mut writer, "x").is_ok());
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        assert!(print_to(&mut full, "x").is_err());
    }
}
