//! Reading a Debian suite's index of packages, by way of its signature.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use kernel_matrix::fetch::{Download, fetch};
use kernel_matrix::http::{Http, Transport as _};
use kernel_matrix::manifest::Archive;
use kernel_matrix::mirror::Mirrors;
use kernel_matrix::progress;

use super::debian_index::{self, FileInfo};
use super::debian_signature;
use crate::progress::Stage;

/// Bound on an InRelease file; real ones have 0.2 MB.
const LARGEST_RELEASE: u64 = 16 << 20;

/// The text of a suite's index of the packages for x86-64.
pub(crate) fn packages(
    mirrors: &Mirrors,
    archive: Archive,
    suite: &str,
    cache: &Path,
    stage: &Stage,
) -> Result<String> {
    let in_release = small_file(mirrors, archive, &format!("dists/{suite}/InRelease"))?;
    let in_release = debian_signature::verified(&in_release, stage)?;
    let index = "main/binary-amd64/Packages.xz";
    let mut info = debian_index::file_of_release(&in_release, index)
        .with_context(|| format!("the InRelease of {suite} does not list {index}"))?;
    info.path = format!("dists/{suite}/{index}");
    let path = cache.join("downloads").join(info.sha256.to_string());
    download(mirrors, archive, &info, &path, stage)?;
    let mut packages = String::new();
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    lzma_rust2::XzReader::new(io::BufReader::new(file), true)
        .read_to_string(&mut packages)
        .with_context(|| format!("cannot decompress {}", info.path))?;
    fs::remove_file(&path).ok();
    Ok(packages)
}

fn small_file(mirrors: &Mirrors, archive: Archive, path: &str) -> Result<Vec<u8>> {
    let http = Http::default();
    let mut last = None;
    for url in mirrors.urls(archive, path)? {
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

/// Downloads a file that an index describes.
pub(super) fn download(
    mirrors: &Mirrors,
    archive: Archive,
    info: &FileInfo,
    to: &Path,
    stage: &Stage,
) -> Result<()> {
    let urls = mirrors.urls(archive, &info.path)?;
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
