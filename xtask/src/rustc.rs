//! What the compiler in use says about itself.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::process::Invocation;

/// The parts of `rustc -vV` that set-up and builds depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rustc {
    /// For instance `1.95.0`.
    pub release: String,
    /// For instance `x86_64-unknown-linux-gnu`.
    pub host: String,
    /// Major version of the LLVM inside the compiler.
    pub llvm_major: u32,
    /// The commit it was built from, shortened; `unknown` in some
    /// distributions.
    pub commit: String,
    /// `rustc --print sysroot`.
    pub sysroot: PathBuf,
}

impl Rustc {
    /// Asks the compiler that cargo would use.
    pub fn detect() -> Result<Self> {
        let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let version = Invocation::new(&program).arg("-vV").stdout()?;
        let sysroot = Invocation::new(&program)
            .args(["--print", "sysroot"])
            .stdout()?;
        Self::parse(&version, sysroot.trim().into())
    }

    fn parse(version: &str, sysroot: PathBuf) -> Result<Self> {
        let field = |name: &str| {
            version
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .with_context(|| format!("`rustc -vV` has no line `{name}: …`:\n{version}"))
        };
        let llvm = field("LLVM version")?;
        Ok(Self {
            release: field("release")?.to_owned(),
            host: field("host")?.to_owned(),
            llvm_major: llvm
                .split('.')
                .next()
                .and_then(|major| major.parse().ok())
                .with_context(|| format!("`rustc -vV` has an odd LLVM version `{llvm}`"))?,
            commit: field("commit-hash")?.chars().take(12).collect(),
            sysroot,
        })
    }

    /// The architecture part of the host triple.
    pub fn arch(&self) -> &str {
        self.host.split('-').next().unwrap_or(&self.host)
    }

    /// Names this compiler among the tools in the cache.
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.release, self.commit, self.arch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "rustc 1.95.0 (59807616e 2026-04-14)
binary: rustc
commit-hash: 59807616e1fa2540724bfbac14d7976d7e4a3860
commit-date: 2026-04-14
host: x86_64-unknown-linux-gnu
release: 1.95.0
LLVM version: 22.1.2
";

    #[test]
    fn the_compiler_is_read_from_its_verbose_version() {
        let rustc = Rustc::parse(VERSION, "/sysroot".into()).unwrap();
        assert_eq!(rustc.llvm_major, 22);
        assert_eq!(rustc.arch(), "x86_64");
        assert_eq!(rustc.id(), "1.95.0-59807616e1fa-x86_64");
    }

    #[test]
    fn a_missing_line_is_named() {
        let error = Rustc::parse("release: 1.95.0", "/s".into()).unwrap_err();
        assert!(error.to_string().contains("LLVM version"), "{error}");
    }
}
