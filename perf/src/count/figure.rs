//! From rounds to a figure with its spread.

use harness_proto::count::{Planned, Round};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rounds at the beginning of each count that only warm up.
pub const WARM_UP_ROUNDS: usize = 1;
/// One round has no spread: at least two are kept.
pub const LEAST_ROUNDS: usize = WARM_UP_ROUNDS + 2;

/// Instructions for one operation, over the rounds that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// The operation itself, in the round in the middle.
    pub median: f64,
    /// In the lowest round.
    pub low: f64,
    /// In the highest round.
    pub high: f64,
    /// With everything that ran meanwhile: interrupts, kernel threads, the
    /// agent's own process; in the round in the middle.
    pub with_background: f64,
}

/// What one figure is above another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Of the medians.
    pub median: f64,
    /// The least it can be: the lowest round less the highest of the other.
    pub low: f64,
    /// The most it can be: the highest round less the lowest of the other.
    pub high: f64,
    /// Of the figures with background.
    pub with_background: f64,
}

impl Figure {
    /// From several counts of one operation, each with its own warm-up. `None`
    /// when one of them is too short.
    pub fn of(planned: Planned, counts: &[&[Round]]) -> Option<Self> {
        if counts.is_empty() || counts.iter().any(|rounds| rounds.len() < LEAST_ROUNDS) {
            return None;
        }
        let kept = || counts.iter().flat_map(|rounds| &rounds[WARM_UP_ROUNDS..]);
        let times = f64::from(planned.times.max(1));
        let windows = f64::from(planned.windows.max(1));
        let itself = sorted(kept().map(|round| whole(round.itself) / times));
        let all = sorted(kept().map(|round| whole(round.total) / windows / times));
        Some(Self {
            median: middle(&itself),
            low: itself[0],
            high: itself[itself.len() - 1],
            with_background: middle(&all),
        })
    }

    /// How far the rounds are apart, in percent of the median.
    pub fn spread_percent(&self) -> f64 {
        if self.median > 0.0 {
            (self.high - self.low) / self.median * 100.0
        } else {
            f64::INFINITY
        }
    }

    /// What this is above another.
    pub fn above(&self, other: &Self) -> Difference {
        Difference {
            median: self.median - other.median,
            low: self.low - other.high,
            high: self.high - other.low,
            with_background: self.with_background - other.with_background,
        }
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Of a sorted list that is not empty; the mean of the two in the middle.
fn middle(sorted: &[f64]) -> f64 {
    let last = sorted.len() - 1;
    f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)])
}

/// A count as a number that can be divided.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn whole(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::{Figure, WARM_UP_ROUNDS};
    use harness_proto::count::{Operation, Planned, Round};
    use proptest::prelude::*;

    const PLANNED: Planned = Planned {
        operation: Operation::Stat,
        times: 10,
        windows: 4,
        percentile: 50,
        slowed_by: None,
    };

    fn rounds(medians: &[u64]) -> Vec<Round> {
        let round = |&itself| Round {
            itself,
            total: itself * 4 + 80,
        };
        medians.iter().map(round).collect()
    }

    #[test]
    fn the_first_round_of_each_count_is_dropped() {
        let (before, after) = (
            rounds(&[9_000, 1_000, 1_010]),
            rounds(&[5_000, 1_020, 1_010]),
        );
        let figure = Figure::of(PLANNED, &[&before, &after]).unwrap();
        assert_eq!((figure.low, figure.high), (100.0, 102.0));
        assert!((figure.median - 101.0).abs() < 1e-9);
        assert!((figure.with_background - 103.0).abs() < 1e-9);
        assert!((figure.spread_percent() - 2.0 / 101.0 * 100.0).abs() < 1e-9);
    }

    #[test]
    fn too_few_rounds_make_no_figure() {
        let enough = rounds(&[1, 2, 3]);
        assert_eq!(Figure::of(PLANNED, &[]), None);
        assert_eq!(Figure::of(PLANNED, &[&enough, &rounds(&[1, 2])]), None);
        assert!(Figure::of(PLANNED, &[&enough]).is_some());
    }

    fn any_rounds() -> impl Strategy<Value = Vec<Round>> {
        prop::collection::vec(1_000_u64..1_000_000, 3..20).prop_map(|medians| rounds(&medians))
    }

    proptest! {
        #[test]
        fn a_figure_lies_between_its_lowest_and_its_highest_round(some in any_rounds()) {
            let figure = Figure::of(PLANNED, &[&some]).unwrap();
            prop_assert!(figure.low <= figure.median && figure.median <= figure.high);
            prop_assert!(figure.spread_percent() >= 0.0);
        }

        #[test]
        fn what_only_warms_up_changes_nothing(some in any_rounds(), first in 0_u64..1_000_000) {
            let figure = Figure::of(PLANNED, &[&some]);
            let mut other = some;
            other[WARM_UP_ROUNDS - 1] = Round { itself: first, total: first };
            prop_assert_eq!(figure, Figure::of(PLANNED, &[&other]));
        }

        #[test]
        fn a_difference_holds_every_pair_of_rounds(one in any_rounds(), other in any_rounds()) {
            let difference = Figure::of(PLANNED, &[&one])
                .unwrap()
                .above(&Figure::of(PLANNED, &[&other]).unwrap());
            prop_assert!(difference.low <= difference.median);
            prop_assert!(difference.median <= difference.high);
            for (a, b) in one.iter().skip(1).zip(other.iter().skip(1)) {
                let pair = super::whole(a.itself) / 10.0 - super::whole(b.itself) / 10.0;
                prop_assert!(difference.low <= pair + 1e-6 && pair <= difference.high + 1e-6);
            }
        }
    }
}
