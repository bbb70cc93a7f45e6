//! Samples of a query of Prometheus, against thresholds.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, Stated, some};
use crate::{
    cause::Cause,
    service::{
        Record,
        prometheus::{PrometheusAsked, PrometheusFacts, Series},
    },
};

/// What every series must be. No series, too few samples, and values that are
/// no numbers are inconclusive: what was not measured is neither good nor bad.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Which value of a series counts.
    #[serde(default)]
    of: Of,
    /// It is less than this.
    #[serde(default)]
    below: Option<f64>,
    /// It is this or less.
    #[serde(default)]
    at_most: Option<f64>,
    /// It is this or more.
    #[serde(default)]
    at_least: Option<f64>,
    /// How many samples each series must have at least.
    #[serde(default = "one")]
    min_samples: usize,
    /// How many series there must be at least, for instance one for each host.
    #[serde(default = "one")]
    min_series: usize,
}

/// Which value of a series counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// Every one.
    #[default]
    Every,
    /// The last.
    Last,
    /// Their mean.
    Mean,
}

const fn one() -> usize {
    1
}

impl Threshold {
    pub(super) fn problem(&self) -> Option<String> {
        let bounds = [self.below, self.at_most, self.at_least];
        if bounds.iter().all(Option::is_none) {
            return Some(
                "no `below`, `at_most` or `at_least`: that there are data shows nothing".into(),
            );
        }
        (self.min_samples == 0 || self.min_series == 0)
            .then(|| "without a sample there is nothing to judge: `min_…` is 1 or more".into())
    }

    pub(super) fn read(
        &self,
        bytes: &[u8],
        asked: Option<&PrometheusAsked>,
    ) -> Result<Reading, Cause> {
        let record: Record<PrometheusAsked, PrometheusFacts> = Record::read(bytes, asked)?;
        let stated = Stated {
            // Samples are as old as the end of their window.
            at: Some(record.asked.until.unwrap_or(record.started)),
            ..Stated::default()
        };
        let (causes, shown) = match &record.facts {
            PrometheusFacts::Refused(why) => {
                let why = format!("Prometheus refused the query: {why}");
                (vec![Cause::inconclusive(why)], String::new())
            }
            PrometheusFacts::Series { series, warnings } => {
                let mut causes = self.causes(series);
                if !warnings.is_empty() {
                    causes.push(Cause::inconclusive(format!(
                        "Prometheus warns: {}",
                        some(warnings)
                    )));
                }
                let samples: usize = series.iter().map(|one| one.samples.len()).sum();
                let shown = format!("{} series, {samples} samples{self}", series.len());
                (causes, shown)
            }
        };
        Ok(Reading::of(stated, causes, shown))
    }

    fn causes(&self, series: &[Series]) -> Vec<Cause> {
        let mut causes = Vec::new();
        if series.len() < self.min_series {
            let (found, least) = (series.len(), self.min_series);
            causes.push(Cause::inconclusive(format!(
                "{found} series; {least} must be there"
            )));
        }
        let (mut short, mut odd, mut beyond) = (Vec::new(), Vec::new(), Vec::new());
        for one in series {
            let name = one.name();
            let values = one.samples.iter().map(|(_, value)| value.parse::<f64>());
            let numbers: Option<Vec<f64>> = values
                .map(|value| value.ok().filter(|value| value.is_finite()))
                .collect();
            let Some(numbers) = numbers else {
                odd.push(name);
                continue;
            };
            if numbers.len() < self.min_samples {
                short.push(format!("{} of {name}", numbers.len()));
                continue;
            }
            beyond.extend(
                self.beyond(&numbers)
                    .map(|value| format!("{name} is {value}")),
            );
        }
        if !beyond.is_empty() {
            causes.push(Cause::failed(format!("{}{self}", some(&beyond))));
        }
        if !short.is_empty() {
            let least = self.min_samples;
            let short = some(&short);
            causes.push(Cause::inconclusive(format!(
                "too few samples: {short}; {least} must be there"
            )));
        }
        if !odd.is_empty() {
            let odd = some(&odd);
            causes.push(Cause::inconclusive(format!(
                "samples that are no numbers: {odd}"
            )));
        }
        causes
    }

    /// The first value that is not as it must be.
    fn beyond(&self, numbers: &[f64]) -> Option<f64> {
        let holds = |value: f64| {
            self.below.is_none_or(|bound| value < bound)
                && self.at_most.is_none_or(|bound| value <= bound)
                && self.at_least.is_none_or(|bound| value >= bound)
        };
        #[expect(clippy::cast_precision_loss, reason = "a number of samples is small")]
        let count = numbers.len() as f64;
        match self.of {
            Of::Every => numbers.iter().copied().find(|value| !holds(*value)),
            Of::Last => numbers.last().copied().filter(|value| !holds(*value)),
            Of::Mean => Some(numbers.iter().sum::<f64>() / count).filter(|value| !holds(*value)),
        }
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.of {
            Of::Every => ", every one",
            Of::Last => ", the last",
            Of::Mean => ", in the mean",
        })?;
        for (words, bound) in [
            ("below", self.below),
            ("at most", self.at_most),
            ("at least", self.at_least),
        ] {
            if let Some(bound) = bound {
                write!(f, " {words} {bound}")?;
            }
        }
        Ok(())
    }
}

impl Series {
    /// As Prometheus writes it.
    fn name(&self) -> String {
        let mut name = self.labels.get("__name__").cloned().unwrap_or_default();
        let labels = self.labels.iter().filter(|(label, _)| *label != "__name__");
        let labels: Vec<String> = labels
            .map(|(label, value)| format!("{label}={value:?}"))
            .collect();
        // Writing to a string cannot fail.
        let _ = write!(name, "{{{}}}", labels.join(","));
        name
    }
}
