//! DSSE: a payload with its type, and signatures over both.
//!
//! Envelopes are read only in their canonical form, so that no byte of one can
//! change unnoticed. Every signature in one must be good and of a known key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::{
    key::SecretKey,
    statement::{Claim, Statement},
};
use crate::{
    canonical::{self, CanonicalError},
    trust::{Trust, TrustedKey},
};

/// The type of an in-toto statement as a payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A signed statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The statement, in base64.
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    keyid: String,
    sig: String,
}

/// A statement whose signatures are all good.
#[derive(Debug, Clone)]
pub struct Opened<'t, C> {
    /// What was signed.
    pub statement: Statement<C>,
    /// By whom: each once, at least one.
    pub signers: Vec<&'t TrustedKey>,
}

/// Why an envelope is refused.
#[derive(Debug, Error)]
pub enum SealError {
    /// Not an envelope as we write them.
    #[error("not an envelope: {0}")]
    Envelope(CanonicalError),
    /// Of something else.
    #[error("the payload is of type `{0}`; expected `{PAYLOAD_TYPE}`")]
    PayloadType(String),
    /// Not base64, or not in its canonical form.
    #[error("{0} is not base64")]
    Base64(&'static str),
    /// Nobody signed.
    #[error("nobody signed it")]
    Unsigned,
    /// A key that the trust file does not have.
    #[error("signed by the key {keyid}, which the trust file does not have")]
    UnknownKey {
        /// What the envelope calls it.
        keyid: String,
    },
    /// It does not fit the payload.
    #[error("the signature of {name} does not fit")]
    BadSignature {
        /// Whose key it is.
        name: String,
    },
    /// The same key signed twice.
    #[error("{name} signed twice")]
    Twice {
        /// Whose key it is.
        name: String,
    },
    /// The payload is no statement of this kind.
    #[error("not the statement that was expected: {0}")]
    Statement(CanonicalError),
}

/// What is signed: no two pairs of type and payload give the same bytes.
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// A statement signed with these keys.
    pub fn seal<C: Claim>(
        statement: &Statement<C>,
        keys: &[&SecretKey],
    ) -> Result<Self, CanonicalError> {
        let payload = canonical::write(statement)?;
        let signed = signed_bytes(PAYLOAD_TYPE, &payload);
        let signatures = keys.iter().map(|key| EnvelopeSignature {
            keyid: key.public().id(),
            sig: STANDARD.encode(key.sign(&signed)),
        });
        Ok(Self {
            payload: STANDARD.encode(&payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: signatures.collect(),
        })
    }

    /// The envelope in a file.
    pub fn read(bytes: &[u8]) -> Result<Self, SealError> {
        canonical::read(bytes).map_err(SealError::Envelope)
    }

    /// What its file holds.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical::write(self)
    }

    /// Check every signature, then read the statement.
    pub fn open<'t, C: Claim + DeserializeOwned>(
        &self,
        trust: &'t Trust,
    ) -> Result<Opened<'t, C>, SealError> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(SealError::PayloadType(self.payload_type.clone()));
        }
        let decode = |text: &str, what| STANDARD.decode(text).map_err(|_| SealError::Base64(what));
        let payload = decode(&self.payload, "the payload")?;
        let signed = signed_bytes(&self.payload_type, &payload);
        let mut signers: Vec<&TrustedKey> = Vec::new();
        for signature in &self.signatures {
            let key = trust
                .key_of(&signature.keyid)
                .ok_or_else(|| SealError::UnknownKey {
                    keyid: signature.keyid.clone(),
                })?;
            let name = || key.name.clone();
            if !key
                .public
                .verifies(&signed, &decode(&signature.sig, "a signature")?)
            {
                return Err(SealError::BadSignature { name: name() });
            }
            if signers.iter().any(|signer| signer.name == key.name) {
                return Err(SealError::Twice { name: name() });
            }
            signers.push(key);
        }
        if signers.is_empty() {
            return Err(SealError::Unsigned);
        }
        let statement: Statement<C> = canonical::read(&payload).map_err(SealError::Statement)?;
        statement.check_types().map_err(SealError::Statement)?;
        Ok(Opened { statement, signers })
    }
}
