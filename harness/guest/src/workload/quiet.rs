//! Waiting until nothing else runs: for a second after its boot a kernel has
//! work of its own, and whatever is counted meanwhile comes out too high.

use harness_proto::count::LOOP_INSTRUCTIONS;

use super::{WorkloadError, counter};

/// Ten milliseconds of the guest's clock: longer than a slice of the scheduler,
/// so that another process shows.
const PASSES: u64 = 5_000_000;
/// Interrupts alone take a tenth of it.
const BUSY: f64 = 0.01;
/// Two seconds of the guest's clock if the processor is its own, more if not.
const ATTEMPTS: u32 = 200;

/// Returns when a loop of known length takes hardly longer than it should.
pub(super) fn await_quiet() -> Result<(), WorkloadError> {
    let expected = PASSES * LOOP_INSTRUCTIONS;
    let mut found = 0;
    for _ in 0..ATTEMPTS {
        found = counter::count_loop(PASSES);
        if is_quiet(expected, found) {
            return Ok(());
        }
    }
    Err(WorkloadError::Busy { expected, found })
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn is_quiet(expected: u64, found: u64) -> bool {
    found.saturating_sub(expected) as f64 <= expected as f64 * BUSY
}

#[cfg(test)]
mod tests {
    use super::is_quiet;

    #[test]
    fn interrupts_are_quiet_and_another_process_is_not() {
        assert!(is_quiet(10_000_000, 10_008_400));
        assert!(!is_quiet(10_000_000, 14_000_000));
    }
}
