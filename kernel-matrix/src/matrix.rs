//! The matrix: what is to be tested, joined with exactly which packages.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    kernel::{Kernel, Source},
    manifest::{Archive, Lock, Manifest, Pin, Wanted},
    series::Series,
    tier::Tier,
    unknown::UnknownName,
};

/// The name of the file that people write.
pub const MANIFEST: &str = "matrix.toml";
/// The name of the file that a program writes.
pub const LOCK: &str = "matrix.lock";

/// The kernels that are tested, by series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    kernels: BTreeMap<Series, Kernel>,
}

/// Why the matrix cannot be used. Each names the file.
#[derive(Debug, Error)]
pub enum MatrixError {
    /// A file cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Not TOML, an unknown field, or a value of another type.
    #[error("{file}: {cause}")]
    Syntax {
        /// The file.
        file: String,
        /// With line, column and what was expected.
        cause: Box<toml::de::Error>,
    },
    /// Well-formed but inconsistent.
    #[error("{file}: {problem}")]
    Invalid {
        /// The file.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl Matrix {
    /// The matrix of this project, as it was when this was compiled.
    pub fn load() -> Result<Self, MatrixError> {
        Self::parse(
            ("kernel-matrix/matrix.toml", include_str!("../matrix.toml")),
            ("kernel-matrix/matrix.lock", include_str!("../matrix.lock")),
        )
    }

    /// The matrix in a folder with a `matrix.toml` and a `matrix.lock`.
    pub fn read(folder: &Path) -> Result<Self, MatrixError> {
        let read = |name| {
            let path = folder.join(name);
            match fs::read_to_string(&path) {
                Ok(text) => Ok((path.display().to_string(), text)),
                Err(cause) => Err(MatrixError::Read { path, cause }),
            }
        };
        let (manifest, lock) = (read(MANIFEST)?, read(LOCK)?);
        Self::parse((&manifest.0, &manifest.1), (&lock.0, &lock.1))
    }

    /// Parse and join both files, each given as name and text.
    pub fn parse(
        (manifest_file, manifest): (&str, &str),
        (lock_file, lock): (&str, &str),
    ) -> Result<Self, MatrixError> {
        let syntax = |file: &str| {
            let file = file.to_owned();
            move |cause| MatrixError::Syntax {
                file,
                cause: Box::new(cause),
            }
        };
        let invalid = |file: &str| {
            let file = file.to_owned();
            move |problem| MatrixError::Invalid { file, problem }
        };
        let manifest: Manifest = toml::from_str(manifest).map_err(syntax(manifest_file))?;
        let lock: Lock = toml::from_str(lock).map_err(syntax(lock_file))?;
        let wanted =
            unique(manifest.kernels, |wanted| wanted.series).map_err(invalid(manifest_file))?;
        let locked = unique(lock.kernels, |locked| locked.series).map_err(invalid(lock_file))?;
        join(wanted, locked)
            .map(|kernels| Self { kernels })
            .map_err(invalid(lock_file))
    }

    /// Every kernel, the oldest first.
    pub fn kernels(&self) -> impl Iterator<Item = &Kernel> {
        self.kernels.values()
    }

    /// The kernels that this tier tests, the oldest first.
    pub fn in_tier(&self, tier: Tier) -> impl Iterator<Item = &Kernel> {
        self.kernels().filter(move |kernel| kernel.tier <= tier)
    }

    /// The kernel of a series, as someone typed it.
    pub fn kernel(&self, name: &str) -> Result<&Kernel, UnknownName> {
        name.parse()
            .ok()
            .and_then(|series: Series| self.kernels.get(&series))
            .ok_or_else(|| UnknownName::new("kernel", name, self.kernels.keys()))
    }
}

/// Sorted by series, each once, or what is wrong.
fn unique<T>(all: Vec<T>, series: fn(&T) -> Series) -> Result<BTreeMap<Series, T>, String> {
    let mut unique = BTreeMap::new();
    for one in all {
        let series = series(&one);
        if unique.insert(series, one).is_some() {
            return Err(format!("two kernels have the series {series}: remove one"));
        }
    }
    if unique.is_empty() {
        return Err("names no kernel: add a [[kernel]]".into());
    }
    Ok(unique)
}

fn join(
    wanted: BTreeMap<Series, Wanted>,
    mut locked: BTreeMap<Series, Pin>,
) -> Result<BTreeMap<Series, Kernel>, String> {
    let update = "run `cargo xtask matrix update`";
    let mut kernels = BTreeMap::new();
    for (series, wanted) in wanted {
        let Some(pin) = locked.remove(&series) else {
            return Err(format!(
                "has no package for kernel {series} of {MANIFEST}: {update}"
            ));
        };
        let archive = Archive::of_suite(&wanted.suite);
        if pin.archive != archive
            || !pin.package.ends_with(&format!("-{}", wanted.flavour))
            || Series::of_version(&pin.version) != Some(series)
        {
            return Err(format!(
                "the package {} {} of archive {} is not a {} kernel {series} of suite {}, \
                 which {MANIFEST} asks for: {update}",
                pin.package,
                pin.version,
                pin.archive.name(),
                wanted.flavour,
                wanted.suite,
            ));
        }
        let paths = std::iter::once(&pin.path).chain(pin.modules.iter().map(|file| &file.path));
        for path in paths {
            if !is_pool_path(path) {
                return Err(format!(
                    "a path of kernel {series} is {path:?}; expected one that begins with pool/ \
                     and ends with .deb, from the archive's root: {update}"
                ));
            }
        }
        kernels.insert(
            series,
            Kernel {
                series,
                tier: wanted.tier,
                capabilities: wanted.capabilities,
                source: Source::Pinned {
                    suite: wanted.suite,
                    pin,
                },
            },
        );
    }
    let left: BTreeSet<_> = locked.into_keys().collect();
    if let Some(series) = left.first() {
        return Err(format!(
            "has a package for kernel {series}, which {MANIFEST} does not name: {update}"
        ));
    }
    Ok(kernels)
}

fn is_pool_path(path: &str) -> bool {
    let extension = Path::new(path).extension();
    path.starts_with("pool/")
        && extension.is_some_and(|extension| extension == "deb")
        && !path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_mode::BootMode;

    const MANIFEST_TEXT: &str = r#"
[[kernel]]
series = "6.12"
suite = "trixie-security"
flavour = "cloud-amd64"
tier = "smoke"
capabilities = ["btf"]
"#;
    const LOCK_TEXT: &str = r#"
[[kernel]]
series = "6.12"
package = "linux-image-6.12.1-cloud-amd64"
version = "6.12.1-1"
archive = "debian-security"
path = "pool/updates/main/l/linux/linux-image.deb"
size = 1
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"#;

    #[test]
    fn the_projects_own_matrix_is_sound() {
        let matrix = Matrix::load().unwrap_or_else(|error| panic!("{error}"));
        assert!(matrix.kernels().count() >= 8);
        for kernel in matrix.kernels() {
            let capabilities = kernel.capabilities_in(BootMode::BpfLsm);
            assert!(
                capabilities.contains(&crate::capability::Capability::BpfLsm),
                "{} cannot run what is tested",
                kernel.series
            );
        }
        let in_tier = |tier| -> Vec<String> {
            let kernels = matrix.in_tier(tier);
            kernels.map(|kernel| kernel.series.to_string()).collect()
        };
        assert_eq!(in_tier(Tier::Smoke), ["5.10", "6.12"]);
        assert_eq!(in_tier(Tier::Pr), ["5.10", "6.1", "6.12", "7.3"]);
        assert_eq!(in_tier(Tier::Nightly).len(), matrix.kernels().count());
    }

    #[test]
    fn a_mistake_is_reported_with_file_and_place() {
        let check = |manifest: &str, lock: &str, says: &[&str]| {
            let result = Matrix::parse(("m.toml", manifest), ("m.lock", lock));
            let message = result.expect_err(says[0]).to_string();
            for part in says {
                assert!(message.contains(part), "{message}");
            }
        };
        let manifest = |from: &str, to: &str| MANIFEST_TEXT.replace(from, to);
        let lock = |from: &str, to: &str| LOCK_TEXT.replace(from, to);
        let typo = manifest("tier", "teir");
        check(
            &typo,
            LOCK_TEXT,
            &["m.toml", "line 6", "unknown field `teir`", "tier"],
        );
        let unknown = manifest("\"btf\"", "\"btff\"");
        check(
            &unknown,
            LOCK_TEXT,
            &["m.toml", "line 7", "btff", "bpf-lsm"],
        );
        let bad = manifest("6.12", "latest");
        check(
            &bad,
            LOCK_TEXT,
            &["m.toml", "line 3", "expected a kernel series"],
        );
        check("kernel = []", LOCK_TEXT, &["m.toml", "names no kernel"]);
        let twice = MANIFEST_TEXT.repeat(2);
        check(
            &twice,
            LOCK_TEXT,
            &["m.toml", "two kernels have the series 6.12"],
        );
        check(
            MANIFEST_TEXT,
            &lock("b855", "b85"),
            &["m.lock", "line 9", "SHA-256"],
        );
        let stray = lock("size", "color = 1\nsize");
        check(
            MANIFEST_TEXT,
            &stray,
            &["m.lock", "line 8", "unknown field `color`"],
        );
    }

    #[test]
    fn a_lock_that_does_not_fit_says_how_to_renew_it() {
        let check = |manifest: &str, lock: &str, says: &str| {
            let result = Matrix::parse(("m.toml", manifest), ("m.lock", lock));
            let message = result.expect_err(says).to_string();
            assert!(message.starts_with("m.lock: "), "{message}");
            assert!(message.contains(says), "{message}");
            assert!(message.contains("matrix update"), "{message}");
        };
        let manifest = |from: &str, to: &str| MANIFEST_TEXT.replace(from, to);
        let lock = |from: &str, to: &str| LOCK_TEXT.replace(from, to);
        check(
            MANIFEST_TEXT,
            &lock("\"6.12\"", "\"6.13\""),
            "no package for kernel 6.12",
        );
        check(
            &manifest("cloud-amd64", "rt-amd64"),
            LOCK_TEXT,
            "is not a rt-amd64 kernel",
        );
        check(
            &manifest("trixie-security", "sid"),
            LOCK_TEXT,
            "of suite sid",
        );
        check(
            MANIFEST_TEXT,
            &lock("6.12.1-1", "6.13.1-1"),
            "is not a cloud-amd64 kernel 6.12",
        );
        check(
            MANIFEST_TEXT,
            &lock("pool/", "/pool/"),
            "expected one that begins with pool/",
        );
        check(
            MANIFEST_TEXT,
            &lock("updates/", "../"),
            "expected one that begins with pool/",
        );
        let more = LOCK_TEXT.to_owned() + &LOCK_TEXT.replace("6.12", "6.13");
        check(
            MANIFEST_TEXT,
            &more,
            "kernel 6.13, which matrix.toml does not name",
        );
    }

    #[test]
    fn an_unknown_kernel_is_answered_with_the_likeliest() {
        let matrix = Matrix::load().expect("the project's own matrix");
        assert!(matrix.kernel("6.12").is_ok());
        for (name, meant) in [("6.21", "6.12"), ("6.1x", "6.1"), ("5.1", "5.10")] {
            let unknown = matrix.kernel(name).expect_err(name);
            assert_eq!(unknown.suggestion(), Some(meant));
            assert!(unknown.to_string().contains("known: 5.10, 6.1, 6.12"));
        }
    }
}
