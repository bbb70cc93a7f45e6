//! The work of the `workload` executable: does operations again and again and
//! reads the machine's counter around them.
//!
//! | module | holds |
//! | --- | --- |
//! | `counter` | the counter, and a loop of known length |
//! | `operations` | what is counted |
//! | `children` | operations that make processes |
//!
//! It is an executable of its own, never the runner: what PID 1 does
//! meanwhile is what any other process does.

mod children;
mod counter;
mod operations;

use std::path::Path;

use harness_proto::count::{CountPlan, Counted, Counts, rule_file};

use crate::attempt::AttemptError;
use crate::files;
use operations::Work;

pub use children::do_nothing;

/// Make the files that the rules of these numbers speak of.
pub fn populate(rules: u32) -> Result<(), AttemptError> {
    for number in 0..rules {
        files::write_file(Path::new(&rule_file(number)), "", 0o644)?;
    }
    Ok(())
}

/// Count everything in each round before the next one starts: what changes
/// with time then shows as spread, not as a difference between operations.
pub fn count(plan: &CountPlan) -> Result<Counts, AttemptError> {
    let mut work = Work::prepare()?;
    let mut counts = Counts {
        loop_rounds: Vec::new(),
        operations: plan
            .operations
            .iter()
            .map(|planned| Counted {
                operation: planned.operation,
                times: planned.times,
                rounds: Vec::new(),
            })
            .collect(),
    };
    for _ in 0..plan.rounds {
        counts.loop_rounds.push(counter::count_loop(plan.loop_passes));
        for counted in &mut counts.operations {
            let round = work.count(counted.operation, counted.times)?;
            counted.rounds.push(round);
        }
    }
    Ok(counts)
}
