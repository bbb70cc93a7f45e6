//! Pinning the packages of an adapter, by the suite's signed index.

use anyhow::{Context as _, Result, anyhow, bail};
use harness::adapter::{
    Declared,
    declared::lock::{LOCK, Lock},
};
use kernel_matrix::{Mirrors, manifest::Archive, place, resolve};

use crate::{
    e2e::Agent,
    exit_code::{ExitCode, OrExit as _},
    output,
    progress::Stages,
    setup::debian_suite,
    workspace,
};

const HEADER: &str = "\
# Exactly which packages the guest of adapter.toml has.
# Written by `cargo xtask adapter update`; not meant to be edited.

";

pub(super) fn run(agent: &Agent, mirror: Option<&str>) -> Result<ExitCode> {
    let folder = agent
        .folder()
        .ok_or_else(|| anyhow!("{agent} has no packages"))
        .or_exit(ExitCode::Usage)?;
    let adapter = Declared::read_unlocked(&folder).or_exit(ExitCode::Usage)?;
    let path = folder.join(LOCK);
    let Some((suite, names)) = adapter.wanted() else {
        output::print("it names no packages\n")?;
        return Ok(ExitCode::Ok);
    };
    let mirrors = Mirrors::discover(mirror).or_exit(ExitCode::Infrastructure)?;
    let stages = Stages::new("adapter");
    let stage = stages.start(suite);
    let cache = workspace::cache_dir().or_exit(ExitCode::Usage)?;
    let archive = Archive::of_suite(suite);
    let index = debian_suite::packages(&mirrors, archive, suite, &cache, &stage)
        .with_context(|| format!("cannot read the index of {suite}"))
        .or_exit(ExitCode::Infrastructure)?;
    stage.done("index read");
    let lock = lock(suite, names, &index).or_exit(ExitCode::Usage)?;
    for pin in &lock.packages {
        output::print(&format!("{:24} {}\n", pin.package, pin.version))?;
    }
    let text = HEADER.to_owned() + &toml::to_string(&lock)?;
    place::write_atomically(&path, text.as_bytes()).or_exit(ExitCode::Infrastructure)?;
    Ok(ExitCode::Ok)
}

fn lock(suite: &str, names: &[String], index: &str) -> Result<Lock> {
    let mut packages = Vec::new();
    for name in names {
        match resolve::package(suite, name, index)? {
            Some(pin) => packages.push(pin),
            None => bail!("suite {suite} has no package {name}: correct guest.packages"),
        }
    }
    Ok(Lock { packages })
}

#[cfg(test)]
mod tests {
    use super::lock;

    #[test]
    fn a_package_that_the_suite_does_not_have_is_named() {
        let index = format!(
            "Package: a\nVersion: 1\nFilename: a.deb\nSize: 1\nSHA256: {}\n",
            "0".repeat(64)
        );
        let names =
            |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
        assert_eq!(
            lock("trixie", &names(&["a"]), &index)
                .unwrap()
                .packages
                .len(),
            1
        );
        let error = lock("trixie", &names(&["a", "b"]), &index).unwrap_err();
        assert!(error.to_string().contains("no package b"), "{error}");
    }
}
