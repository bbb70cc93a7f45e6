//! One action after another, as they are asked for.

use std::io::BufRead as _;

use harness_proto::{Probe, RunAs};

use super::{broken, perform, say, subject};

/// Become somebody; then for each line of standard input do the actions that it
/// lists, and say of each how it went, until there are no more lines.
pub fn serve(run_as: &RunAs) {
    if let Err(message) = subject::become_subject(run_as) {
        return say(&broken(&message));
    }
    for line in std::io::stdin().lock().lines() {
        let probes: Result<Vec<Probe>, String> = line
            .map_err(|error| error.to_string())
            .and_then(|line| serde_json::from_str(&line).map_err(|error| error.to_string()));
        match probes {
            Ok(probes) => probes.iter().for_each(|probe| say(&perform(probe))),
            Err(error) => return say(&broken(&format!("read what to do: {error}"))),
        }
    }
}
