//! Whether something grows: the slope of a series, and how sure one can be of it.
//!
//! Theil and Sen: the median of the slopes between all pairs of points, which one
//! point in four may spoil without moving it. The interval is Sen's (1968): it
//! assumes no distribution, and takes ties into account, of which a series that does
//! not move consists.

use serde::{Deserialize, Serialize};

/// Fewer points say nothing.
pub const FEWEST_POINTS: usize = 20;
/// Of the standard normal distribution, for 95 % on both sides.
const Z: f64 = 1.959_963_984_540_054;

/// A slope, per unit of `x`, and the ends of its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slope {
    /// The median.
    pub estimate: f64,
    /// With 97.5 % confidence it is no less.
    pub low: f64,
    /// With 97.5 % confidence it is no more.
    pub high: f64,
}

/// What a slope says against a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    /// No more than the bound.
    Within,
    /// More than the bound.
    Grows,
    /// The interval is on both sides of the bound: longer would tell.
    Uncertain,
}

impl Slope {
    /// Against the most that is allowed.
    pub fn against(&self, bound: f64) -> Growth {
        if self.high <= bound {
            Growth::Within
        } else if self.low > bound {
            Growth::Grows
        } else {
            Growth::Uncertain
        }
    }
}

/// Of points in ascending order of `x`; `None` for too few of them.
pub fn slope(points: &[(f64, f64)]) -> Option<Slope> {
    if points.len() < FEWEST_POINTS {
        return None;
    }
    let mut slopes = Vec::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let later = points[index + 1..].iter().filter(|later| later.0 > *x);
        slopes.extend(later.map(|later| (later.1 - y) / (later.0 - x)));
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let middle = slopes.len() / 2;
    let estimate = if slopes.len().is_multiple_of(2) {
        f64::midpoint(slopes[middle - 1], slopes[middle])
    } else {
        slopes[middle]
    };
    let pairs = count(slopes.len());
    let half = Z * variance(points).sqrt();
    // Outwards, to the next of the slopes.
    let low = ((pairs - half) / 2.0).floor() - 1.0;
    let high = f64::midpoint(pairs, half).ceil();
    Some(Slope {
        estimate,
        low: slopes[place(low, slopes.len())],
        high: slopes[place(high, slopes.len())],
    })
}

/// Of Kendall's S.
fn variance(points: &[(f64, f64)]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = points.iter().map(|point| point.1).collect();
    values.sort_unstable_by(f64::total_cmp);
    let ties = values.chunk_by(|one, other| one.total_cmp(other).is_eq());
    let tied: f64 = ties.map(|group| term(count(group.len()))).sum();
    (term(count(points.len())) - tied) / 18.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "there are no more than some thousands of points"
)]
fn count(length: usize) -> f64 {
    length as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "limited to what there is"
)]
fn place(rank: f64, length: usize) -> usize {
    (rank.max(0.0) as usize).min(length - 1)
}

#[cfg(test)]
mod tests {
    use super::{Growth, slope};
    use proptest::prelude::*;

    fn series(points: u32, y: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        let points = (0..points).map(f64::from);
        points.map(|x| (x, y(x))).collect()
    }

    /// Up and down without a trend, by no more than one.
    fn noise(x: f64) -> f64 {
        (x * 12.9898).sin()
    }

    #[test]
    fn what_does_not_move_has_no_slope_and_no_doubt() {
        let flat = slope(&series(30, |_| 4096.0)).unwrap();
        assert_eq!((flat.estimate, flat.low, flat.high), (0.0, 0.0, 0.0));
        assert_eq!(flat.against(0.0), Growth::Within);
    }

    #[test]
    fn a_leak_is_told_from_noise() {
        let quiet = slope(&series(60, noise)).unwrap();
        assert_eq!(quiet.against(0.1), Growth::Within);
        let leak = slope(&series(60, |x| 3.0 * x + 5.0 * noise(x))).unwrap();
        assert!((leak.estimate - 3.0).abs() < 0.1, "{leak:?}");
        assert_eq!(leak.against(0.1), Growth::Grows);
        let slight = slope(&series(60, |x| 0.1 * x + 20.0 * noise(x))).unwrap();
        assert_eq!(slight.against(0.1), Growth::Uncertain);
    }

    #[test]
    fn some_points_far_off_move_nothing() {
        let spoilt = |x: f64| if x % 5.0 == 0.0 { 1e6 * noise(x) } else { 10.0 };
        let found = slope(&series(60, spoilt)).unwrap();
        assert!(found.estimate.abs() < f64::EPSILON, "{found:?}");
    }

    #[test]
    fn a_step_at_the_beginning_of_many_points_is_no_growth_but_stairs_are() {
        let step = slope(&series(100, |x| if x < 5.0 { 0.0 } else { 100.0 })).unwrap();
        assert_eq!(step.against(0.5), Growth::Within);
        let stairs = slope(&series(100, |x| (x / 10.0).floor() * 40.0)).unwrap();
        assert_eq!(stairs.against(0.5), Growth::Grows);
    }

    #[test]
    fn too_few_points_say_nothing() {
        assert_eq!(slope(&series(19, |x| x)), None);
    }

    proptest! {
        #[test]
        fn a_line_beside_a_series_tilts_it_by_its_own_slope(
            values in proptest::collection::vec(-1000_i32..1000, 20..40), tilt in -50_i32..50
        ) {
            let points: Vec<(f64, f64)> =
                (0..).zip(&values).map(|(x, y)| (f64::from(x), f64::from(*y))).collect();
            let tilted: Vec<(f64, f64)> =
                points.iter().map(|(x, y)| (*x, y + f64::from(tilt) * x)).collect();
            let (before, after) = (slope(&points).unwrap(), slope(&tilted).unwrap());
            prop_assert!((after.estimate - before.estimate - f64::from(tilt)).abs() < 1e-6);
            prop_assert!(after.low <= after.estimate && after.estimate <= after.high);
        }
    }
}
