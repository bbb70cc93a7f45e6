//! Another time.

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

use super::{Guard, not_in_place};
use crate::attempt::{Attempt, AttemptError};

/// Put right by the same step back, so that the time that has passed counts.
pub(super) fn jump(seconds: i64) -> Result<Guard, AttemptError> {
    let before = clock_gettime(ClockId::Realtime).tv_sec;
    shift(seconds)?;
    let guard = Guard::new(move || shift(-seconds));
    let after = clock_gettime(ClockId::Realtime).tv_sec;
    // Nothing between the two takes longer than this.
    if (after - before - seconds).abs() > 60 {
        let seen = format!("it was {before} and is {after}");
        return Err(not_in_place(attempt(seconds), seen));
    }
    Ok(guard)
}

fn shift(seconds: i64) -> Result<(), AttemptError> {
    let now = clock_gettime(ClockId::Realtime);
    let then = Timespec {
        tv_sec: now.tv_sec + seconds,
        ..now
    };
    clock_settime(ClockId::Realtime, then).attempt(|| attempt(seconds))
}

fn attempt(seconds: i64) -> String {
    format!("set the clock by {seconds} s")
}
