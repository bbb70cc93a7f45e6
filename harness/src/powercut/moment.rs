//! When to cut: random, and the same for the same seed.

use std::time::Duration;

use harness_proto::mixed;

/// After how many acknowledged policies at most.
const MOST_ACKNOWLEDGED: u64 = 3;

/// The end of a policy, where its outcome is decided, is late in some and
/// early in others.
const LONGEST: f64 = 1.25;

/// One instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// After so many policies were acknowledged.
    pub(super) acknowledged: u64,
    /// At this part of the time that the next one takes.
    part: f64,
}

impl Moment {
    /// The one for a seed.
    pub(super) fn of(seed: u64) -> Self {
        let bits = u32::try_from(mixed(seed) >> 32).unwrap_or_default();
        Self {
            acknowledged: 1 + mixed(seed ^ u64::MAX) % MOST_ACKNOWLEDGED,
            part: f64::from(bits) / f64::from(u32::MAX),
        }
    }

    /// How long after the last acknowledgement, when a policy takes so long.
    pub(super) fn after(self, usual: Duration) -> Duration {
        usual.mul_f64(self.part * LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;
    use std::time::Duration;

    #[test]
    fn moments_are_spread_over_the_whole_of_an_apply() {
        let usual = Duration::from_millis(100);
        let mut tenths = [0; 10];
        for seed in 0..1000 {
            let moment = Moment::of(seed);
            assert!((1..=3).contains(&moment.acknowledged));
            let after = moment.after(usual).as_millis();
            tenths[usize::try_from(after * 8 / 100).unwrap().min(9)] += 1;
        }
        assert!(tenths.iter().all(|count| *count > 50), "{tenths:?}");
        assert_eq!(Moment::of(7), Moment::of(7));
    }
}
