//! Reading the two indices of a Debian suite: `InRelease` and `Packages`.

use anyhow::{Context as _, Result};
use kernel_matrix::digest::Digest;

/// A file in a Debian archive, as an index describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileInfo {
    /// Relative to the root of the archive.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Digest,
}

/// What the text of an InRelease says about a file of the suite; the path is
/// relative to the suite's folder.
pub(super) fn file_of_release(in_release: &str, path: &str) -> Option<FileInfo> {
    in_release
        .lines()
        .skip_while(|line| line.trim_end() != "SHA256:")
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        .find_map(|line| {
            let mut words = line.split_whitespace();
            let (sha256, size) = (words.next()?, words.next()?);
            (words.next()? == path).then_some(())?;
            Some(FileInfo {
                path: path.to_owned(),
                size: size.parse().ok()?,
                sha256: sha256.parse().ok()?,
            })
        })
}

/// The package of this name whose upstream version is `release`; `None` if
/// the suite has another version or no such package.
pub(super) fn package_of_release(
    packages: &str,
    name: &str,
    release: &str,
) -> Result<Option<FileInfo>> {
    let found = packages.split("\n\n").find(|stanza| {
        field(stanza, "Package") == Some(name)
            && field(stanza, "Version").is_some_and(|version| upstream(version) == release)
    });
    let Some(stanza) = found else {
        return Ok(None);
    };
    let required = |key| {
        field(stanza, key).with_context(|| format!("the index gives no {key} for {name} {release}"))
    };
    Ok(Some(FileInfo {
        path: required("Filename")?.to_owned(),
        size: required("Size")?.parse()?,
        sha256: required("SHA256")?.parse()?,
    }))
}

fn field<'a>(stanza: &'a str, key: &str) -> Option<&'a str> {
    stanza
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
}

/// `1.95.0` of `1.95.0+dfsg1-2~bpo13+1`: without epoch, revision and the
/// suffix of a repacked source.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let version = version.rsplit_once('-').map_or(version, |(rest, _)| rest);
    version
        .split_once(['+', '~'])
        .map_or(version, |(release, _)| release)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn the_upstream_version_is_compared_and_nothing_else() {
        let check = |version, expected| assert_eq!(upstream(version), expected);
        check("1.95.0+dfsg1-2~bpo13+1", "1.95.0");
        check("1.95.0-1", "1.95.0");
        check("2:1.95.0~rc1-1", "1.95.0");
        check("1.95.0", "1.95.0");
    }

    #[test]
    fn a_package_is_found_by_name_and_release() {
        let packages = format!(
            "Package: rust-src\nVersion: 1.94.0+dfsg1-1\n\n\
             Package: rust-src-extra\nVersion: 1.95.0+dfsg1-2\n\n\
             Package: rust-src\nVersion: 1.95.0+dfsg1-2\nFilename: pool/r.deb\nSize: 7\nSHA256: {SHA}\n"
        );
        let found = package_of_release(&packages, "rust-src", "1.95.0")
            .unwrap()
            .unwrap();
        assert_eq!((&*found.path, found.size), ("pool/r.deb", 7));
        assert_eq!(
            package_of_release(&packages, "rust-src", "1.96.0").unwrap(),
            None
        );
    }

    #[test]
    fn only_the_sha256_list_of_a_release_is_read() {
        let release = format!(
            "MD5Sum:\n aaaa 1 main/Packages.xz\nSHA256:\n {SHA} 42 main/Packages.xz\n\
             SHA512:\n bbbb 2 other\n"
        );
        let found = file_of_release(&release, "main/Packages.xz").unwrap();
        assert_eq!(found.size, 42);
        assert_eq!(file_of_release(&release, "other"), None);
    }
}
