//! Statement and signature as one file: one line of JSON, in exactly one form.

use serde::{Deserialize, Serialize};

use super::{SignatureError, Statement};
use crate::hex::Hex;

/// Bytes of the longest signature file.
pub const MAX_BYTES: usize = 4096;

/// A statement and its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// What is said.
    pub statement: Statement,
    /// Ed25519, over [`Statement::to_bytes`].
    pub signature: Hex<64>,
}

impl Signed {
    /// As it is written.
    pub fn to_text(&self) -> String {
        // Text and numbers in structures always become JSON.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// From a file. Only what [`Self::to_text`] writes is read, so that a file
    /// has no second form: other spaces, another order, capital digits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureError> {
        let malformed = |problem| Err(SignatureError::Malformed(problem));
        if bytes.len() > MAX_BYTES {
            return malformed(format!("it is longer than {MAX_BYTES} bytes"));
        }
        let signed: Self = match serde_json::from_slice(bytes) {
            Ok(signed) => signed,
            Err(error) => return malformed(error.to_string()),
        };
        if signed.to_text().as_bytes() != bytes {
            return malformed("it was written by something else, or changed".into());
        }
        match signed.statement.check() {
            Ok(()) => Ok(signed),
            Err(problem) => malformed(problem),
        }
    }
}
