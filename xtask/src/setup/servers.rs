//! Servers of the distribution for `cargo xtask test --services`: fetched by
//! the package manager, which checks their signatures, and unpacked into the
//! cache. Nothing is installed or started on the machine, and no root needed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::{
    slot::{Slot, Stamp},
    step::{State, Step},
};
use crate::{process::Invocation, progress::Stage};

/// Raised when other packages are needed.
const VERSION: &str = "1";

const PACKAGES: [&str; 4] = [
    "nginx",
    "postgresql",
    "prometheus",
    "prometheus-alertmanager",
];

/// What must have been in them.
const PROGRAMS: [&str; 4] = [
    "usr/sbin/nginx",
    "usr/bin/prometheus",
    "usr/bin/promtool",
    "usr/bin/prometheus-alertmanager",
];

/// The servers, below a folder as they would be below `/`.
pub(super) struct Servers(Slot);

impl Servers {
    pub(super) fn new(cache: &Path) -> Self {
        let stamp = Stamp {
            what: "servers".into(),
            version: VERSION.into(),
            // They do not depend on the compiler.
            rustc: "any".into(),
        };
        Self(Slot::new(&cache.join("tools"), stamp))
    }

    /// Where they are or will be.
    pub(super) fn folder(&self) -> PathBuf {
        self.0.dir().to_owned()
    }
}

impl Step for Servers {
    fn name(&self) -> &'static str {
        "servers for tests"
    }

    fn check(&self) -> Result<State> {
        let Some(folder) = self.0.get() else {
            return Ok(State::missing(
                "they were not fetched yet",
                "cargo xtask test --services",
            ));
        };
        Ok(State::present(folder.display().to_string()))
    }

    fn install(&self, stage: &Stage) -> Result<State> {
        if Invocation::new("apt-get")
            .arg("--version")
            .run_quietly()
            .is_err()
        {
            return Ok(State::missing(
                "there is no apt-get to fetch them with",
                "run these tests on Debian or Ubuntu",
            ));
        }
        self.0.install(|folder| fill(folder, stage))?;
        self.check()
    }
}

fn fill(folder: &Path, stage: &Stage) -> Result<()> {
    let archives = folder.join("archives");
    fs::create_dir_all(archives.join("partial"))
        .with_context(|| format!("cannot create {}", archives.display()))?;
    stage.announce("fetching the distribution's packages …");
    let fetch = fetching(&archives);
    if fetch.run(|line| stage.line(line)).is_err() {
        // The lists may be older than the packages; only root can renew them.
        let refresh = Invocation::new("apt-get").args(["update", "-q"]);
        if let Err(error) = refresh.run(|line| stage.line(line)) {
            stage.print(&format!("going on with the lists that are there: {error}"));
        }
        fetch.run(|line| stage.line(line))?;
    }
    let listed =
        fs::read_dir(&archives).with_context(|| format!("cannot read {}", archives.display()))?;
    for entry in listed {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            Invocation::new("dpkg-deb")
                .arg("-x")
                .args([&path, folder])
                .run_quietly()?;
        }
    }
    fs::remove_dir_all(&archives)
        .with_context(|| format!("cannot remove {}", archives.display()))?;
    let absent = PROGRAMS
        .iter()
        .find(|program| !folder.join(program).is_file());
    match absent {
        Some(program) => bail!("the packages had no {program}"),
        None => Ok(()),
    }
}

/// With what they need and the machine lacks.
fn fetching(archives: &Path) -> Invocation {
    Invocation::new("apt-get")
        .args(["install", "--download-only", "--reinstall", "-y", "-q"])
        .args(["--no-install-recommends", "-o", "Debug::NoLocking=1", "-o"])
        .arg(format!("Dir::Cache::archives={}/", archives.display()))
        .args(PACKAGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_only_fetched_and_never_installed() {
        let command = fetching(Path::new("/cache/archives")).to_string();
        assert_eq!(
            command,
            "apt-get install --download-only --reinstall -y -q --no-install-recommends -o \
             Debug::NoLocking=1 -o Dir::Cache::archives=/cache/archives/ nginx postgresql \
             prometheus prometheus-alertmanager"
        );
    }
}
