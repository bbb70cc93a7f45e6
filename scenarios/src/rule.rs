//! Rules in no agent's own language; an adapter of the harness writes them in
//! the policy of the agent under test.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One rule of a scenario's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique in the scenario; events name it.
    pub id: String,
    /// What is denied.
    pub deny: Target,
}

/// What a rule denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// Opening a file.
    Open {
        /// Absolute path.
        path: String,
    },
    /// Executing a file.
    Exec {
        /// Absolute path.
        path: String,
    },
    /// Connecting to an address.
    Connect {
        /// An address, or a network in CIDR form; IPv4 or IPv6.
        to: String,
        /// Every port when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
}
