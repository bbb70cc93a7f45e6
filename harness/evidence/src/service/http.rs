//! Requests, and what came back.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{bad_url, secret::Secret};
use crate::{moment::Age, predicate::command::Output};

/// More would be a flood rather than a test of one.
const MOST_TIMES: u32 = 10_000;

/// Requests that the collector makes, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpAsked {
    /// A file with the certificates of who signed the server's; those of this
    /// machine count when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// What is asked.
    pub request: Vec<HttpRequest>,
}

/// One request. Redirections are not followed: they are answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpRequest {
    /// Its name, for predicates.
    pub name: String,
    /// `GET` when it is not said.
    #[serde(default = "get")]
    pub method: String,
    /// The whole address.
    pub url: String,
    /// Headers that anybody may know.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Headers that nobody may know, for instance
    /// `authorization = { env = "TOKEN", before = "Bearer " }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_headers: BTreeMap<String, Secret>,
    /// What is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A signature over the body, as webhooks have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    /// How often it is made, without a pause.
    #[serde(default = "once")]
    pub times: u32,
    /// Headers of the answer that go into the evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_headers: Vec<String>,
    /// How many bytes of the answer's body go into the evidence.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub keep_body: u32,
}

/// A signature by HMAC-SHA256 in a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The header.
    pub header: String,
    /// The key.
    pub key: Secret,
    /// What is signed: `{timestamp}`, in seconds, and `{body}` stand for
    /// themselves.
    #[serde(default = "content")]
    pub content: String,
    /// What the header says, of `{timestamp}` and the signature in `{hex}`.
    #[serde(default = "value")]
    pub value: String,
    /// How old the signature says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Age>,
    /// Whether the body is changed after it was signed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub altered: bool,
}

/// What came back, for each request by its name.
pub type HttpFacts = BTreeMap<String, Vec<Answers>>;

/// The same answer, so many times in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// How often.
    pub times: u32,
    /// What.
    pub answer: Answer,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// An answer.
    Answered {
        /// Its status.
        status: u16,
        /// Those headers that are kept.
        headers: BTreeMap<String, String>,
        /// As much of the body as is kept.
        body: Output,
    },
    /// None, and why.
    Nothing(String),
}

fn get() -> String {
    "GET".into()
}

const fn once() -> u32 {
    1
}

fn content() -> String {
    "{timestamp}.{body}".into()
}

fn value() -> String {
    "t={timestamp},v1={hex}".into()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl HttpAsked {
    pub(super) fn problem(&self) -> Option<String> {
        if self.request.is_empty() {
            return Some("no request".into());
        }
        let mut names = BTreeSet::new();
        self.request.iter().find_map(|request| {
            let again = !names.insert(&request.name);
            let name = &request.name;
            again
                .then(|| format!("two requests have the name `{name}`"))
                .or_else(|| request.problem().map(|why| format!("`{name}`: {why}")))
        })
    }
}

impl HttpRequest {
    fn problem(&self) -> Option<String> {
        if self.times == 0 || self.times > MOST_TIMES {
            return Some(format!("`times` is from 1 to {MOST_TIMES}"));
        }
        // Whoever writes a password here would publish it with the evidence.
        let telling = ["authorization", "cookie", "x-api-key"];
        let plain = self
            .headers
            .keys()
            .find(|name| telling.contains(&name.to_ascii_lowercase().as_str()));
        if let Some(name) = plain {
            return Some(format!("`{name}` belongs into `secret_headers`"));
        }
        let signed = self.signed.iter().map(|signed| &signed.key);
        let mut secrets = self.secret_headers.values().chain(signed);
        bad_url(&self.url).or_else(|| secrets.find_map(Secret::problem))
    }
}
