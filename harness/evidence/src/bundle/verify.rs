//! From files to a bundle that can be believed.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::{Files, Manifest, folder::blob_name, manifest::SCHEMA_VERSION};
use crate::{
    canonical::{self, CanonicalError},
    digest::Digest,
    sign::{BundleClaim, Envelope, Opened, Resource, SealError, SignOff},
    trust::{COLLECTOR, Trust},
};

/// A bundle that is whole and signed by those who may.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// What the evidence is.
    pub manifest: Manifest,
    /// The SHA-256 of the manifest.
    pub root: Digest,
    /// Every content.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// Whose key signed the collection.
    pub collector: String,
    /// Who agrees, as what.
    pub sign_offs: Vec<(String, SignOff)>,
}

/// Why a bundle is refused.
#[derive(Debug, Error)]
pub enum Refusal {
    /// A file that every bundle has.
    #[error("{0} is missing")]
    Dropped(String),
    /// A file that nothing names.
    #[error("{0} is not of this bundle")]
    Stray(String),
    /// The manifest is none.
    #[error("manifest.json: {0}")]
    Manifest(CanonicalError),
    /// The manifest is of a version that is not known.
    #[error("manifest.json: schema_version {0}; expected {SCHEMA_VERSION}")]
    Version(u32),
    /// A content is not the one that was collected.
    #[error("{file} has other content than its name says (sha256 {found})")]
    Altered {
        /// Which file.
        file: String,
        /// What it has.
        found: Digest,
    },
    /// A piece of evidence is longer or shorter than the manifest says.
    #[error("the manifest gives {name} another length than it has")]
    Length {
        /// Which piece.
        name: String,
    },
    /// The link to the bundle before makes no sense.
    #[error("the bundle is number {0} in its chain, so it must {1} a bundle before")]
    Chain(u64, &'static str),
    /// The signatures of a file.
    #[error("{file}: {cause}")]
    Seal {
        /// Which file.
        file: String,
        /// What is wrong.
        cause: SealError,
    },
    /// Signed by someone who may not.
    #[error("{file}: {name} does not have the role `{role}`")]
    Role {
        /// Which file.
        file: String,
        /// Who signed.
        name: String,
        /// As what.
        role: String,
    },
    /// Signed, but about other things.
    #[error("{file}: it is about something else than this manifest")]
    OtherSubject {
        /// Which file.
        file: String,
    },
    /// Somebody signed off twice as the same.
    #[error("{name} signed off twice as `{role}`")]
    Twice {
        /// Who.
        name: String,
        /// As what.
        role: String,
    },
}

/// Check every file of a bundle. Nothing else is asked, and no clock.
pub fn verify(files: &Files, trust: &Trust) -> Result<Bundle, Refusal> {
    let file = |name: &str| {
        let bytes = files.get(name);
        bytes.ok_or_else(|| Refusal::Dropped(name.to_owned()))
    };
    let bytes = file("manifest.json")?;
    let root = Digest::of(bytes);
    let manifest: Manifest = canonical::read(bytes).map_err(Refusal::Manifest)?;
    if manifest.schema_version != SCHEMA_VERSION {
        return Err(Refusal::Version(manifest.schema_version));
    }
    match (manifest.sequence, &manifest.previous) {
        (0, Some(_)) => return Err(Refusal::Chain(0, "not name")),
        (number @ 1.., None) => return Err(Refusal::Chain(number, "name")),
        (0, None) | (1.., Some(_)) => {}
    }
    let blobs = blobs(files, &manifest)?;
    let collector = statement(file("statement.json")?, &manifest, root, trust)?;
    let mut expected: BTreeSet<String> = blobs.keys().copied().map(blob_name).collect();
    expected.extend(["manifest.json".to_owned(), "statement.json".to_owned()]);
    let mut sign_offs: Vec<(String, SignOff)> = Vec::new();
    // Numbered without a gap, so that only the last can go unnoticed, and that
    // only when more signed than must.
    for number in 1.. {
        let name = format!("sign-offs/{number}.json");
        let Some(bytes) = files.get(&name) else {
            break;
        };
        let (who, claim) = sign_off(&name, bytes, root, trust)?;
        let twice = |(other, known): &(String, SignOff)| *other == who && known.role == claim.role;
        if sign_offs.iter().any(twice) {
            return Err(Refusal::Twice {
                name: who,
                role: claim.role,
            });
        }
        sign_offs.push((who, claim));
        expected.insert(name);
    }
    if let Some(stray) = files.keys().find(|name| !expected.contains(*name)) {
        return Err(Refusal::Stray(stray.clone()));
    }
    Ok(Bundle {
        manifest,
        root,
        blobs,
        collector,
        sign_offs,
    })
}

fn blobs(files: &Files, manifest: &Manifest) -> Result<BTreeMap<Digest, Vec<u8>>, Refusal> {
    let mut blobs = BTreeMap::new();
    for digest in manifest.blobs() {
        let name = blob_name(digest);
        let bytes = files
            .get(&name)
            .ok_or_else(|| Refusal::Dropped(name.clone()))?;
        let found = Digest::of(bytes);
        if found != digest {
            return Err(Refusal::Altered { file: name, found });
        }
        blobs.insert(digest, bytes.clone());
    }
    for (name, entry) in &manifest.evidence {
        if entry.bytes != blobs[&entry.digest].len() as u64 {
            return Err(Refusal::Length { name: name.clone() });
        }
    }
    Ok(blobs)
}

fn open<'t, C: crate::sign::Claim + serde::de::DeserializeOwned>(
    file: &str,
    bytes: &[u8],
    trust: &'t Trust,
) -> Result<Opened<'t, C>, Refusal> {
    let opened = Envelope::read(bytes).and_then(|envelope| envelope.open(trust));
    opened.map_err(|cause| Refusal::Seal {
        file: file.to_owned(),
        cause,
    })
}

/// Whose key signed the collection.
fn statement(
    bytes: &[u8],
    manifest: &Manifest,
    root: Digest,
    trust: &Trust,
) -> Result<String, Refusal> {
    let file = "statement.json";
    let opened: Opened<'_, BundleClaim> = open(file, bytes, trust)?;
    let claim = &opened.statement.claim;
    let same = claim.checklist == manifest.checklist
        && claim.collected == manifest.collected
        && claim.sequence == manifest.sequence;
    if !same || opened.statement.subject != subjects(manifest, root) {
        return Err(Refusal::OtherSubject { file: file.into() });
    }
    if let Some(signer) = opened.signers.iter().find(|key| !key.has_role(COLLECTOR)) {
        return Err(Refusal::Role {
            file: file.into(),
            name: signer.name.clone(),
            role: COLLECTOR.into(),
        });
    }
    let names: Vec<&str> = opened.signers.iter().map(|key| key.name.as_str()).collect();
    Ok(names.join(", "))
}

/// What the collector signs: the root, and what is to be released.
pub(crate) fn subjects(manifest: &Manifest, root: Digest) -> Vec<Resource> {
    let subjects = manifest.subjects.iter();
    let subjects = subjects.map(|(name, identity)| Resource::new(name, identity));
    [Resource::root(root)].into_iter().chain(subjects).collect()
}

/// Who signed off, and as what.
fn sign_off(
    file: &str,
    bytes: &[u8],
    root: Digest,
    trust: &Trust,
) -> Result<(String, SignOff), Refusal> {
    let opened: Opened<'_, SignOff> = open(file, bytes, trust)?;
    if opened.statement.subject != [Resource::root(root)] {
        return Err(Refusal::OtherSubject { file: file.into() });
    }
    let claim = opened.statement.claim;
    // One signature in each file, so that each can be told from the others.
    let [signer] = opened.signers[..] else {
        return Err(Refusal::OtherSubject { file: file.into() });
    };
    if !signer.has_role(&claim.role) {
        return Err(Refusal::Role {
            file: file.into(),
            name: signer.name.clone(),
            role: claim.role,
        });
    }
    Ok((signer.name.clone(), claim))
}
