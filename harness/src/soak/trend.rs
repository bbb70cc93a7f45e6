//! Whether something grew in a soak, and how sure that is.

use harness_proto::soak::Sample;
use perf::slope::{Growth, Slope, slope};
use serde::{Deserialize, Serialize};

/// A quarter of it is for warming up.
const WARM_UP: usize = 4;
const MS_PER_HOUR: f64 = 3_600_000.0;

/// One thing that was looked at.
struct Subject {
    what: &'static str,
    unit: &'static str,
    /// The most by which it may grow in an hour.
    bound: f64,
    of: fn(&Sample) -> u64,
}

/// A process takes its memory in pages and gives them back late, so that some of
/// it comes and goes; everything else is counted, and need not move at all.
const SUBJECTS: [Subject; 6] = [
    Subject {
        what: "resident memory",
        unit: "KiB",
        bound: 1024.0,
        of: |sample| sample.resident_kib,
    },
    Subject {
        what: "descriptors",
        unit: "",
        bound: 1.0,
        of: |sample| sample.descriptors,
    },
    Subject {
        what: "threads",
        unit: "",
        bound: 1.0,
        of: |sample| sample.threads,
    },
    Subject {
        what: "BPF maps",
        unit: "",
        bound: 1.0,
        of: |sample| sample.maps,
    },
    Subject {
        what: "memory of BPF maps",
        unit: "KiB",
        bound: 64.0,
        of: |sample| sample.map_kib,
    },
    Subject {
        what: "BPF links",
        unit: "",
        bound: 1.0,
        of: |sample| sample.links,
    },
];

/// How one thing went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// What was looked at.
    pub what: String,
    /// Of the values; empty for a number of things.
    pub unit: String,
    /// The most by which it may grow in an hour.
    pub bound_per_hour: f64,
    /// By how much it grew in an hour; absent for too few samples.
    pub slope_per_hour: Option<Slope>,
    /// What that says.
    pub growth: Growth,
    /// In the order of the samples, warming up included.
    pub values: Vec<u64>,
}

/// Of everything that is looked at.
pub fn trends(samples: &[Sample]) -> Vec<Trend> {
    let settled = &samples[samples.len() / WARM_UP..];
    SUBJECTS
        .iter()
        .map(|subject| {
            let points: Vec<(f64, f64)> = settled
                .iter()
                .map(|sample| {
                    (
                        float(sample.at_ms) / MS_PER_HOUR,
                        float((subject.of)(sample)),
                    )
                })
                .collect();
            let found = slope(&points);
            Trend {
                what: subject.what.into(),
                unit: subject.unit.into(),
                bound_per_hour: subject.bound,
                slope_per_hour: found,
                growth: found.map_or(Growth::Uncertain, |slope| slope.against(subject.bound)),
                values: samples.iter().map(subject.of).collect(),
            }
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "no more than 2^52 of anything")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::{Sample, trends};
    use perf::slope::Growth;

    fn samples(count: u64, of: impl Fn(u64) -> Sample) -> Vec<Sample> {
        let at = |number| Sample {
            at_ms: number * 5000,
            ..of(number)
        };
        (0..count).map(at).collect()
    }

    fn growths(samples: &[Sample]) -> Vec<Growth> {
        trends(samples).iter().map(|trend| trend.growth).collect()
    }

    #[test]
    fn only_what_grows_after_warming_up_is_growth() {
        let steady = samples(120, |number| Sample {
            resident_kib: 5000 + number.min(20) * 100 + number % 3 * 4,
            descriptors: 30,
            ..Sample::default()
        });
        assert_eq!(growths(&steady), [Growth::Within; 6]);
        let leaking = samples(120, |number| Sample {
            resident_kib: 5000 + number * 4,
            descriptors: 30 + number / 30,
            maps: 10,
            ..Sample::default()
        });
        let found = growths(&leaking);
        assert_eq!(found[..2], [Growth::Grows, Growth::Grows]);
        assert_eq!(found[2..], [Growth::Within; 4]);
    }

    #[test]
    fn too_few_samples_are_no_success() {
        let few = samples(20, |_| Sample::default());
        assert_eq!(growths(&few), [Growth::Uncertain; 6]);
        assert_eq!(growths(&[]), [Growth::Uncertain; 6]);
    }
}
