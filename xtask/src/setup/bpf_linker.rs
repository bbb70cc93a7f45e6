//! `bpf-linker`, linked against the LLVM inside the compiler: the bitcode it
//! reads is that LLVM's, and no LLVM has to be installed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::slot::{Slot, Stamp};
use super::step::{State, Step};
use crate::process::Invocation;
use crate::progress::Stage;
use crate::rustc::Rustc;

/// The release that is installed.
const VERSION: &str = "0.13.0";
/// The LLVM versions that release has a feature for.
const LLVM_MAJORS: std::ops::RangeInclusive<u32> = 21..=23;

/// The linker of the BPF target.
#[derive(Debug)]
pub(super) struct BpfLinker<'a> {
    rustc: &'a Rustc,
    /// `tools` in the cache.
    tools: PathBuf,
    slot: Slot,
}

impl<'a> BpfLinker<'a> {
    pub(super) fn new(rustc: &'a Rustc, cache: &Path) -> Self {
        let tools = cache.join("tools");
        let slot = Slot::new(
            &tools,
            Stamp {
                what: "bpf-linker".into(),
                version: VERSION.into(),
                rustc: rustc.id(),
            },
        );
        Self { rustc, tools, slot }
    }

    /// Where the executable is once it is installed.
    pub(super) fn executable(&self) -> PathBuf {
        executable_in(self.slot.dir())
    }

    /// A folder that looks like an LLVM installation and holds nothing but
    /// links to the compiler's library. Its path ends up in the linker's
    /// run path, so it stays where it is.
    fn llvm_prefix(&self) -> PathBuf {
        self.tools.join(self.rustc.id()).join("llvm")
    }

    fn link_llvm(&self) -> Result<PathBuf> {
        let prefix = self.llvm_prefix();
        let lib = prefix.join("lib");
        fs::create_dir_all(&lib).with_context(|| format!("cannot create {}", lib.display()))?;
        let library = compiler_llvm(&self.rustc.sysroot)?;
        let name = library.file_name().context("the library has no name")?;
        for link in [lib.join("libLLVM.so"), lib.join(name)] {
            // A link may be there from a set-up that did not end, or point
            // into a toolchain that has moved.
            match fs::remove_file(&link) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", link.display()));
                }
                _ => {}
            }
            symlink(&library, &link)
                .with_context(|| format!("cannot create the link {}", link.display()))?;
        }
        Ok(prefix)
    }
}

impl Step for BpfLinker<'_> {
    fn name(&self) -> &'static str {
        "bpf-linker"
    }

    fn check(&self) -> Result<State> {
        let missing = |why: String| State::missing(why, "run `cargo xtask setup`");
        let Some(dir) = self.slot.get() else {
            return Ok(missing(format!(
                "no bpf-linker {VERSION} for rustc {} in {}",
                self.rustc.release,
                self.slot.dir().display()
            )));
        };
        // Shows that the library it is linked to is still there, too.
        match Invocation::new(executable_in(dir))
            .arg("--version")
            .stdout()
        {
            Ok(version) => Ok(State::present(format!(
                "{}, LLVM {}, {}",
                version.trim(),
                self.rustc.llvm_major,
                dir.display()
            ))),
            Err(error) => Ok(missing(format!("it does not run: {error}"))),
        }
    }

    fn install(&self, stage: &Stage) -> Result<State> {
        let major = self.rustc.llvm_major;
        if !LLVM_MAJORS.contains(&major) {
            bail!(
                "bpf-linker {VERSION} supports LLVM {} to {}, but rustc {} has LLVM {major}; \
                 use another toolchain, for instance `rustup override set 1.95`",
                LLVM_MAJORS.start(),
                LLVM_MAJORS.end(),
                self.rustc.release
            );
        }
        stage.announce("compiling it against the compiler's LLVM, 2 to 4 minutes on 2 cores …");
        let prefix = self.link_llvm()?;
        // Outside the slot: an interrupted compilation goes on where it was.
        let build = self.tools.join(self.rustc.id()).join("bpf-linker-build");
        self.slot.install(|dir| {
            cargo_install(major, &prefix, dir, &build).run(|line| stage.line(line))?;
            Ok(())
        })?;
        fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))?;
        self.check()
    }
}

fn executable_in(dir: &Path) -> PathBuf {
    dir.join("bin/bpf-linker")
}

/// The command that compiles and installs the linker into `root`.
fn cargo_install(llvm_major: u32, prefix: &Path, root: &Path, target: &Path) -> Invocation {
    Invocation::cargo()
        .args(["install", "bpf-linker", "--version", VERSION, "--locked"])
        .args(["--no-default-features", "--features"])
        .arg(format!("llvm-{llvm_major}"))
        .arg("--root")
        .arg(root)
        .arg("--target-dir")
        .arg(target)
        .env("LLVM_PREFIX", prefix)
        // Neither this project's settings nor the caller's flags apply.
        .unset("RUSTFLAGS")
        .unset("CARGO_ENCODED_RUSTFLAGS")
        .unset("CARGO_BUILD_TARGET")
        .dir(root)
}

/// The LLVM library that comes with the compiler.
fn compiler_llvm(sysroot: &Path) -> Result<PathBuf> {
    let lib = sysroot.join("lib");
    let entries = fs::read_dir(&lib).with_context(|| format!("cannot read {}", lib.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // The unversioned `libLLVM-NN-rust-….so` is a linker script.
        if name.starts_with("libLLVM.so.") {
            return Ok(path);
        }
    }
    bail!(
        "the compiler has no LLVM library of its own (no libLLVM.so.* in {}); \
         use a toolchain installed by rustup",
        lib.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linker_is_pinned_and_linked_to_the_given_llvm() {
        let command =
            cargo_install(22, Path::new("/p"), Path::new("/r"), Path::new("/t")).to_string();
        let (_, command) = command.split_once(" install ").unwrap();
        insta::assert_snapshot!(command, @"bpf-linker --version 0.13.0 --locked --no-default-features --features llvm-22 --root /r --target-dir /t");
    }

    #[test]
    fn a_compiler_without_its_own_llvm_is_refused_with_the_place_looked_at() {
        let sysroot = tempfile::tempdir().unwrap();
        fs::create_dir(sysroot.path().join("lib")).unwrap();
        let error = compiler_llvm(sysroot.path()).unwrap_err().to_string();
        assert!(error.contains("libLLVM.so.*"), "{error}");
    }
}
