//! Pinning the newest package of each kernel.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result, bail};
use kernel_matrix::{
    Mirrors, Series,
    debian_version::DebianVersion,
    manifest::{Archive, Lock, Manifest, Pin, Wanted},
    matrix::{LOCK, MANIFEST},
    place, resolve,
};

use crate::{
    exit_code::{ExitCode, OrExit as _},
    output,
    progress::Stages,
    setup::debian_suite,
    workspace,
};

const HEADER: &str = "\
# Exactly which packages the kernels of matrix.toml come from.
# Written by `cargo xtask matrix update`; not meant to be edited.

";

/// Reads matrix.toml and the suites' indices, writes matrix.lock.
pub(super) fn run(mirror: Option<&str>, dry_run: bool) -> Result<ExitCode> {
    let folder = workspace::root().join("kernel-matrix");
    let manifest: Manifest = read(&folder.join(MANIFEST)).or_exit(ExitCode::Usage)?;
    let lock_path = folder.join(LOCK);
    // A lock that cannot be read is what an update is for, too.
    let old = read(&lock_path).unwrap_or(Lock {
        kernels: Vec::new(),
    });
    let mirrors = Mirrors::discover(mirror).or_exit(ExitCode::Infrastructure)?;
    let stages = Stages::new("matrix");
    let mut indices = BTreeMap::new();
    for wanted in &manifest.kernels {
        let suite = wanted.suite.as_str();
        if indices.contains_key(suite) {
            continue;
        }
        let stage = stages.start(suite);
        let cache = workspace::cache_dir().or_exit(ExitCode::Usage)?;
        let archive = Archive::of_suite(suite);
        let index = debian_suite::packages(&mirrors, archive, suite, &cache, &stage)
            .with_context(|| format!("cannot read the index of {suite}"))
            .or_exit(ExitCode::Infrastructure)?;
        stage.done("index read");
        indices.insert(suite, index);
    }
    let lock = resolve_all(&manifest, &old, |suite| &indices[suite])?;
    let text = HEADER.to_owned() + &toml::to_string(&lock)?;
    for line in changes(&old, &lock) {
        output::print(&format!("{line}\n"))?;
    }
    if !dry_run {
        place::write_atomically(&lock_path, text.as_bytes()).or_exit(ExitCode::Infrastructure)?;
    }
    Ok(ExitCode::Ok)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("cannot use {}", path.display()))
}

/// A pin for each kernel, the oldest series first.
fn resolve_all<'a>(
    manifest: &Manifest,
    old: &Lock,
    index_of: impl Fn(&str) -> &'a String,
) -> Result<Lock> {
    let mut kernels: Vec<Pin> = manifest
        .kernels
        .iter()
        .map(|wanted| resolve_one(wanted, old_pin(old, wanted.series), index_of(&wanted.suite)))
        .collect::<Result<_>>()?;
    kernels.sort_by_key(|pin| pin.series);
    Ok(Lock { kernels })
}

/// What a suite has dropped stays pinned, and an index that has only older
/// packages than before, as an outdated mirror would, changes nothing.
fn resolve_one(wanted: &Wanted, old: Option<&Pin>, index: &str) -> Result<Pin> {
    let newest = resolve::newest(wanted, index)?;
    match (newest, old) {
        (Some(new), Some(old)) if of_same_suite(old, wanted) => {
            let is_older = DebianVersion::new(&new.version) < DebianVersion::new(&old.version);
            Ok(if is_older { old.clone() } else { new })
        }
        (Some(new), _) => Ok(new),
        (None, Some(old)) if of_same_suite(old, wanted) => Ok(old.clone()),
        (None, _) => bail!(
            "suite {} has no {} kernel {}: correct {MANIFEST}",
            wanted.suite,
            wanted.flavour,
            wanted.series
        ),
    }
}

/// As far as a pin shows it.
fn of_same_suite(old: &Pin, wanted: &Wanted) -> bool {
    old.archive == Archive::of_suite(&wanted.suite) && old.package.ends_with(&wanted.flavour)
}

fn old_pin(lock: &Lock, series: Series) -> Option<&Pin> {
    lock.kernels.iter().find(|pin| pin.series == series)
}

/// A line for each kernel.
fn changes(old: &Lock, new: &Lock) -> Vec<String> {
    let mut lines: Vec<_> = new
        .kernels
        .iter()
        .map(|pin| match old_pin(old, pin.series) {
            Some(old) if old == pin => format!("{:>5}  {}", pin.series, pin.version),
            Some(old) => format!("{:>5}  {} -> {}", pin.series, old.version, pin.version),
            None => format!("{:>5}  new: {}", pin.series, pin.version),
        })
        .collect();
    for gone in &old.kernels {
        if old_pin(new, gone.series).is_none() {
            lines.push(format!("{:>5}  removed", gone.series));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &str = r#"
[[kernel]]
series = "6.12"
suite = "trixie-backports"
flavour = "cloud-amd64"
tier = "pr"
capabilities = []
"#;

    fn pin(version: &str) -> Pin {
        Pin {
            series: "6.12".parse().expect("a series"),
            package: format!("linux-image-{version}-cloud-amd64"),
            version: format!("{version}-1"),
            archive: Archive::Debian,
            path: format!("pool/{version}.deb"),
            size: 2_000_000,
            sha256: kernel_matrix::Digest::of(version.as_bytes()),
            modules: None,
        }
    }

    fn index(pins: &[Pin]) -> String {
        let paragraph = |pin: &Pin| {
            format!(
                "Package: {}\nVersion: {}\nFilename: {}\nSize: {}\nSHA256: {}\n",
                pin.package, pin.version, pin.path, pin.size, pin.sha256
            )
        };
        pins.iter().map(paragraph).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_pin_moves_forward_only_and_outlives_its_package() {
        let manifest: Manifest = toml::from_str(WANTED).expect("sound");
        let check = |old: Option<&str>, has: &[&str], expected: Option<&str>| {
            let old = Lock {
                kernels: old.map(pin).into_iter().collect(),
            };
            let index = index(&has.iter().map(|version| pin(version)).collect::<Vec<_>>());
            let lock = resolve_all(&manifest, &old, |_| &index);
            let found = lock.ok().map(|lock| lock.kernels);
            assert_eq!(found, expected.map(|version| vec![pin(version)]), "{has:?}");
        };
        check(None, &["6.12.9", "6.12.10"], Some("6.12.10"));
        check(Some("6.12.9"), &["6.12.9", "6.12.10"], Some("6.12.10"));
        check(Some("6.12.11"), &["6.12.9", "6.12.10"], Some("6.12.11"));
        check(Some("6.12.8"), &["6.13.1"], Some("6.12.8"));
        check(None, &["6.13.1"], None);
    }

    #[test]
    fn changes_are_told_for_every_kernel() {
        let lock = |versions: &[&str]| Lock {
            kernels: versions.iter().map(|version| pin(version)).collect(),
        };
        let check = |old: &[&str], new: &[&str], expected: &str| {
            assert_eq!(changes(&lock(old), &lock(new)), [expected]);
        };
        check(&["6.12.1"], &["6.12.1"], " 6.12  6.12.1-1");
        check(&["6.12.1"], &["6.12.2"], " 6.12  6.12.1-1 -> 6.12.2-1");
        check(&[], &["6.12.2"], " 6.12  new: 6.12.2-1");
        check(&["6.12.1"], &[], " 6.12  removed");
    }
}
