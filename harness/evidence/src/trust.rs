//! The trust file: whose keys, in which roles, and how many sign-offs it takes.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{
    sign::PublicKey,
    written::{Mistake, Source},
};

/// The role of keys that may sign a bundle.
pub const COLLECTOR: &str = "collector";
/// The role of keys that may approve a waiver.
pub const WAIVER_APPROVER: &str = "waiver-approver";

/// Who is believed, and in what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Whether these are keys that anybody could have made, so that a decision
    /// is worth nothing outside the machine.
    pub development: bool,
    /// Every key.
    pub keys: Vec<TrustedKey>,
    /// How many sign-offs it takes.
    pub sign_offs: Vec<Threshold>,
}

/// A key and what it may sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// Whose it is; unique.
    pub name: String,
    /// What they sign as: `collector`, `waiver-approver`, or whatever the
    /// checklist and the sign-offs call it.
    pub roles: Vec<String>,
    /// 32 bytes in base64.
    pub public: PublicKey,
}

/// How many keys of a role must sign off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The role.
    pub role: String,
    /// How many different keys.
    pub at_least: usize,
}

/// The file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Trust file")]
pub struct TrustFile {
    /// The version of this format: 1.
    #[schemars(with = "u32")]
    version: Spanned<u32>,
    /// Whether the keys are for trying things out only.
    #[serde(default)]
    development: bool,
    /// Every key.
    #[schemars(with = "Vec<TrustedKey>")]
    key: Vec<Spanned<TrustedKey>>,
    /// How many sign-offs it takes.
    #[serde(default)]
    #[schemars(with = "Vec<Threshold>")]
    sign_off: Vec<Spanned<Threshold>>,
}

impl TrustedKey {
    /// Whether it may sign as this.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }
}

impl Trust {
    /// Parse and check a file.
    pub fn parse(file: &str, text: &str) -> Result<Self, Mistake> {
        let source = Source { file, text };
        let written: TrustFile = source.parse()?;
        source.check_version(&written.version)?;
        let mut seen = BTreeSet::new();
        for key in &written.key {
            let fresh = seen.insert(key.as_ref().name.clone());
            if !fresh || !seen.insert(key.as_ref().public.id()) {
                let problem = "two keys have this name, or are the same: remove one";
                return Err(source.mistake(key.span(), problem));
            }
        }
        let trust = Self {
            development: written.development,
            keys: written.key.into_iter().map(Spanned::into_inner).collect(),
            sign_offs: Vec::new(),
        };
        if trust.holders(COLLECTOR) == 0 {
            let problem =
                format!("no key has the role `{COLLECTOR}`, so no bundle is ever believed");
            return Err(source.mistake(0..0, problem));
        }
        for threshold in &written.sign_off {
            let Threshold { role, at_least } = threshold.as_ref();
            let holders = trust.holders(role);
            if *at_least == 0 || *at_least > holders {
                return Err(Mistake {
                    expected: Some(format!(
                        "1 to {holders}, which is how many keys have the role"
                    )),
                    ..source.mistake(
                        threshold.span(),
                        format!("{at_least} sign-offs as `{role}`"),
                    )
                });
            }
        }
        let sign_offs = written.sign_off.into_iter().map(Spanned::into_inner);
        Ok(Self {
            sign_offs: sign_offs.collect(),
            ..trust
        })
    }

    /// How many keys have a role.
    fn holders(&self, role: &str) -> usize {
        self.keys.iter().filter(|key| key.has_role(role)).count()
    }

    /// The key that an envelope calls so.
    pub fn key_of(&self, keyid: &str) -> Option<&TrustedKey> {
        self.keys.iter().find(|key| key.public.id() == keyid)
    }
}
