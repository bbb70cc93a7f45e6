//! A query of Prometheus, now or over a window.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{bad_url, secret::Secret};
use crate::moment::{Age, Moment};

/// Prometheus itself answers no more points than this for each series.
const MOST_POINTS: u64 = 11_000;
const STEP: Age = Age(Duration::from_mins(1));

/// A query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusAsked {
    /// Where Prometheus is.
    pub url: String,
    /// In `PromQL`.
    pub query: String,
    /// How far back it looks; only at this moment when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Age>,
    /// For a window: how far samples are apart; 1 minute when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Age>,
    /// The moment at which the window ends; when it is asked when it is not
    /// said. For looking back at a phase that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// Headers that nobody may know.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_headers: BTreeMap<String, Secret>,
    /// A file with the certificates of who signed the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// What Prometheus answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PrometheusFacts {
    /// Series, and what Prometheus warned of.
    Series {
        /// Each with its labels.
        series: Vec<Series>,
        /// For instance that a part of the data could not be read.
        warnings: Vec<String>,
    },
    /// It refused the query, and why.
    Refused(String),
}

/// A series of samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// What it is of.
    pub labels: BTreeMap<String, String>,
    /// Milliseconds since 1970, and the value as Prometheus writes it.
    pub samples: Vec<(i64, String)>,
}

impl PrometheusAsked {
    /// How far samples are apart.
    pub(crate) fn step(&self) -> Age {
        self.step.unwrap_or(STEP)
    }

    pub(super) fn problem(&self) -> Option<String> {
        if self.query.trim().is_empty() {
            return Some("no query".into());
        }
        let step = self.step().0.as_secs();
        match self.window {
            None if self.step.is_some() => return Some("`step` is only for a `window`".into()),
            Some(_) if step == 0 => return Some("`step` is one second or more".into()),
            Some(window) if window.0.as_secs() / step > MOST_POINTS => {
                return Some(format!("more than {MOST_POINTS} steps: make `step` longer"));
            }
            _ => {}
        }
        bad_url(&self.url).or_else(|| self.secret_headers.values().find_map(Secret::problem))
    }
}
