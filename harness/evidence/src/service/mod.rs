//! What is asked of running services and what they answered: the collector
//! writes down facts, and predicates judge them later, without a network.
//!
//! | module | holds |
//! | --- | --- |
//! | [`http`] | requests and their answers |
//! | [`tls`] | certificates, versions of TLS, and what listens without it |
//! | [`prometheus`] | a query over a window |
//! | [`alerting`] | rules that are loaded, alerts and whom they reach |
//! | [`secret`] | where a secret comes from; never the secret |

pub mod alerting;
pub mod http;
pub mod prometheus;
pub mod secret;
pub mod tls;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{cause::Cause, moment::Moment};

/// The version of the records' format.
pub const SCHEMA_VERSION: u32 = 1;

/// What a checklist has asked of a running service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Requests.
    Http(http::HttpAsked),
    /// Certificates and versions.
    Tls(tls::TlsAsked),
    /// A query.
    Prometheus(prometheus::PrometheusAsked),
    /// Rules and alerts.
    Alerting(alerting::AlertingAsked),
}

/// What was asked, and what the answer was. It has no secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record<A, F> {
    /// The version of this format.
    pub schema_version: u32,
    /// What the checklist said to ask.
    pub asked: A,
    /// When it was asked.
    pub started: Moment,
    /// The answer.
    pub facts: F,
}

impl Asked {
    /// Its name in checklists, which is that of the test that fits it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tls(_) => "tls",
            Self::Prometheus(_) => "prometheus",
            Self::Alerting(_) => "alerting",
        }
    }

    /// What is wrong with it as a person wrote it.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::Http(asked) => asked.problem(),
            Self::Tls(asked) => asked.problem(),
            Self::Prometheus(asked) => asked.problem(),
            Self::Alerting(asked) => asked.problem(),
        }
    }

    /// In a few words, for who waits.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Http(asked) => format!("{} requests", asked.request.len()),
            Self::Tls(asked) => format!("TLS of {}", asked.address),
            Self::Prometheus(asked) => format!("querying {}", asked.url),
            Self::Alerting(asked) => format!("rules and alerts of {}", asked.prometheus),
        }
    }
}

impl<A, F> Record<A, F>
where
    A: DeserializeOwned + PartialEq,
    F: DeserializeOwned,
{
    /// Read the record of what the checklist asks today. One of something else
    /// is a failure, because a weaker question could have been asked.
    pub(crate) fn read(bytes: &[u8], asked: Option<&A>) -> Result<Self, Cause> {
        let record: Self = serde_json::from_slice(bytes).map_err(Cause::unparsable)?;
        if record.schema_version != SCHEMA_VERSION {
            let found = record.schema_version;
            return Err(Cause::unparsable(format!(
                "schema_version {found}; expected {SCHEMA_VERSION}"
            )));
        }
        if asked != Some(&record.asked) {
            return Err(Cause::failed(
                "the record is of another question than the checklist's",
            ));
        }
        Ok(record)
    }
}

/// An address that people may write into a checklist: no password in it,
/// which would be in the evidence.
fn bad_url(url: &str) -> Option<String> {
    let Ok(parsed) = url.parse::<ureq::http::Uri>() else {
        return Some(format!("`{url}` is no address"));
    };
    if !matches!(parsed.scheme_str(), Some("http" | "https")) {
        return Some(format!("`{url}` does not begin with http:// or https://"));
    }
    let authority = parsed.authority().map_or("", |one| one.as_str());
    authority.contains('@').then(|| {
        format!("`{url}` has a name or password in it: put them into `secret_headers` instead")
    })
}
