//! The work of the `workload` executable: does operations again and again and
//! reads the machine's counter around them.
//!
//! | module | holds |
//! | --- | --- |
//! | `counter` | the counter, and a loop of known length |
//! | `quiet` | waiting until nothing else runs |
//! | `operations` | what is counted |
//! | `children` | operations that make processes |
//! | `program` | the smallest program there is, to be executed |
//!
//! It is an executable of its own, never the runner: what PID 1 does
//! meanwhile is what any other process does.

mod children;
mod counter;
mod operations;
mod program;
mod quiet;

use std::path::Path;

use harness_proto::count::{Calibration, CountPlan, Counted, Counts, Round, rule_file};
use thiserror::Error;

use crate::attempt::AttemptError;
use crate::files;
use operations::Work;

/// Why nothing could be counted.
#[derive(Debug, Error)]
pub enum WorkloadError {
    /// An operation, or what it needs.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// The processor is shared with something that does not end.
    #[error(
        "something else keeps the processor busy: a loop of {expected} instructions takes {found}"
    )]
    Busy {
        /// The loop's length.
        expected: u64,
        /// The counter over it, the last time.
        found: u64,
    },
}

/// Make the files that the operations need, and those that the rules of these
/// numbers speak of. Once for all that is counted: two files with the same
/// content are not the same to the kernel's caches.
pub fn populate(rules: u32) -> Result<(), AttemptError> {
    operations::make_files()?;
    for number in 0..rules {
        files::write_file(Path::new(&rule_file(number)), "", 0o644)?;
    }
    Ok(())
}

/// Count everything in each round before the next one starts: what changes
/// with time then shows as spread, not as a difference between operations.
pub fn count(plan: &CountPlan) -> Result<Counts, WorkloadError> {
    let mut work = Work::open()?;
    quiet::await_quiet()?;
    let mut counts = Counts {
        loop_rounds: Vec::new(),
        operations: plan
            .operations
            .iter()
            .map(|planned| Counted {
                operation: planned.operation,
                rounds: Vec::new(),
            })
            .collect(),
    };
    for _ in 0..plan.rounds {
        let Calibration { passes, windows } = plan.calibration;
        let calibrated = round(windows, || Ok(counter::count_loop(passes)))?;
        counts.loop_rounds.push(calibrated);
        for (planned, counted) in plan.operations.iter().zip(&mut counts.operations) {
            let window = || work.count(planned.operation, planned.times);
            counted.rounds.push(round(planned.windows, window)?);
        }
    }
    Ok(counts)
}

/// Count a number of windows.
fn round(
    windows: u32,
    mut window: impl FnMut() -> Result<u64, AttemptError>,
) -> Result<Round, AttemptError> {
    let mut counts = (0..windows.max(1))
        .map(|_| window())
        .collect::<Result<Vec<u64>, _>>()?;
    counts.sort_unstable();
    Ok(Round {
        median: counts[counts.len() / 2],
        total: counts.iter().sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::round;

    #[test]
    fn a_round_has_the_window_in_the_middle_and_the_sum_of_all() {
        let mut counts = [310, 200, 201, 9_000, 202].into_iter();
        let counted = round(5, || Ok(counts.next().unwrap())).unwrap();
        assert_eq!((counted.median, counted.total), (202, 9_913));
    }
}
