//! What goes into a machine that counts.

use std::path::{Path, PathBuf};

use anyhow::Result;
use harness::{
    Adapter as _, AegisBpf,
    expectation::Program,
    initramfs::{self, GuestFiles},
};
use harness_proto::count::{NULL_LSM_PATH, WORKLOAD_PATH};

use super::bench::PROGRAM;
use crate::{
    build::{self, Artifacts},
    exit_code::{ExitCode, OrExit as _},
    setup,
};

/// The agent of this source tree, and what counts it.
pub(super) fn build() -> Result<Artifacts> {
    build::build(&build::Options::new(setup::for_vms()?)?).or_exit(ExitCode::Infrastructure)
}

/// The file system that a machine starts with, in a folder: the agent in its place,
/// what counts it, and the program.
pub(super) fn initramfs(
    artifacts: &Artifacts,
    program: &Program,
    folder: &Path,
) -> Result<PathBuf> {
    let path = folder.join("guest.cpio");
    let agent = AegisBpf.executable().unwrap_or_default().to_owned();
    let files = GuestFiles {
        plain: Vec::new(),
        disk: None,
        runner: artifacts.guest_runner.clone(),
        probe: artifacts.probe.clone(),
        executables: vec![
            (agent, artifacts.agent.clone()),
            (WORKLOAD_PATH.into(), artifacts.workload.clone()),
            (NULL_LSM_PATH.into(), artifacts.null_lsm.clone()),
        ],
        programs: vec![(PROGRAM.into(), program.for_guest())],
    };
    initramfs::write(&files, &path).or_exit(ExitCode::Infrastructure)?;
    Ok(path)
}
