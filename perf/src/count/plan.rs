//! How often each operation is done.

use harness_proto::count::{Calibration, CountPlan, Operation, PerThousand, Planned};

/// Windows of some 200,000 instructions: a timer interrupt comes every four
/// million, so nineteen windows of twenty have none in them.
const WINDOWS: u32 = 21;
/// For operations that take now and then what others have saved up (pages for
/// new objects, objects to be freed): a window each, so that the median is an
/// operation without it.
const SINGLE_WINDOWS: u32 = 101;
/// For operations of a quarter of a million instructions.
const LARGE_WINDOWS: u32 = 81;
const MEDIAN: u8 = 50;
/// Making a process or a file goes through so many allocations that hardly a
/// window is without one that takes long, and how many are differs from process
/// to process, and with it which kind of window is in the middle. One in ten has
/// next to none.
const LOW: u8 = 10;

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

/// The same plan with one operation slowed down by this part of it.
pub fn slowed(plan: &CountPlan, operation: Operation, by: PerThousand) -> CountPlan {
    let slowed = |planned: &Planned| Planned {
        slowed_by: (planned.operation == operation).then_some(by),
        ..*planned
    };
    CountPlan {
        operations: plan.operations.iter().map(slowed).collect(),
        ..plan.clone()
    }
}

fn planned(operation: Operation) -> Planned {
    let (times, windows, percentile) = match operation {
        Operation::Getppid => (600, WINDOWS, MEDIAN),
        Operation::OpenClose => (30, WINDOWS, MEDIAN),
        Operation::OpenDeep8 => (20, WINDOWS, MEDIAN),
        // A page table now and then.
        Operation::MmapExec => (5, LARGE_WINDOWS, LOW),
        Operation::OpenDeep32 => (12, WINDOWS, MEDIAN),
        Operation::Stat => (50, WINDOWS, MEDIAN),
        Operation::Pread => (40, WINDOWS, MEDIAN),
        Operation::UdpConnect | Operation::UdpConnect6 => (100, WINDOWS, MEDIAN),
        Operation::UdpSend => (32, WINDOWS, MEDIAN),
        // A window each: where it is refused, an agent may run after it.
        Operation::OpenListed | Operation::UdpConnectListed | Operation::Accept => {
            (1, SINGLE_WINDOWS, MEDIAN)
        }
        Operation::Exec | Operation::Fork => (1, LARGE_WINDOWS, LOW),
        Operation::CreateUnlink => (1, SINGLE_WINDOWS, LOW),
        // There and back: the names may differ in cost.
        Operation::Rename => (2, SINGLE_WINDOWS, LOW),
    };
    Planned {
        operation,
        times,
        windows,
        percentile,
        slowed_by: None,
    }
}

#[cfg(test)]
mod tests {
    use super::{plan, slowed};
    use harness_proto::count::{Operation, PerThousand};

    #[test]
    fn a_slowed_plan_slows_one_operation_and_changes_nothing_else() {
        let plan = plan(&Operation::ALL, 4);
        let mut slowed = slowed(&plan, Operation::Stat, PerThousand(5));
        for planned in &mut slowed.operations {
            let is_it = planned.operation == Operation::Stat;
            assert_eq!(planned.slowed_by.take(), is_it.then_some(PerThousand(5)));
        }
        assert_eq!(slowed, plan);
    }
}
