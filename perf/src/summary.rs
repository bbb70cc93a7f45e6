//! The median and percentiles of a set of measurements.

use std::time::Duration;

/// A place in a sorted set, from 0 (the smallest) to 100 (the largest).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// Half of the set is below it.
    pub const MEDIAN: Self = Self(50.0);
    /// One in twenty is above it.
    pub const P95: Self = Self(95.0);

    /// `None` outside 0..=100, and for NaN.
    pub fn new(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }

    /// Interpolate linearly between the two nearest measurements, as R's
    /// type 7 and numpy's default do. `None` for an empty set.
    fn of(self, sorted: &[Duration]) -> Option<Duration> {
        let last = sorted.len().checked_sub(1)?;
        #[expect(clippy::cast_precision_loss, reason = "sets have far fewer than 2^52")]
        let position = self.0 / 100.0 * last as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the last index"
        )]
        let below = position.floor() as usize;
        let above = (below + 1).min(last);
        let (low, high) = (sorted[below], sorted[above]);
        Some(low + high.saturating_sub(low).mul_f64(position.fract()))
    }
}

/// What a set of durations looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationSummary {
    /// How many there are; at least 1.
    pub count: usize,
    /// Half took less.
    pub median: Duration,
    /// One in twenty took more.
    pub p95: Duration,
    /// The longest.
    pub max: Duration,
}

impl DurationSummary {
    /// Summarise a set in any order; `None` when it is empty.
    pub fn of(durations: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut sorted: Vec<Duration> = durations.into_iter().collect();
        sorted.sort_unstable();
        Some(Self {
            count: sorted.len(),
            median: Percent::MEDIAN.of(&sorted)?,
            p95: Percent::P95.of(&sorted)?,
            max: *sorted.last()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{DurationSummary, Percent};
    use proptest::prelude::*;
    use std::time::Duration;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_median_and_the_percentiles_interpolate() {
        let check = |set: &[u64], median, p95| {
            let summary = DurationSummary::of(set.iter().copied().map(ms)).unwrap();
            assert_eq!(
                (summary.median, summary.p95),
                (ms(median), ms(p95)),
                "{set:?}"
            );
        };
        check(&[7], 7, 7);
        check(&[30, 10], 20, 29);
        check(&[0, 100, 200, 300, 400], 200, 380);
    }

    #[test]
    fn an_empty_set_has_no_summary_and_odd_percents_do_not_exist() {
        assert_eq!(DurationSummary::of([]), None);
        assert_eq!(Percent::new(-0.1), None);
        assert_eq!(Percent::new(100.1), None);
        assert_eq!(Percent::new(f64::NAN), None);
        assert!(Percent::new(99.9).is_some());
    }

    proptest! {
        #[test]
        fn percentiles_stay_inside_the_set_and_in_order(set in prop::collection::vec(0u64..10_000, 1..50)) {
            let summary = DurationSummary::of(set.iter().copied().map(ms)).unwrap();
            let low = ms(*set.iter().min().unwrap());
            prop_assert!(low <= summary.median);
            prop_assert!(summary.median <= summary.p95);
            prop_assert!(summary.p95 <= summary.max);
            prop_assert_eq!(summary.count, set.len());
        }
    }
}
