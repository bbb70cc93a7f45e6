//! in-toto Statement v1: subjects, and one claim about them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::Error as _};

use crate::{
    canonical::CanonicalError,
    digest::{Digest, Identity},
    moment::Moment,
};

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// How the manifest is called among the subjects.
pub const ROOT: &str = "evidence-root";

/// What a claim is, to those who read only its type.
pub trait Claim: Serialize {
    /// The predicate type of in-toto.
    const TYPE: &'static str;
}

/// A claim about subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement<C> {
    #[serde(rename = "_type")]
    kind: String,
    /// What it is about.
    pub subject: Vec<Resource>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    /// What is claimed.
    #[serde(rename = "predicate")]
    pub claim: C,
}

/// A thing and the digest that it is known by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its name in the checklist.
    pub name: String,
    /// By algorithm.
    pub digest: BTreeMap<String, String>,
}

/// The evidence with this root was collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleClaim {
    /// The checklist that it was collected for.
    pub checklist: Digest,
    /// When.
    pub collected: Moment,
    /// Its place in the chain.
    pub sequence: u64,
}

/// Someone has looked at the evidence with this root and agrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignOff {
    /// As what they sign.
    pub role: String,
    /// When.
    pub at: Moment,
}

/// Someone in a role says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// As what they sign.
    pub role: String,
    /// What they say, word for word what the checklist asks for.
    pub states: String,
    /// When.
    pub at: Moment,
}

/// An item may fail for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Which item of the checklist.
    pub item: String,
    /// Who wrote the waiver, by the name of a key.
    pub author: String,
    /// Who sees to it that the item gets mended.
    pub owner: String,
    /// Why the item fails.
    pub reason: String,
    /// What is done meanwhile instead.
    pub compensating_control: String,
    /// From when.
    pub issued: Moment,
    /// Until when.
    pub expires: Moment,
}

macro_rules! claims {
    ($($claim:ty => $kind:literal),*) => {$(
        impl Claim for $claim {
            const TYPE: &'static str = concat!("urn:aegisbpf:evidence:", $kind, ":v1");
        }
    )*};
}
claims!(BundleClaim => "bundle", SignOff => "sign-off", Attestation => "attestation", Waiver => "waiver");

impl<C: Claim> Statement<C> {
    /// A claim about these.
    pub fn new(subject: Vec<Resource>, claim: C) -> Self {
        Self {
            kind: STATEMENT_TYPE.to_owned(),
            subject,
            predicate_type: C::TYPE.to_owned(),
            claim,
        }
    }

    /// A claim that is of another type must not pass for this one.
    pub(super) fn check_types(&self) -> Result<(), CanonicalError> {
        for (found, expected) in [
            (&self.kind, STATEMENT_TYPE),
            (&self.predicate_type, C::TYPE),
        ] {
            if found != expected {
                let text = format!("it says `{found}`; expected `{expected}`");
                return Err(serde_json::Error::custom(text).into());
            }
        }
        Ok(())
    }

    /// What it says a subject is known by.
    pub fn identity(&self, name: &str) -> Option<Identity> {
        let mut all = self.subject.iter();
        all.find(|subject| subject.name == name)?.identity()
    }
}

impl Resource {
    /// A subject of a release.
    pub fn new(name: &str, identity: &Identity) -> Self {
        let (algorithm, digest) = match identity {
            Identity::Sha256(digest) => ("sha256", digest.to_string()),
            Identity::GitCommit { .. } => {
                let text = identity.to_string();
                ("gitCommit", text.trim_start_matches("git:").to_owned())
            }
        };
        Self {
            name: name.to_owned(),
            digest: BTreeMap::from([(algorithm.to_owned(), digest)]),
        }
    }

    /// The evidence with this root.
    pub fn root(root: Digest) -> Self {
        Self::new(ROOT, &Identity::Sha256(root))
    }

    /// What it is known by; none when by something that we never write.
    pub fn identity(&self) -> Option<Identity> {
        let mut digests = self.digest.iter();
        let identity = match digests.next()? {
            (algorithm, digest) if algorithm == "sha256" => {
                digest.parse().ok().map(Identity::Sha256)
            }
            (algorithm, commit) if algorithm == "gitCommit" => format!("git:{commit}").parse().ok(),
            _ => None,
        };
        identity.filter(|_| digests.next().is_none())
    }
}
