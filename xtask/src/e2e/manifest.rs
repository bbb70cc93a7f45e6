//! `run.json`: what a run is, written before its first cell, so that it can be
//! resumed as nothing else.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use harness::{atomic, report::PlanReport};
use kernel_matrix::Digest;
use serde::{Deserialize, Serialize};

use super::{prepare::Prepared, request::Request};
use crate::{
    exit_code::{ExitCode, OrExit as _},
    workspace,
};

const NAME: &str = "run.json";

/// What a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// What was asked for.
    pub(super) request: Request,
    /// When it started, in seconds since 1970.
    started: u64,
    /// What came of the request.
    pub(super) plan: PlanReport,
    /// What was tested.
    pub(super) commit: Option<String>,
    /// SHA-256 of all that the guest is given: agent, runner, probe, programs.
    guest: String,
    /// What is tested, by what it is known by.
    pub(super) subjects: BTreeMap<String, String>,
}

impl Manifest {
    /// Of what is known before anything is built.
    pub(super) fn new(request: &Request, started: SystemTime, prepared: &Prepared) -> Self {
        let since = started.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            request: request.clone(),
            started: since.as_secs(),
            plan: prepared.whole.clone(),
            commit: workspace::commit(),
            guest: String::new(),
            subjects: BTreeMap::new(),
        }
    }

    pub(super) fn started(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.started)
    }

    pub(super) fn write(
        self,
        folder: &Path,
        guest: &Path,
        subjects: BTreeMap<String, String>,
    ) -> Result<Self> {
        let whole = Self {
            guest: digest_of(guest)?,
            subjects,
            ..self
        };
        let path = folder.join(NAME);
        atomic::write(
            &path,
            format!("{}\n", serde_json::to_string_pretty(&whole)?).as_bytes(),
        )
        .with_context(|| format!("cannot write {}", path.display()))
        .or_exit(ExitCode::Infrastructure)?;
        Ok(whole)
    }

    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let text = fs::read(&path).with_context(|| {
            format!(
                "{} holds no run that can be resumed: cannot read {}",
                folder.display(),
                path.display()
            )
        })?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} was not written by this version", path.display()))
    }

    /// A report about two different things would be about neither.
    pub(super) fn must_equal(&self, now: &Self) -> Result<()> {
        if self.commit != now.commit {
            let name = |commit: &Option<String>| commit.clone().unwrap_or("unknown".into());
            bail!(
                "the run is of commit {}, the tree is at {}: check that commit out, or start anew",
                name(&self.commit),
                name(&now.commit)
            );
        }
        if self.plan != now.plan {
            bail!(
                "the scenarios or the kernel matrix have changed since the run began: start anew"
            );
        }
        Ok(())
    }

    /// See [`Self::must_equal`].
    pub(super) fn must_have_guest(&self, guest: &Path) -> Result<()> {
        if self.guest != digest_of(guest)? {
            bail!("the agent or the guest's programs have changed since the run began: start anew");
        }
        Ok(())
    }
}

fn digest_of(path: &Path) -> Result<String> {
    let (digest, _) = Digest::of_file(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .or_exit(ExitCode::Infrastructure)?;
    Ok(digest.to_string())
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Manifest, Request};
    use harness::report::PlanReport;
    use kernel_matrix::Tier;

    fn manifest() -> Manifest {
        Manifest {
            request: Request::tier(Tier::Pr),
            started: 1_700_000_000,
            plan: PlanReport {
                cells: 3,
                digest: "d".into(),
                programs: "p".into(),
            },
            commit: Some("abc".into()),
            guest: String::new(),
            subjects: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let guest = folder.path().join("guest");
        std::fs::write(&guest, "agent").unwrap();
        let subjects = BTreeMap::from([("agent".into(), "sha256:00".into())]);
        let written = manifest().write(folder.path(), &guest, subjects).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), written);
        written.must_have_guest(&guest).unwrap();
        std::fs::write(&guest, "another").unwrap();
        let error = written.must_have_guest(&guest).unwrap_err().to_string();
        assert!(error.contains("have changed"), "{error}");
    }

    #[test]
    fn a_run_is_resumed_as_what_it_is_or_not_at_all() {
        let refused = |change: fn(&mut Manifest)| {
            let mut now = manifest();
            change(&mut now);
            manifest().must_equal(&now).unwrap_err().to_string()
        };
        manifest().must_equal(&manifest()).unwrap();
        assert!(refused(|now| now.commit = None).contains("commit abc"));
        assert!(refused(|now| now.plan.programs = "q".into()).contains("scenarios"));
        assert!(refused(|now| now.plan.cells = 4).contains("scenarios"));
        let nothing = tempfile::tempdir().unwrap();
        let error = Manifest::read(nothing.path()).unwrap_err().to_string();
        assert!(error.contains("no run that can be resumed"), "{error}");
    }
}
