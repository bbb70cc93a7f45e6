//! Clock and randomness of a machine that was restored from a snapshot: both
//! would otherwise repeat in every cell.

mod entropy;

use rustix::time::{ClockId, Timespec, clock_settime};

use crate::attempt::{Attempt, AttemptError};

/// What makes one restored machine differ from the others.
pub trait Freshen {
    /// Set the clock and mix `seed` into the random pool.
    fn freshen(&self, unix_time_ns: u64, seed: u64) -> Result<(), AttemptError>;
}

/// The machine this program is PID 1 of.
#[derive(Debug)]
pub struct ThisMachine;

impl Freshen for ThisMachine {
    fn freshen(&self, unix_time_ns: u64, seed: u64) -> Result<(), AttemptError> {
        clock_settime(ClockId::Realtime, timespec(unix_time_ns))
            .attempt(|| format!("set the clock to {unix_time_ns} ns since 1970"))?;
        // A kernel that refuses stays usable: its numbers repeat, no more.
        if let Err(error) = entropy::reseed(seed, unix_time_ns) {
            eprintln!("guest-runner: {error}");
        }
        Ok(())
    }
}

fn timespec(unix_time_ns: u64) -> Timespec {
    const NANOS: u64 = 1_000_000_000;
    Timespec {
        tv_sec: i64::try_from(unix_time_ns / NANOS).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(unix_time_ns % NANOS).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::timespec;

    #[test]
    fn nanoseconds_are_split_into_seconds_and_the_rest() {
        let check = |nanos, seconds, rest| {
            let time = timespec(nanos);
            assert_eq!((time.tv_sec, time.tv_nsec), (seconds, rest));
        };
        check(0, 0, 0);
        check(1_999_999_999, 1, 999_999_999);
        check(u64::MAX, 18_446_744_073, 709_551_615);
    }
}
