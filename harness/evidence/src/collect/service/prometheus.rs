//! The HTTP interface of Prometheus and Alertmanager.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde::Deserialize;
use serde_json::Value;

use super::{client::Client, secrets::Secrets};
use crate::{
    moment::{Age, Moment},
    service::{
        alerting::{Alert, AlertingAsked, AlertingFacts, Rule},
        prometheus::{PrometheusAsked, PrometheusFacts, Series},
        secret::Secret,
    },
};

const MOST_BYTES: usize = 16 << 20;

/// Every answer of Prometheus.
#[derive(Deserialize)]
struct Envelope {
    status: String,
    error: Option<String>,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    warnings: Vec<String>,
}

pub(super) fn query(
    asked: &PrometheusAsked,
    secrets: &mut Secrets,
    (folder, timeout): (&Path, Age),
    now: Moment,
) -> Result<PrometheusFacts, String> {
    let ca_file = asked.ca_file.as_ref().map(|path| folder.join(path));
    let headers = headers(&asked.secret_headers, secrets)?;
    let asking = Asking {
        client: Client::new(ca_file.as_deref(), timeout)?,
        headers,
        secrets,
    };
    let until = asked.until.unwrap_or(now).seconds();
    let query = encode(&asked.query);
    let path = match asked.window {
        None => format!("/api/v1/query?query={query}&time={until}"),
        Some(window) => {
            let from = until.saturating_sub(i64::try_from(window.0.as_secs()).unwrap_or(i64::MAX));
            let step = asked.step().0.as_secs();
            format!("/api/v1/query_range?query={query}&start={from}&end={until}&step={step}")
        }
    };
    let envelope: Envelope = asking.get(&asked.url, &path)?;
    if envelope.status != "success" {
        let why = envelope.error.unwrap_or_else(|| envelope.status.clone());
        return Ok(PrometheusFacts::Refused(asking.secrets.strike(&why)));
    }
    let strike = |text: &str| asking.secrets.strike(text);
    Ok(PrometheusFacts::Series {
        series: series(&envelope.data, &strike)?,
        warnings: envelope.warnings.iter().map(|one| strike(one)).collect(),
    })
}

pub(super) fn alerting(
    asked: &AlertingAsked,
    secrets: &mut Secrets,
    (folder, timeout): (&Path, Age),
) -> Result<AlertingFacts, String> {
    let ca_file = asked.ca_file.as_ref().map(|path| folder.join(path));
    let headers = headers(&asked.secret_headers, secrets)?;
    let asking = Asking {
        client: Client::new(ca_file.as_deref(), timeout)?,
        headers,
        secrets,
    };
    let envelope: Envelope = asking.get(&asked.prometheus, "/api/v1/rules?type=alert")?;
    let rules = Groups::deserialize(&envelope.data).map_err(|error| odd("rules", &error))?;
    let rules = rules.groups.into_iter().flat_map(|group| group.rules);
    let alerts: Vec<AlertOfManager> = asking.get(&asked.alertmanager, "/api/v2/alerts")?;
    let strike = |text: String| asking.secrets.strike(&text);
    let alerts = alerts.into_iter().map(|alert| {
        let updated = alert.updated_at.parse::<Moment>();
        Ok(Alert {
            labels: alert
                .labels
                .into_iter()
                .map(|(name, value)| (name, strike(value)))
                .collect(),
            receivers: alert
                .receivers
                .into_iter()
                .map(|one| strike(one.name))
                .collect(),
            state: alert.status.state,
            updated: updated.map_err(|error| odd("alerts", &error))?,
        })
    });
    Ok(AlertingFacts {
        rules: rules
            .map(|rule| Rule {
                name: rule.name,
                health: rule.health,
                last_error: rule.last_error.filter(|text| !text.is_empty()).map(strike),
            })
            .collect(),
        alerts: alerts.collect::<Result<_, String>>()?,
    })
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<RuleOfGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuleOfGroup {
    name: String,
    health: String,
    last_error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlertOfManager {
    labels: BTreeMap<String, String>,
    receivers: Vec<Receiver>,
    status: StatusOfAlert,
    updated_at: String,
}

#[derive(Deserialize)]
struct Receiver {
    name: String,
}

#[derive(Deserialize)]
struct StatusOfAlert {
    state: String,
}

struct Asking<'a> {
    client: Client,
    headers: BTreeMap<String, String>,
    secrets: &'a Secrets,
}

impl Asking<'_> {
    fn get<T: for<'de> Deserialize<'de>>(&self, url: &str, path: &str) -> Result<T, String> {
        let url = format!("{}{path}", url.trim_end_matches('/'));
        let got = self
            .client
            .ask(("GET", &url), &self.headers, "", MOST_BYTES);
        let got = got.map_err(|why| self.secrets.strike(&format!("{url}: {why}")))?;
        // It says what it does not like in the body, with a status of 4xx.
        serde_json::from_slice(&got.body).map_err(|error| {
            let status = got.status;
            format!("{url}: status {status}, and an answer that is not as expected: {error}")
        })
    }
}

fn headers(
    wanted: &BTreeMap<String, Secret>,
    secrets: &mut Secrets,
) -> Result<BTreeMap<String, String>, String> {
    let read = wanted.iter().map(|(name, secret)| {
        let text = secrets.read(secret)?;
        Ok((name.clone(), format!("{}{text}", secret.before)))
    });
    read.collect()
}

fn odd(what: &str, error: &dyn std::fmt::Display) -> String {
    format!("the {what} are not as expected: {error}")
}

/// Samples of a vector, a matrix or a scalar.
fn series(data: &Value, strike: &dyn Fn(&str) -> String) -> Result<Vec<Series>, String> {
    let unknown = || odd("samples", &data["resultType"]);
    let result = &data["result"];
    match data["resultType"].as_str() {
        Some("scalar") => Ok(vec![Series {
            labels: BTreeMap::new(),
            samples: vec![sample(result).ok_or_else(unknown)?],
        }]),
        Some("vector" | "matrix") => {
            let all = result.as_array().ok_or_else(unknown)?.iter().map(|one| {
                let labels = one["metric"].as_object().ok_or_else(unknown)?.iter();
                let labels = labels.map(|(name, value)| {
                    (name.clone(), strike(value.as_str().unwrap_or_default()))
                });
                let samples: Option<Vec<_>> = match (&one["value"], &one["values"]) {
                    (_, Value::Array(many)) => many.iter().map(sample).collect(),
                    (one, _) => sample(one).map(|one| vec![one]),
                };
                Ok(Series {
                    labels: labels.collect(),
                    samples: samples.ok_or_else(unknown)?,
                })
            });
            all.collect()
        }
        _ => Err(unknown()),
    }
}

/// `[1435781430.781, "1"]`.
fn sample(value: &Value) -> Option<(i64, String)> {
    let seconds = value.get(0)?.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a moment has far fewer milliseconds"
    )]
    let milliseconds = (seconds * 1000.0).round() as i64;
    Some((milliseconds, value.get(1)?.as_str()?.to_owned()))
}

/// As a part of an address.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            // Writing to a string cannot fail.
            let _ = write!(encoded, "{byte:02X}");
        }
    }
    encoded
}
