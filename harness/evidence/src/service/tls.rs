//! Certificates, versions of TLS, and what listens without it.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the collector looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsAsked {
    /// Host and port.
    pub address: String,
    /// The name that the certificate must be for; the host when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A file with the certificates of who signed the server's; those of this
    /// machine count when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Hosts and ports where one could try without TLS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plaintext: Vec<String>,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFacts {
    /// The certificates that the server sent, its own first: DER in base64.
    pub chain: Vec<String>,
    /// Whether they lead to somebody who is trusted, and are for the name.
    pub verified: Verified,
    /// Whether the server speaks each version.
    pub versions: BTreeMap<Version, Spoken>,
    /// What became of each try without TLS.
    pub plaintext: BTreeMap<String, Plaintext>,
}

/// Whether a chain of certificates is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Verified {
    /// It is.
    Yes,
    /// It is not, and why.
    No(String),
    /// No chain was seen, and why.
    Unseen(String),
}

/// A version of TLS.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Version {
    /// Of 1999.
    #[serde(rename = "1.0")]
    Tls10,
    /// Of 2006.
    #[serde(rename = "1.1")]
    Tls11,
    /// Of 2008.
    #[serde(rename = "1.2")]
    Tls12,
    /// Of 2018.
    #[serde(rename = "1.3")]
    Tls13,
}

/// Whether a version is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Spoken {
    /// The server went on with it.
    Yes,
    /// The server refused it, and how.
    No(String),
    /// Neither, and what happened.
    Unsure(String),
}

/// What became of a try without TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Plaintext {
    /// Nobody listens there.
    Refused,
    /// The connection was ended without an answer in HTTP.
    Ended,
    /// An answer.
    Answered {
        /// Its status.
        status: u16,
        /// Where it leads, if it says so.
        location: Option<String>,
    },
    /// Neither, and what happened.
    Unsure(String),
}

impl Version {
    /// All, the oldest first.
    pub const ALL: [Self; 4] = [Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls10 => "1.0",
            Self::Tls11 => "1.1",
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        })
    }
}

impl TlsAsked {
    pub(super) fn problem(&self) -> Option<String> {
        let all = [&self.address].into_iter().chain(&self.plaintext);
        let mut all = all.filter(|address| split(address).is_none());
        all.next()
            .map(|bad| format!("`{bad}` is no host and port, such as `api.example:443`"))
    }
}

/// Host and port, without the brackets of an IPv6 address.
pub(crate) fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    (!host.is_empty()).then_some((host, port.parse().ok()?))
}
