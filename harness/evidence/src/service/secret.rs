//! Where a secret comes from. What it is never leaves the collector.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A secret, by where it is: exactly one of `env` and `file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The environment variable that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The file that holds it; a line end after it is no part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What stands before it, such as `Bearer `.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub before: String,
}

impl Secret {
    pub(super) fn problem(&self) -> Option<String> {
        (self.env.is_some() == self.file.is_some())
            .then(|| "a secret comes from either `env` or `file`".into())
    }
}
