//! What a signer says: this text, under this name, with this counter, in this
//! time.

use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::hex::Hex;

/// Keeps these bytes from ever being taken for another protocol's, and those
/// of another version for these.
const DOMAIN: &[u8] = b"aegisbpf policy statement v1";
/// Bytes of the longest name.
const MAX_NAME: usize = 128;

/// The first half of the SHA-256 of a public key.
pub type KeyId = Hex<16>;

/// The id of a public key.
pub fn key_id(public: &VerifyingKey) -> KeyId {
    let digest = Sha256::digest(public.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    Hex(id)
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Statement {
    /// What the policy is for; a trust file can say which names it takes.
    pub name: String,
    /// The key that signs.
    pub key: KeyId,
    /// Never lower than that of the policy before.
    pub counter: u64,
    /// Seconds since 1970; the policy may be applied from then on.
    pub not_before: u64,
    /// Seconds since 1970; the policy may not be applied any more. One that is
    /// in force stays.
    pub expires: u64,
    /// Digest of the canonical form.
    pub policy: Hex<32>,
    /// SHA-256 of the exact text, comments included.
    pub text: Hex<32>,
}

impl Statement {
    /// The bytes that are signed: each field after its length (32 bits, big
    /// end first), numbers as 64 bits, big end first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let fields: [&[u8]; 8] = [
            DOMAIN,
            self.name.as_bytes(),
            &self.key.0,
            &self.counter.to_be_bytes(),
            &self.not_before.to_be_bytes(),
            &self.expires.to_be_bytes(),
            &self.policy.0,
            &self.text.0,
        ];
        fields.iter().fold(Vec::new(), |mut bytes, field| {
            let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
            bytes.extend(length.to_be_bytes());
            bytes.extend(*field);
            bytes
        })
    }

    /// From those bytes; nothing may be before, between or behind the fields.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let mut rest = bytes;
        let domain = take(&mut rest)?;
        if domain != DOMAIN {
            return Err("these are no bytes of a policy statement of version 1".into());
        }
        let statement = Self {
            name: String::from_utf8(take(&mut rest)?.to_owned())
                .map_err(|_| "the name is no text".to_owned())?,
            key: Hex(exact(&mut rest)?),
            counter: u64::from_be_bytes(exact(&mut rest)?),
            not_before: u64::from_be_bytes(exact(&mut rest)?),
            expires: u64::from_be_bytes(exact(&mut rest)?),
            policy: Hex(exact(&mut rest)?),
            text: Hex(exact(&mut rest)?),
        };
        if !rest.is_empty() {
            return Err(format!("{} bytes are left over", rest.len()));
        }
        statement.check().map(|()| statement)
    }

    /// Whether it makes sense.
    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(format!(
                "name {name:?} must be 1 to {MAX_NAME} bytes without control characters"
            ));
        }
        if self.not_before >= self.expires {
            return Err("it expires before it begins".into());
        }
        Ok(())
    }
}

fn take<'bytes>(rest: &mut &'bytes [u8]) -> Result<&'bytes [u8], String> {
    let short = || "the bytes end within a field".to_owned();
    let (length, after) = rest.split_first_chunk().ok_or_else(short)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| short())?;
    let (field, after) = after.split_at_checked(length).ok_or_else(short)?;
    *rest = after;
    Ok(field)
}

fn exact<const BYTES: usize>(rest: &mut &[u8]) -> Result<[u8; BYTES], String> {
    let field = take(rest)?;
    field
        .try_into()
        .map_err(|_| format!("a field of {BYTES} bytes has {}", field.len()))
}
