//! Debian's `rust-src` package, found through a suite's signed index, without
//! dpkg and without being root.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path};

use anyhow::{Context as _, Result, bail, ensure};
use kernel_matrix::deb;
use kernel_matrix::fetch::{Download, fetch};
use kernel_matrix::http::{Http, Transport as _};
use kernel_matrix::manifest::Archive;
use kernel_matrix::mirror::Mirrors;
use kernel_matrix::progress;

use super::debian_index::{self, FileInfo};
use super::debian_signature;
use crate::progress::Stage;

/// Where rustc is looked for, the most likely first; each suite has one
/// version.
const SUITES: [&str; 5] = ["trixie-backports", "sid", "trixie", "forky", "bookworm"];
/// Bound on an InRelease file; real ones have 0.2 MB.
const LARGEST_RELEASE: u64 = 16 << 20;

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
                download(&mirrors, &package, &downloaded, stage)?;
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
    let in_release = small_file(mirrors, &format!("dists/{suite}/InRelease"))?;
    let in_release = debian_signature::verified(&in_release, stage)?;
    let index = "main/binary-amd64/Packages.xz";
    let mut info = debian_index::file_of_release(&in_release, index)
        .with_context(|| format!("the InRelease of {suite} does not list {index}"))?;
    info.path = format!("dists/{suite}/{index}");
    let path = cache.join("downloads").join(info.sha256.to_string());
    download(mirrors, &info, &path, stage)?;
    let mut packages = String::new();
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    lzma_rust2::XzReader::new(io::BufReader::new(file), true)
        .read_to_string(&mut packages)
        .with_context(|| format!("cannot decompress {}", info.path))?;
    fs::remove_file(&path).ok();
    debian_index::package_of_release(&packages, "rust-src", release)
}

fn small_file(mirrors: &Mirrors, path: &str) -> Result<Vec<u8>> {
    let http = Http::default();
    let mut last = None;
    for url in mirrors.urls(Archive::Debian, path)? {
        match http.get(&url, 0) {
            Ok(answer) if answer.status == 200 => {
                let mut body = Vec::new();
                answer.body.take(LARGEST_RELEASE).read_to_end(&mut body)?;
                return Ok(body);
            }
            Ok(answer) => last = Some(format!("{url}: HTTP {}", answer.status)),
            Err(error) => last = Some(format!("{url}: {error}")),
        }
    }
    bail!("{}", last.unwrap_or_else(|| "no mirror".to_owned()))
}

fn download(mirrors: &Mirrors, info: &FileInfo, to: &Path, stage: &Stage) -> Result<()> {
    let urls = mirrors.urls(Archive::Debian, &info.path)?;
    let download = Download {
        subject: info.path.rsplit('/').next().unwrap_or(&info.path),
        urls: &urls,
        size: info.size,
        sha256: info.sha256,
        destination: to,
    };
    fetch(&Http::default(), &download, &Shown(stage))?;
    Ok(())
}

/// A download's progress as a stage's live line.
struct Shown<'a>(&'a Stage);

impl progress::Progress for Shown<'_> {
    fn update(&self, subject: &str, step: &progress::Step<'_>) {
        if let progress::Step::Downloading { done, total } = step {
            self.0
                .line(&format!("{subject}: {} of {} kB", done >> 10, total >> 10));
        }
    }
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
