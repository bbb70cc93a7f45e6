//! Alert rules as the running Prometheus has them, and the alerts that have
//! come to Alertmanager.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{bad_url, secret::Secret};
use crate::moment::Moment;

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertingAsked {
    /// Where Prometheus is.
    pub prometheus: String,
    /// Where Alertmanager is.
    pub alertmanager: String,
    /// Headers that nobody may know.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_headers: BTreeMap<String, Secret>,
    /// A file with the certificates of who signed the servers'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// What they said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertingFacts {
    /// The alert rules of Prometheus.
    pub rules: Vec<Rule>,
    /// The alerts of Alertmanager.
    pub alerts: Vec<Alert>,
}

/// An alert rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// `ok`, `err` or `unknown`.
    pub health: String,
    /// Why it could not be evaluated.
    pub last_error: Option<String>,
}

/// An alert that has come to Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Its name among them, as `alertname`.
    pub labels: BTreeMap<String, String>,
    /// Whom it goes to.
    pub receivers: Vec<String>,
    /// `active`, `suppressed` or `unprocessed`.
    pub state: String,
    /// When Prometheus last said it.
    pub updated: Moment,
}

impl AlertingAsked {
    pub(super) fn problem(&self) -> Option<String> {
        bad_url(&self.prometheus)
            .or_else(|| bad_url(&self.alertmanager))
            .or_else(|| self.secret_headers.values().find_map(Secret::problem))
    }
}
