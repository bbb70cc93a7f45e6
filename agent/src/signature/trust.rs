//! Whose statements are believed: `/etc/aegisbpf/trust.toml`.
//!
//! ```toml
//! require-signature = true          # nothing else is applied
//! names = ["production"]            # statements for anything else are refused
//!
//! [[key]]
//! name = "operations 2026"
//! public = "…"                      # 64 hexadecimal digits
//! not-before = 2026-01-01T00:00:00Z
//! expires = 2027-01-01T00:00:00Z
//! # revoked = "the laptop was lost"
//! ```
//!
//! To rotate, add the next key before the last one expires; to revoke, leave
//! the key in place and say why.

use std::{fs, io, path::Path};

use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use toml::{Spanned, value::Datetime};

use super::{KeyId, SignatureError, statement::key_id};
use crate::hex::Hex;

/// Everyone who is believed.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Whether a policy must be signed.
    pub require_signature: bool,
    /// Names of statements for this host; any when empty.
    pub names: Vec<String>,
    keys: Vec<Key>,
}

/// One signer.
#[derive(Debug, Clone)]
pub struct Key {
    /// For people.
    pub name: String,
    /// The key.
    pub public: VerifyingKey,
    /// Seconds since 1970.
    pub not_before: u64,
    /// Seconds since 1970; not any more at this one.
    pub expires: u64,
    /// Why it is not believed any more.
    pub revoked: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TrustText {
    #[serde(default)]
    require_signature: bool,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default, rename = "key")]
    keys: Vec<Spanned<KeyText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct KeyText {
    name: String,
    public: Hex<32>,
    not_before: Datetime,
    expires: Datetime,
    revoked: Option<String>,
}

impl Trust {
    /// Read a trust file; without one, nobody is believed.
    pub fn read(path: &Path) -> Result<Self, String> {
        let read = match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.to_string()),
        };
        read.map_err(|problem| format!("{}: {problem}", path.display()))
    }

    /// Read the text of a trust file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: TrustText = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut trust = Self {
            require_signature: file.require_signature,
            names: file.names,
            keys: Vec::new(),
        };
        for entry in file.keys {
            let start = text.get(..entry.span().start).unwrap_or_default();
            let line = start.matches('\n').count() + 1;
            let key =
                key(entry.into_inner()).map_err(|problem| format!("line {line}: {problem}"))?;
            if trust.keys.iter().any(|other| other.public == key.public) {
                let name = &key.name;
                return Err(format!("line {line}: key {name:?} is in the file already"));
            }
            trust.keys.push(key);
        }
        Ok(trust)
    }

    /// The key of a statement, unless it was revoked.
    pub(super) fn key(&self, id: KeyId) -> Result<&Key, SignatureError> {
        let key = self.keys.iter().find(|key| key_id(&key.public) == id);
        let key = key.ok_or(SignatureError::UnknownKey { key: id })?;
        match &key.revoked {
            None => Ok(key),
            Some(reason) => Err(SignatureError::Revoked {
                name: key.name.clone(),
                reason: reason.clone(),
            }),
        }
    }
}

fn key(text: KeyText) -> Result<Key, String> {
    let name = text.name;
    let public = VerifyingKey::from_bytes(&text.public.0)
        .ok()
        .filter(|public| !public.is_weak())
        .ok_or_else(|| format!("`public` of key {name:?} is no Ed25519 public key"))?;
    let (not_before, expires) = (seconds(&text.not_before)?, seconds(&text.expires)?);
    if not_before >= expires {
        return Err(format!("key {name:?} expires before it begins"));
    }
    Ok(Key {
        name,
        public,
        not_before,
        expires,
        revoked: text.revoked,
    })
}

fn seconds(moment: &Datetime) -> Result<u64, String> {
    let text = moment.to_string();
    humantime::parse_rfc3339(&text)
        .ok()
        .and_then(|moment| moment.duration_since(std::time::UNIX_EPOCH).ok())
        .map(|since| since.as_secs())
        .ok_or_else(|| format!("{text} must be a moment in UTC, such as 2026-01-01T00:00:00Z"))
}
