//! The work of the `workload` executable: does operations again and again and
//! reads the machine's counter around them.
//!
//! | module | holds |
//! | --- | --- |
//! | `counter` | the counter, and a loop of known length |
//! | `quiet` | waiting until nothing else runs |
//! | `operations` | what is counted |
//! | `accepting` | an operation that answers a peer |
//! | `children` | operations that make processes |
//! | `mapping` | an operation that maps memory |
//! | `meter` | what a whole command takes |
//! | `program` | the smallest program there is, to be executed |
//!
//! It is an executable of its own, never the runner: what PID 1 does
//! meanwhile is what any other process does.

mod accepting;
mod children;
mod counter;
mod mapping;
pub mod meter;
mod operations;
mod program;
mod quiet;

use std::fs::File;
use std::path::{Path, PathBuf};

use harness_proto::count::{
    Calibration, CountPlan, Counted, Counts, LOOP_INSTRUCTIONS, PerThousand, Planned, Round,
    rule_file, sibling_file,
};
use thiserror::Error;

use crate::attempt::{Attempt, AttemptError};
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
/// numbers speak of, some of them beside what is measured. Once for all that is
/// counted: two files with the same content are not the same to the kernel's
/// caches.
pub fn populate(rules: u32, siblings: u32) -> Result<(), AttemptError> {
    operations::make_files()?;
    let mut folder = PathBuf::new();
    let of_rules = (0..rules).map(rule_file);
    for file in of_rules.chain((0..siblings).map(sibling_file)) {
        let path = Path::new(&file);
        if path.parent() != Some(&folder) {
            folder = path.parent().map(Path::to_owned).unwrap_or_default();
            files::make_folder(&folder)?;
        }
        // Not flushed: a machine that dies has no use for it.
        File::create(path).attempt(|| format!("make {file}"))?;
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
                refused: 0,
                slowed_by: 0,
            })
            .collect(),
    };
    for (planned, counted) in plan.operations.iter().zip(&mut counts.operations) {
        counted.slowed_by = match planned.slowed_by {
            Some(part) => passes_for(&mut work, planned, part)? * LOOP_INSTRUCTIONS,
            None => 0,
        };
    }
    for _ in 0..plan.rounds {
        let Calibration { passes, windows } = plan.calibration;
        let calibrated = round(windows, MEDIAN, || Ok(counter::count_loop(passes)))?;
        counts.loop_rounds.push(calibrated);
        for (planned, counted) in plan.operations.iter().zip(&mut counts.operations) {
            work.slow_down(counted.slowed_by / LOOP_INSTRUCTIONS);
            let window = || work.count(planned.operation, planned.times);
            let round = round(planned.windows, planned.percentile, window)?;
            counted.rounds.push(round);
            counted.refused += work.take_refused();
        }
    }
    Ok(counts)
}

/// Passes of the loop that are this part of an operation.
fn passes_for(
    work: &mut Work,
    planned: &Planned,
    PerThousand(part): PerThousand,
) -> Result<u64, AttemptError> {
    work.slow_down(0);
    let mut window = || work.count(planned.operation, planned.times);
    // The first warms up.
    window()?;
    let counted = round(planned.windows, planned.percentile, window)?.itself;
    let one = counted / u64::from(planned.times.max(1));
    Ok(one * u64::from(part) / (1000 * LOOP_INSTRUCTIONS))
}

const MEDIAN: u8 = 50;

/// Count a number of windows.
fn round(
    windows: u32,
    percentile: u8,
    mut window: impl FnMut() -> Result<u64, AttemptError>,
) -> Result<Round, AttemptError> {
    let mut counts = (0..windows.max(1))
        .map(|_| window())
        .collect::<Result<Vec<u64>, _>>()?;
    counts.sort_unstable();
    Ok(Round {
        itself: counts[counts.len() * usize::from(percentile.min(99)) / 100],
        total: counts.iter().sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::{MEDIAN, round};

    #[test]
    fn a_round_has_the_window_at_its_percentile_and_the_sum_of_all() {
        let check = |percentile, itself| {
            let mut counts = [310, 200, 201, 9_000, 202].into_iter();
            let counted = round(5, percentile, || Ok(counts.next().unwrap())).unwrap();
            assert_eq!((counted.itself, counted.total), (itself, 9_913));
        };
        check(MEDIAN, 202);
        check(20, 201);
        check(100, 9_000);
    }
}
