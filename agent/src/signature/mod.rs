//! Signed policies: Ed25519 over a statement about the exact text of a policy.
//!
//! | module | holds |
//! | --- | --- |
//! | [`statement`] | what is said, and the bytes that are signed |
//! | [`file`](mod@file) | statement and signature as one file |
//! | [`key`] | secret keys, for whoever signs here |
//! | [`trust`] | whose statements are believed |

pub mod file;
pub mod key;
pub mod statement;
pub mod trust;

use ed25519_dalek::Signature;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use file::Signed;
pub use key::SecretKey;
pub use statement::{KeyId, Statement};
pub use trust::Trust;

use crate::hex::Hex;

/// Why a signature does not say that a policy may be applied.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SignatureError {
    /// The file is no signature file, or is written otherwise than this agent
    /// writes it.
    #[error("it is no signature file as `aegisbpf policy sign` writes it: {0}")]
    Malformed(String),
    /// Nobody we know.
    #[error("key {key} is not in the trust file")]
    UnknownKey {
        /// The key of the statement.
        key: KeyId,
    },
    /// Somebody we do not believe any more.
    #[error("key {name:?} was revoked: {reason}")]
    Revoked {
        /// Its name in the trust file.
        name: String,
        /// As the trust file says.
        reason: String,
    },
    /// Too early or too late.
    #[error("{what} is valid from {from} until {until}, and it is {now}", from = time(*from), until = time(*until), now = time(*now))]
    Time {
        /// The key or the statement.
        what: String,
        /// Seconds since 1970.
        from: u64,
        /// Seconds since 1970; not any more at this one.
        until: u64,
        /// Seconds since 1970.
        now: u64,
    },
    /// For other hosts.
    #[error("it is for {name:?}, and this host's trust file takes {}", names.join(", "))]
    Name {
        /// The statement's.
        name: String,
        /// The trust file's.
        names: Vec<String>,
    },
    /// About another text.
    #[error("it is about a policy with another text: {expected}, not {got}")]
    Text {
        /// SHA-256 that the statement names.
        expected: Hex<32>,
        /// SHA-256 of the text.
        got: Hex<32>,
    },
    /// About another policy.
    #[error("it is about another policy: {expected}, not {got}")]
    Policy {
        /// Digest that the statement names.
        expected: Hex<32>,
        /// Digest of the policy.
        got: Hex<32>,
    },
    /// The signature is not of this statement and key.
    #[error("the signature is not of this statement by key {name:?}")]
    Signature {
        /// The key's name in the trust file.
        name: String,
    },
    /// A statement that was overtaken.
    #[error("its counter is {counter}, and {highest} was applied already: sign with a higher one")]
    Counter {
        /// The statement's.
        counter: u64,
        /// The highest that was applied.
        highest: u64,
    },
}

/// The highest counter that was applied, and to which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// The counter.
    pub counter: u64,
    /// SHA-256 of the text; it alone may be applied again under this counter.
    pub text: Hex<32>,
}

/// A policy as it is offered.
#[derive(Debug, Clone, Copy)]
pub struct Offered<'a> {
    /// Its text.
    pub text: &'a [u8],
    /// The digest of its canonical form.
    pub policy: Hex<32>,
    /// The signature file.
    pub signature: &'a [u8],
}

/// Whether somebody who is trusted says that this policy may be applied, now or,
/// without a time, whenever; returns what was signed and the signer's name.
pub fn verify(
    offered: Offered<'_>,
    trust: &Trust,
    now: Option<u64>,
    floor: Option<Floor>,
) -> Result<(Signed, String), SignatureError> {
    let signed = Signed::from_bytes(offered.signature)?;
    let statement = &signed.statement;
    let key = trust.key(statement.key)?;
    let name = key.name.clone();
    let got = Hex(Sha256::digest(offered.text).into());
    if statement.text != got {
        let expected = statement.text;
        return Err(SignatureError::Text { expected, got });
    }
    if statement.policy != offered.policy {
        return Err(SignatureError::Policy {
            expected: statement.policy,
            got: offered.policy,
        });
    }
    // `verify_strict` also refuses what several implementations judge
    // differently: keys of small order and signatures that are not canonical.
    key.public
        .verify_strict(
            &statement.to_bytes(),
            &Signature::from_bytes(&signed.signature.0),
        )
        .map_err(|_| SignatureError::Signature { name: name.clone() })?;
    if let Some(now) = now {
        let what = format!("key {name:?}");
        in_time(what, key.not_before, key.expires, now)?;
        let what = format!("statement {}", statement.counter);
        in_time(what, statement.not_before, statement.expires, now)?;
    }
    if !trust.names.is_empty() && !trust.names.contains(&statement.name) {
        return Err(SignatureError::Name {
            name: statement.name.clone(),
            names: trust.names.clone(),
        });
    }
    if let Some(floor) = floor
        && (statement.counter < floor.counter
            || (statement.counter == floor.counter && statement.text != floor.text))
    {
        return Err(SignatureError::Counter {
            counter: statement.counter,
            highest: floor.counter,
        });
    }
    Ok((signed, name))
}

fn in_time(what: String, from: u64, until: u64, now: u64) -> Result<(), SignatureError> {
    if (from..until).contains(&now) {
        return Ok(());
    }
    Err(SignatureError::Time {
        what,
        from,
        until,
        now,
    })
}

/// A moment for people.
pub fn time(seconds: u64) -> String {
    let moment = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds));
    // The formatter ends with the year 9999.
    match moment {
        Some(moment) if seconds < 253_402_300_800 => {
            humantime::format_rfc3339_seconds(moment).to_string()
        }
        _ => "the end of time".into(),
    }
}

#[cfg(test)]
mod tests;
