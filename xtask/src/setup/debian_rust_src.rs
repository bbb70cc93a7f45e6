//! Debian's `rust-src` package, found through a suite's signed index, without
//! dpkg and without being root.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path};

use anyhow::{Context as _, Result, bail, ensure};
use kernel_matrix::deb;
use kernel_matrix::manifest::Archive;
use kernel_matrix::mirror::Mirrors;

use super::debian_index::{self, FileInfo};
use super::debian_suite;
use crate::progress::Stage;

/// Where rustc is looked for, the most likely first; each suite has one
/// version.
const SUITES: [&str; 5] = ["trixie-backports", "sid", "trixie", "forky", "bookworm"];

/// Unpacks the standard library's source of this compiler release into
/// `library`.
pub(super) fn unpack(release: &str, cache: &Path, library: &Path, stage: &Stage) -> Result<()> {
    let mirrors = Mirrors::discover(None)?;
    let mut tried = Vec::new();
    for suite in SUITES {
        stage.announce(&format!("reading Debian's index of {suite} …"));
        match find(&mirrors, suite, release, cache, stage) {
            Ok(Some(package)) => {
                stage.announce(&format!("downloading {} …", package.path));
                let downloaded = cache.join("downloads").join(package.sha256.to_string());
                debian_suite::download(&mirrors, Archive::Debian, &package, &downloaded, stage)?;
                let result = write_library(release, &downloaded, library);
                // The cache keeps what is unpacked, not the 45 MB it came in.
                fs::remove_file(&downloaded).ok();
                return result;
            }
            Ok(None) => tried.push(format!("{suite}: another version")),
            Err(error) => tried.push(format!("{suite}: {error:#}")),
        }
    }
    bail!(
        "no package rust-src {release} in any suite\n  {}",
        tried.join("\n  ")
    )
}

/// The package of this release in a suite, if that is the suite's version.
fn find(
    mirrors: &Mirrors,
    suite: &str,
    release: &str,
    cache: &Path,
    stage: &Stage,
) -> Result<Option<FileInfo>> {
    let packages = debian_suite::packages(mirrors, Archive::Debian, suite, cache, stage)?;
    debian_index::package_of_release(&packages, "rust-src", release)
}

fn write_library(release: &str, package: &Path, library: &Path) -> Result<()> {
    let prefix = format!("usr/src/rustc-{release}/library/");
    let mut files = 0;
    let file = File::open(package).with_context(|| format!("cannot open {}", package.display()))?;
    deb::find_in_files(file, |path, content| {
        let Some(path) = path.strip_prefix(&prefix) else {
            return Ok(None::<()>);
        };
        // Only plain relative paths: nothing is written outside `library`.
        let plain = |part| matches!(part, Component::Normal(_));
        if !Path::new(path).components().all(plain) {
            return Err(io::Error::other(format!(
                "odd path {path:?} in the package"
            )));
        }
        let target = library.join(path);
        let mut write = || {
            fs::create_dir_all(target.parent().unwrap_or(library))?;
            io::copy(content, &mut File::create(&target)?)
        };
        write().map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot write {}: {error}", target.display()),
            )
        })?;
        files += 1;
        Ok(None)
    })?;
    ensure!(files > 0, "the package has no files in {prefix}");
    Ok(())
}
