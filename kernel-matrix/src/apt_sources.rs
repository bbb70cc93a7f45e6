//! Reading apt's lists of sources, in both formats (`man 5 sources.list`).

use std::{fs, path::Path};

use crate::manifest::Archive;

/// One address and one suite that apt uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// Root of the archive.
    pub uri: String,
    /// Such as `bookworm-security`.
    pub suite: String,
}

impl AptSource {
    /// Which of Debian's archives this is, if it is one of them.
    pub fn archive(&self) -> Option<Archive> {
        let folder = self.uri.trim_end_matches('/').rsplit('/').next()?;
        match folder {
            "debian" => Some(Archive::Debian),
            "debian-security" => Some(Archive::DebianSecurity),
            // The security archive is mirrored under other names, too, but
            // its suites are unmistakable. Any other folder may hold anything.
            _ if Archive::of_suite(&self.suite) == Archive::DebianSecurity => {
                Some(Archive::DebianSecurity)
            }
            _ => None,
        }
    }
}

/// All sources of apt's configuration folder; what cannot be read is not a
/// source.
pub fn read(apt: &Path) -> Vec<AptSource> {
    let mut files = vec![apt.join("sources.list")];
    if let Ok(folder) = fs::read_dir(apt.join("sources.list.d")) {
        files.extend(folder.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => sources.extend(one_line(&text)),
            Some("sources") => sources.extend(deb822(&text)),
            _ => {}
        }
    }
    sources
}

/// `deb [options] uri suite component…`, one a line.
pub fn one_line(text: &str) -> Vec<AptSource> {
    text.lines()
        .filter_map(|line| {
            let line = line.split('#').next()?.trim();
            let (kind, rest) = line.split_once(char::is_whitespace)?;
            if kind != "deb" && kind != "deb-src" {
                return None;
            }
            let rest = rest.trim_start();
            let rest = match rest.strip_prefix('[') {
                Some(options) => options.split_once(']')?.1,
                None => rest,
            };
            let mut words = rest.split_whitespace();
            Some(AptSource {
                uri: words.next()?.into(),
                suite: words.next()?.into(),
            })
        })
        .collect()
}

/// Paragraphs of `Key: value`.
pub fn deb822(text: &str) -> Vec<AptSource> {
    let without_comments: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    without_comments
        .split(|line| line.trim().is_empty())
        .flat_map(paragraph)
        .collect()
}

fn paragraph(lines: &[&str]) -> Vec<AptSource> {
    let (mut uris, mut suites, mut enabled) = (Vec::new(), Vec::new(), true);
    let mut key = String::new();
    for line in lines {
        // A line that begins with a blank goes on with the field above it.
        let value = if line.starts_with([' ', '\t']) {
            line
        } else if let Some((name, value)) = line.split_once(':') {
            key = name.trim().to_ascii_lowercase();
            value
        } else {
            continue;
        };
        let words = value.split_whitespace();
        match key.as_str() {
            "uris" => uris.extend(words),
            "suites" => suites.extend(words),
            "enabled" => enabled = !matches!(value.trim(), "no" | "false" | "without" | "off"),
            _ => {}
        }
    }
    if !enabled {
        return Vec::new();
    }
    let source = |uri: &&str, suite: &&str| AptSource {
        uri: (*uri).into(),
        suite: (*suite).into(),
    };
    uris.iter()
        .flat_map(|uri| suites.iter().map(move |suite| source(uri, suite)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(sources: &[AptSource]) -> Vec<(&str, &str)> {
        sources
            .iter()
            .map(|source| (source.uri.as_str(), source.suite.as_str()))
            .collect()
    }

    #[test]
    fn every_line_of_the_old_format_is_one_source() {
        let text = "\
# deb http://off.example/debian sid main
deb http://a.example/debian bookworm main contrib # comment
  deb   [ arch=amd64 signed-by=/x.gpg ]  https://b.example/debian-security  bookworm-security main
deb-src http://c.example/debian bookworm main
debris http://d.example/debian sid main
deb http://e.example/debian
deb [broken http://f.example/debian sid main
";
        assert_eq!(
            pairs(&one_line(text)),
            [
                ("http://a.example/debian", "bookworm"),
                ("https://b.example/debian-security", "bookworm-security"),
                ("http://c.example/debian", "bookworm"),
            ]
        );
    }

    #[test]
    fn every_enabled_paragraph_of_the_new_format_is_sources() {
        let text = "\
Types: deb
# http://off.example/debian
URIs: http://a.example/debian http://b.example/debian
Suites: bookworm
  bookworm-updates
Components: main

Enabled: no
Types: deb
URIs: http://c.example/debian
Suites: sid

types: deb
uris: http://d.example/debian-security
suites: bookworm-security
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 uris: http://e.example/debian
";
        assert_eq!(
            pairs(&deb822(text)),
            [
                ("http://a.example/debian", "bookworm"),
                ("http://a.example/debian", "bookworm-updates"),
                ("http://b.example/debian", "bookworm"),
                ("http://b.example/debian", "bookworm-updates"),
                ("http://d.example/debian-security", "bookworm-security"),
            ]
        );
    }

    #[test]
    fn an_archive_is_known_by_its_folder_or_its_security_suite() {
        for (uri, suite, archive) in [
            (
                "http://a.example/debian/",
                "bookworm",
                Some(Archive::Debian),
            ),
            (
                "http://a.example/debian-security",
                "x",
                Some(Archive::DebianSecurity),
            ),
            (
                "http://a.example/sec",
                "bookworm-security",
                Some(Archive::DebianSecurity),
            ),
            ("http://a.example/tools", "stable", None),
        ] {
            let source = AptSource {
                uri: uri.into(),
                suite: suite.into(),
            };
            assert_eq!(source.archive(), archive, "{uri} {suite}");
        }
    }

    #[test]
    fn files_of_both_formats_are_read_and_others_are_not() {
        let apt = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| fs::write(apt.path().join(name), text).expect("written");
        fs::create_dir(apt.path().join("sources.list.d")).expect("a folder");
        put("sources.list", "deb http://a.example/debian sid main");
        put(
            "sources.list.d/b.sources",
            "URIs: http://b.example/debian\nSuites: sid",
        );
        put(
            "sources.list.d/c.list",
            "deb http://c.example/debian sid main",
        );
        put(
            "sources.list.d/d.list.save",
            "deb http://d.example/debian sid main",
        );
        let hosts: Vec<_> = read(apt.path())
            .into_iter()
            .map(|source| source.uri)
            .collect();
        let expected = ["a", "b", "c"].map(|host| format!("http://{host}.example/debian"));
        assert_eq!(hosts, expected);
        assert_eq!(read(&apt.path().join("none")), []);
    }
}
