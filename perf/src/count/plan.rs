//! How often each operation is done.

use harness_proto::count::{Calibration, CountPlan, Operation, Planned};

/// Windows of some 200,000 instructions: a timer interrupt comes every four
/// million, so nineteen windows of twenty have none in them.
const WINDOWS: u32 = 41;
/// For operations that take now and then what others have saved up (pages for
/// new objects, objects to be freed): a window each, so that the median is an
/// operation without it.
const SINGLE_WINDOWS: u32 = 201;
/// For operations of a quarter of a million instructions.
const LARGE_WINDOWS: u32 = 81;

/// Count these operations, in so many rounds; the first is dropped later.
pub fn plan(operations: &[Operation], rounds: u32) -> CountPlan {
    CountPlan {
        rounds,
        calibration: Calibration {
            passes: 100_000,
            windows: WINDOWS,
        },
        operations: operations.iter().copied().map(planned).collect(),
    }
}

fn planned(operation: Operation) -> Planned {
    let (times, windows) = match operation {
        Operation::Getppid => (600, WINDOWS),
        Operation::OpenClose => (30, WINDOWS),
        Operation::Stat => (50, WINDOWS),
        Operation::Pread => (40, WINDOWS),
        Operation::UdpConnect => (100, WINDOWS),
        Operation::UdpSend => (32, WINDOWS),
        Operation::Exec | Operation::Fork => (1, LARGE_WINDOWS),
        Operation::CreateUnlink => (1, SINGLE_WINDOWS),
        // There and back: the names may differ in cost.
        Operation::Rename => (2, SINGLE_WINDOWS),
    };
    Planned {
        operation,
        times,
        windows,
    }
}
