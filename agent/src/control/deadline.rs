//! Until when a policy must be confirmed, by a clock that nobody sets.

use std::time::{Duration, Instant};

/// The time that the history knows is of the machine's clock. Whoever sets that
/// back must not keep a policy that nobody confirmed.
#[derive(Debug, Default)]
pub struct Deadline(Option<(u64, Instant)>);

impl Deadline {
    /// The time to go by: `time`, or, when a policy that had to be confirmed by
    /// `confirm_by` has had as long as it was given, no earlier than that. All in
    /// seconds since 1970, but for `now`.
    pub fn time(&mut self, confirm_by: Option<u64>, time: u64, now: Instant) -> u64 {
        self.0 = match (confirm_by, self.0) {
            (Some(by), Some((known, until))) if by == known => Some((by, until)),
            (Some(by), _) => Some((by, now + Duration::from_secs(by.saturating_sub(time)))),
            (None, _) => None,
        };
        match self.0 {
            Some((by, until)) if until <= now => time.max(by),
            _ => time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Deadline;
    use std::time::{Duration, Instant};

    #[test]
    fn setting_the_clock_back_gives_no_more_time() {
        let start = Instant::now();
        let mut deadline = Deadline::default();
        let mut check = |confirm_by, time, after, expected| {
            let now = start + Duration::from_secs(after);
            assert_eq!(deadline.time(confirm_by, time, now), expected, "{after} s");
        };
        check(None, 1000, 0, 1000);
        check(Some(1060), 1000, 0, 1000);
        check(Some(1060), 10, 59, 10);
        check(Some(1060), 11, 60, 1060);
        // Set forward, the machine's clock decides by itself.
        check(Some(1060), 5000, 61, 5000);
        // Another policy has time of its own.
        check(Some(130), 100, 70, 100);
        check(Some(130), 100, 99, 100);
        check(Some(130), 100, 100, 130);
        check(None, 100, 200, 100);
    }
}
