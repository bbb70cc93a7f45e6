//! The source of `core`, which the BPF target has no compiled copy of.
//!
//! Where rustup can download, it is a component of the toolchain. Elsewhere it
//! is Debian's package of exactly the compiler's version, in the cache.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::debian_rust_src;
use super::slot::{Slot, Stamp};
use super::step::{State, Step};
use crate::process::Invocation;
use crate::progress::Stage;
use crate::rustc::Rustc;

/// A component of 3 MB; rustup has time-outs of its own, but not for
/// everything.
const RUSTUP_DEADLINE: Duration = Duration::from_mins(3);

/// The source of `core`.
#[derive(Debug)]
pub(super) struct CoreSource<'a> {
    rustc: &'a Rustc,
    slot: Slot,
    cache: &'a Path,
}

impl<'a> CoreSource<'a> {
    pub(super) fn new(rustc: &'a Rustc, cache: &'a Path) -> Self {
        let slot = Slot::new(
            &cache.join("tools"),
            Stamp {
                what: "rust-src".into(),
                version: rustc.release.clone(),
                rustc: rustc.id(),
            },
        );
        Self { rustc, slot, cache }
    }

    /// What cargo has to be told: nothing where the toolchain has the source.
    pub(super) fn outside_sysroot(&self) -> Option<PathBuf> {
        if is_library(&self.in_sysroot()) {
            return None;
        }
        self.slot.get().map(|dir| dir.join("library"))
    }

    fn in_sysroot(&self) -> PathBuf {
        self.rustc.sysroot.join("lib/rustlib/src/rust/library")
    }
}

impl Step for CoreSource<'_> {
    fn name(&self) -> &'static str {
        "core for BPF"
    }

    fn check(&self) -> Result<State> {
        let in_sysroot = self.in_sysroot();
        if is_library(&in_sysroot) {
            return Ok(State::present(format!(
                "rust-src {} of the toolchain",
                self.rustc.release
            )));
        }
        if let Some(dir) = self.slot.get()
            && is_library(&dir.join("library"))
        {
            return Ok(State::present(format!(
                "rust-src {} in {}",
                self.rustc.release,
                dir.display()
            )));
        }
        Ok(State::missing(
            format!("no {}", in_sysroot.display()),
            "run `cargo xtask setup`, or `rustup component add rust-src`",
        ))
    }

    fn install(&self, stage: &Stage) -> Result<State> {
        stage.announce("asking rustup for rust-src …");
        let rustup = Invocation::new("rustup")
            .args(["component", "add", "rust-src"])
            .run_within(RUSTUP_DEADLINE);
        if is_library(&self.in_sysroot()) {
            return self.check();
        }
        let rustup = match rustup {
            Ok(()) => "rustup added it to another toolchain than the one in use".to_owned(),
            Err(error) => error.to_string(),
        };
        stage.announce("rustup cannot; looking for Debian's package of the same version …");
        let debian = self.slot.install(|dir| {
            debian_rust_src::unpack(&self.rustc.release, self.cache, &dir.join("library"), stage)
        });
        match debian {
            Ok(()) => self.check(),
            Err(debian) => Ok(State::missing(
                format!("rustup: {rustup}\nDebian: {debian:#}"),
                format!(
                    "run `rustup component add rust-src` where rustup can download, or install \
                     your distribution's rust-src {}",
                    self.rustc.release
                ),
            )),
        }
    }
}

/// Whether this folder is the standard library's workspace.
fn is_library(dir: &Path) -> bool {
    dir.join("Cargo.lock").is_file() && dir.join("core/src/lib.rs").is_file()
}
