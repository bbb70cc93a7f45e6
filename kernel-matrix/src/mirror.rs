//! Where the Debian archives are. The project names no mirror: it takes the
//! one that the user or the machine already uses.

use std::{env, fs, path::Path};

use thiserror::Error;

use crate::{
    apt_sources::{self, AptSource},
    manifest::Archive,
};

/// The variable that names a mirror.
pub const VARIABLE: &str = "AEGISBPF_DEBIAN_MIRROR";

/// The addresses of the archives, the best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    /// Where that was learnt.
    pub origin: Origin,
    debian: Vec<String>,
    debian_security: Vec<String>,
}

/// Where the addresses were learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From the command line.
    Flag,
    /// From the variable.
    Variable,
    /// From the machine's apt sources.
    AptSources,
}

/// Why there is no mirror.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MirrorError {
    /// It is not an address that can be used.
    #[error(
        "{from} is {value:?}; expected the http or https address of a folder that has debian/ \
         and debian-security/ in it"
    )]
    Address {
        /// The flag or the variable.
        from: &'static str,
        /// What it says.
        value: String,
    },
    /// Nothing says where an archive is.
    #[error(
        "no mirror of the archive {} is known: {reason}.\nSet it with --mirror URL or with the \
         variable AEGISBPF_DEBIAN_MIRROR: the address of a folder that has debian/ and \
         debian-security/ in it, such as http://mirror.example",
        archive.name()
    )]
    Unknown {
        /// The archive.
        archive: Archive,
        /// Why the machine does not say it, either.
        reason: &'static str,
    },
}

const NOT_DEBIAN: &str = "this machine does not run Debian, so its package sources do not name one";
const NOT_IN_SOURCES: &str = "the apt sources of this machine do not name one over http or https";

impl Mirrors {
    /// The flag, else the variable, else the machine's apt sources where it
    /// runs Debian.
    pub fn discover(flag: Option<&str>) -> Result<Self, MirrorError> {
        if let Some(value) = flag {
            return Self::from_base(Origin::Flag, value);
        }
        if let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            return Self::from_base(Origin::Variable, &value.to_string_lossy());
        }
        let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        if !is_debian(&os_release) {
            return Err(MirrorError::Unknown {
                archive: Archive::Debian,
                reason: NOT_DEBIAN,
            });
        }
        Ok(Self::from_apt_sources(&apt_sources::read(Path::new(
            "/etc/apt",
        ))))
    }

    /// The archives below one address, by their usual names.
    pub fn from_base(origin: Origin, value: &str) -> Result<Self, MirrorError> {
        let base = value.trim().trim_end_matches('/');
        if !is_http(base) || base.contains(char::is_whitespace) {
            return Err(MirrorError::Address {
                from: match origin {
                    Origin::Flag => "--mirror",
                    Origin::Variable | Origin::AptSources => VARIABLE,
                },
                value: value.into(),
            });
        }
        let below = |archive: Archive| vec![format!("{base}/{}", archive.name())];
        Ok(Self {
            origin,
            debian: below(Archive::Debian),
            debian_security: below(Archive::DebianSecurity),
        })
    }

    /// The archives that apt uses, each maybe from elsewhere.
    pub fn from_apt_sources(sources: &[AptSource]) -> Self {
        let of = |archive: Archive| {
            let mut addresses: Vec<String> = Vec::new();
            for source in sources {
                let uri = source.uri.trim_end_matches('/');
                if is_http(uri)
                    && source.archive() == Some(archive)
                    && !addresses.iter().any(|known| known == uri)
                {
                    addresses.push(uri.into());
                }
            }
            addresses
        };
        Self {
            origin: Origin::AptSources,
            debian: of(Archive::Debian),
            debian_security: of(Archive::DebianSecurity),
        }
    }

    /// The addresses of a file of an archive, the best first.
    pub fn urls(&self, archive: Archive, path: &str) -> Result<Vec<String>, MirrorError> {
        let addresses = match archive {
            Archive::Debian => &self.debian,
            Archive::DebianSecurity => &self.debian_security,
        };
        if addresses.is_empty() {
            return Err(MirrorError::Unknown {
                archive,
                reason: NOT_IN_SOURCES,
            });
        }
        Ok(addresses
            .iter()
            .map(|address| format!("{address}/{path}"))
            .collect())
    }
}

fn is_http(address: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        address
            .strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    })
}

/// Whether this is Debian itself: a derivative's sources name other archives.
fn is_debian(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID="))
        .any(|id| id.trim().trim_matches(['"', '\'']) == "debian")
}
