//! What tasks have in common that put the agent into a machine of their own.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result, ensure};
use harness::{
    Adapter as _, AegisBpf,
    accel::Accel,
    expectation::Program,
    initramfs::{self, GuestFiles},
    interrupt::Interrupt,
    vm::{Qemu, command_line::Hardware},
};
use kernel_matrix::{BootImage, BootMode, Capability, Kernel, Matrix, Store, cache};

use crate::{
    build::{self, Artifacts},
    exit_code::{ExitCode, OrExit as _},
    matrix::{KernelProgress, MirrorArgs},
    setup,
    teeth::seeded,
    workspace,
};

/// A kernel of the matrix that has BPF LSM.
pub(crate) fn kernel(matrix: &Matrix, name: &str) -> Result<Kernel> {
    let kernel = matrix.kernel(name)?;
    ensure!(
        kernel
            .capabilities_in(BootMode::BpfLsm)
            .contains(&Capability::BpfLsm),
        "the kernel {name} has no BPF LSM, so the agent can deny nothing there"
    );
    Ok(kernel.clone())
}

/// The agent, built, with a fault or without.
pub(crate) fn build(faults: &str, fault: Option<&str>) -> Result<Artifacts> {
    let mut options = build::Options::new(setup::for_vms()?)?;
    match fault {
        None => build::build(&options).or_exit(ExitCode::Infrastructure),
        Some(name) => seeded::build_with(faults, name, &mut options),
    }
}

/// The folder of this run of a task.
pub(crate) fn folder(task: &str) -> Result<PathBuf> {
    let name = harness::report::run_name(SystemTime::now(), std::process::id());
    let folder = workspace::target_dir().join(task).join(name);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))
        .or_exit(ExitCode::Infrastructure)?;
    Ok(folder)
}

/// The file system that a machine starts with: the agent, and a program by the
/// name that the guest is told.
pub(crate) fn initramfs(
    folder: &Path,
    artifacts: &Artifacts,
    image: &BootImage,
    (name, program): (&str, &Program),
) -> Result<PathBuf> {
    let agent = AegisBpf
        .executable()
        .map(|place| (place.to_owned(), artifacts.agent.clone()));
    let files = GuestFiles {
        runner: artifacts.guest_runner.clone(),
        probe: artifacts.probe.clone(),
        executables: agent.into_iter().collect(),
        programs: vec![(name.to_owned(), program.for_guest())],
        plain: Vec::new(),
        disk: None,
    };
    let path = folder.join("guest.cpio");
    initramfs::write(&files, &path).or_exit(ExitCode::Infrastructure)?;
    initramfs::with_modules(path.clone(), image.modules.as_deref(), &path)
        .or_exit(ExitCode::Infrastructure)
}

/// What boots a kernel, fetched if it is not there.
pub(crate) fn image(kernel: &Kernel, mirror: &MirrorArgs) -> Result<BootImage> {
    let progress = KernelProgress::default();
    let cache = cache::folder().or_exit(ExitCode::Usage)?;
    let image = Store::open(&cache, mirror.mirror.clone())
        .boot_image(kernel, BootMode::BpfLsm, &progress)
        .or_exit(ExitCode::Infrastructure);
    progress.clear();
    image
}

/// A machine of two processors, which ends when the task is interrupted.
pub(crate) fn qemu(memory_mib: u32) -> Result<Qemu> {
    let interrupt = Interrupt::default();
    interrupt
        .install()
        .context("cannot listen to signals")
        .or_exit(ExitCode::Infrastructure)?;
    Ok(Qemu {
        program: setup::qemu().to_owned(),
        hardware: Hardware {
            shell: None,
            accel: Accel::Tcg,
            memory_mib,
            processors: 2,
        },
        interrupt,
    })
}

/// Write the report of a task into its folder.
pub(crate) fn write_report(path: &Path, report: &impl serde::Serialize) -> Result<()> {
    harness::atomic::write(path, &serde_json::to_vec_pretty(report)?)
        .with_context(|| format!("cannot write {}", path.display()))
        .or_exit(ExitCode::Infrastructure)
}
