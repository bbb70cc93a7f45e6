//! One entry of the history, chained to the one before by its hash.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{hex::Hex, signature::Signed};

/// Keeps these hashes from being taken for another format's.
const DOMAIN: &[u8] = b"aegisbpf history entry v1\n";

/// One event in the life of the policies of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// From 1, without a gap.
    pub sequence: u64,
    /// Hash of the entry before; zeros for the first.
    pub previous: Hex<32>,
    /// Seconds since 1970.
    pub time: u64,
    /// Who asked.
    pub operator: Operator,
    /// What happened.
    pub event: Event,
}

/// Who asked, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// User id.
    pub uid: u32,
    /// Process id.
    pub pid: u32,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// A policy is in force, or will be at the next start.
    Applied {
        /// The policy.
        #[serde(flatten)]
        policy: Kept,
        /// Whether it was brought into force at once, by a daemon.
        live: bool,
        /// Seconds since 1970, after which it is taken back unless it was
        /// confirmed.
        #[serde(skip_serializing_if = "Option::is_none")]
        confirm_by: Option<u64>,
    },
    /// The policy of the last such entry stays.
    Confirmed,
    /// An earlier policy is in force again.
    RolledBack {
        /// That policy.
        #[serde(flatten)]
        policy: Kept,
        /// Why.
        reason: String,
    },
    /// No stored policy is in force; the next start reads its policy file.
    Reset {
        /// Why.
        reason: String,
    },
    /// A policy was offered and did not come into force.
    Refused {
        /// Digest of the policy, if it is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        policy: Option<Hex<32>>,
        /// Why.
        reason: String,
    },
}

/// A policy whose text is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Digest of its canonical form.
    pub policy: Hex<32>,
    /// SHA-256 of its text, by which it is kept.
    pub text: Hex<32>,
    /// Name of the signer in the trust file of that day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// What was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

/// An entry as it is in its file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    entry: Entry,
    hash: Hex<32>,
}

impl Entry {
    /// What the next entry is chained to.
    pub fn hash(&self) -> Hex<32> {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        // Text and numbers in structures always become JSON.
        hash.update(serde_json::to_vec(self).unwrap_or_default());
        Hex(hash.finalize().into())
    }

    /// As it is written.
    pub fn to_bytes(&self) -> Vec<u8> {
        let line = Line {
            hash: self.hash(),
            entry: self.clone(),
        };
        let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// From a file; whatever is not exactly as it was written is not believed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let line: Line = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if line.entry.to_bytes() != bytes || line.entry.hash() != line.hash {
            return Err("its hash is not that of its content".into());
        }
        Ok(line.entry)
    }
}
