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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_both_archives_below_it() {
        let mirrors = Mirrors::from_base(Origin::Flag, " http://a.example/x/ ").expect("valid");
        assert_eq!(
            mirrors.urls(Archive::DebianSecurity, "pool/a.deb"),
            Ok(vec!["http://a.example/x/debian-security/pool/a.deb".into()])
        );
        assert_eq!(
            mirrors.urls(Archive::Debian, "pool/a.deb"),
            Ok(vec!["http://a.example/x/debian/pool/a.deb".into()])
        );
    }

    #[test]
    fn what_is_no_address_is_refused_with_where_it_came_from() {
        for value in [
            "",
            "a.example",
            "http://",
            "ftp://a.example",
            "http://a.example /x",
        ] {
            let from = |origin| {
                let error = Mirrors::from_base(origin, value).expect_err(value);
                error.to_string()
            };
            assert!(from(Origin::Flag).starts_with("--mirror is"), "{value}");
            assert!(from(Origin::Variable).starts_with(VARIABLE), "{value}");
        }
    }

    #[test]
    fn archives_come_from_wherever_apt_has_them() {
        let source = |uri: &str, suite: &str| AptSource {
            uri: uri.into(),
            suite: suite.into(),
        };
        let mirrors = Mirrors::from_apt_sources(&[
            source("http://a.example/debian", "bookworm"),
            source("http://a.example/debian/", "bookworm-updates"),
            source("cdrom://debian", "bookworm"),
            source("http://b.example/debian", "bookworm"),
            source("http://c.example/docker", "bookworm"),
        ]);
        let both = ["a", "b"].map(|host| format!("http://{host}.example/debian/x"));
        assert_eq!(mirrors.urls(Archive::Debian, "x"), Ok(both.into()));
        let error = mirrors
            .urls(Archive::DebianSecurity, "x")
            .expect_err("none");
        let message = error.to_string();
        for part in ["debian-security", "--mirror", VARIABLE] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn only_debian_itself_is_debian() {
        for (os_release, is) in [
            ("NAME=x\nID=debian\n", true),
            ("ID=\"debian\"", true),
            ("ID=other\nID_LIKE=debian", false),
            ("", false),
        ] {
            assert_eq!(is_debian(os_release), is, "{os_release}");
        }
    }
}
