//! SHA-256 digests, and what a subject of a release is known by.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// A SHA-256, written as 64 lower-case hexadecimal digits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Digest([u8; 32]);

/// Text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected {expected}, found {found:?}")]
pub struct ParseDigestError {
    expected: &'static str,
    found: String,
}

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Enough of it to tell two apart in a sentence.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let error = || ParseDigestError {
            expected: "a SHA-256 as 64 lower-case hexadecimal digits",
            found: text.to_owned(),
        };
        if text.len() != 64 || !is_hex(text) {
            return Err(error());
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| error())?;
        }
        Ok(Self(bytes))
    }
}

/// What a subject is known by: `sha256:…` of its bytes, or `git:…`, a commit,
/// with `-dirty` after it when the tree differed from it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Identity {
    /// The content of a file, or what a command printed.
    Sha256(Digest),
    /// A state of the sources.
    GitCommit {
        /// 40 hexadecimal digits; what a report states may be shorter.
        commit: String,
        /// Whether there were changes that no commit has.
        dirty: bool,
    },
}

impl Identity {
    /// A commit as git describes it: `1a2b3c`, `v1.0-3-g1a2b3c`, `1a2b3c-dirty`.
    pub fn of_described(described: &str) -> Option<Self> {
        let (name, dirty) = match described.strip_suffix("-dirty") {
            Some(name) => (name, true),
            None => (described, false),
        };
        let commit = name.rsplit_once("-g").map_or(name, |(_, commit)| commit);
        let whole = (7..=40).contains(&commit.len()) && is_hex(commit);
        whole.then(|| Self::GitCommit {
            commit: commit.to_owned(),
            dirty,
        })
    }

    /// Whether both are the same thing; a commit may be shortened in one.
    pub fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::GitCommit { commit, dirty },
                Self::GitCommit {
                    commit: other,
                    dirty: other_dirty,
                },
            ) => dirty == other_dirty && (commit.starts_with(other) || other.starts_with(commit)),
            _ => self == other,
        }
    }

    /// Whether it names sources that nobody else can have.
    pub const fn is_dirty(&self) -> bool {
        matches!(self, Self::GitCommit { dirty: true, .. })
    }

    /// Enough of it to tell two apart in a sentence.
    pub fn short(&self) -> String {
        match self {
            Self::Sha256(digest) => format!("sha256:{}", digest.short()),
            Self::GitCommit { commit, dirty } => {
                let short = &commit[..commit.len().min(12)];
                format!("git:{short}{}", if *dirty { "-dirty" } else { "" })
            }
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "sha256:{digest}"),
            Self::GitCommit { commit, dirty } => {
                write!(f, "git:{commit}{}", if *dirty { "-dirty" } else { "" })
            }
        }
    }
}

impl FromStr for Identity {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        match text.split_once(':') {
            Some(("sha256", digest)) => digest.parse().map(Self::Sha256),
            Some(("git", commit)) => {
                { Self::of_described(commit).filter(|identity| identity.to_string() == text) }
                    .ok_or_else(|| ParseDigestError {
                        expected: "a commit of 7 to 40 lower-case hexadecimal digits",
                        found: text.to_owned(),
                    })
            }
            _ => Err(ParseDigestError {
                expected: "sha256:DIGEST or git:COMMIT",
                found: text.to_owned(),
            }),
        }
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Read and written as text.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl TryFrom<String> for $name {
            type Error = ParseDigestError;

            fn try_from(text: String) -> Result<Self, ParseDigestError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}
as_text!(Digest, Identity);

#[cfg(test)]
mod tests {
    use super::{Digest, Identity};

    #[test]
    fn a_digest_is_read_only_as_it_is_written() {
        let digest = Digest::of(b"");
        assert_eq!(digest.short(), "e3b0c44298fc");
        let text = digest.to_string();
        assert_eq!(text.parse(), Ok(digest));
        for wrong in [text.to_uppercase(), text[1..].into(), format!("{text}0")] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_shortened_commit_agrees_and_a_dirty_one_does_not() {
        let commit = "git:7b02ab0123456789012345678901234567890123";
        let whole: Identity = commit.parse().unwrap();
        let check = |described: &str, agrees: bool| {
            let stated = Identity::of_described(described);
            let found = stated.is_some_and(|stated| stated.agrees_with(&whole));
            assert_eq!(found, agrees, "{described}");
        };
        check("7b02ab012345", true);
        check("v1.0-3-g7b02ab012345", true);
        check("7b02ab012345-dirty", false);
        check("7b02ab099999", false);
        check("7b", false);
        check("", false);
        assert!("git:v1-g7b02ab0".parse::<Identity>().is_err());
    }
}
