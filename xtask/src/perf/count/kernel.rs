//! One kernel: its image, its boot, its report.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use harness::{
    accel::Accel,
    count::{self, Boot, CountError, CountProgram, Request},
    initramfs,
    interrupt::Interrupt,
    outcome::Outcome,
    vm::{BootSpec, Qemu, command_line::Hardware},
};
use kernel_matrix::{BootMode, Kernel, Store};
use perf::count::{Bounds, KernelReport};

use super::PROGRAM;
use crate::{
    exit_code::{ExitCode, OrExit as _},
    matrix::KernelProgress,
    progress::{Stage, Stages},
    setup,
};

/// The files of 100,000 rules, their policy, and the agent with its maps.
const MEMORY_MIB: u32 = 1024;

/// What all kernels of one invocation share.
pub(super) struct Bench<'a> {
    pub(super) store: Store,
    pub(super) request: &'a Request,
    pub(super) program: &'a CountProgram,
    pub(super) bounds: &'a Bounds,
    pub(super) initramfs: &'a Path,
    pub(super) folder: &'a Path,
    pub(super) interrupt: &'a Interrupt,
}

impl Bench<'_> {
    pub(super) fn count(&self, kernel: &Kernel, stages: &Stages) -> Result<KernelReport> {
        let series = kernel.series.to_string();
        let progress = KernelProgress::default();
        let image = self
            .store
            .boot_image(kernel, BootMode::BpfLsm, &progress)
            .or_exit(ExitCode::Infrastructure)?;
        progress.clear();

        let stage = stages.start(&series);
        stage.announce("booting and counting; this takes about a minute");
        let folder = self.folder.join(&series);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))
            .or_exit(ExitCode::Infrastructure)?;
        let initramfs = initramfs::with_modules(
            self.initramfs.to_owned(),
            image.modules.as_deref(),
            &folder.join("guest.cpio"),
        )
        .or_exit(ExitCode::Infrastructure)?;
        let counted = count::count(&Boot {
            hypervisor: &self.hypervisor(),
            spec: &BootSpec {
                image: image.kernel,
                initramfs,
                boot_mode: BootMode::BpfLsm,
                folder: folder.clone(),
                disk: None,
            },
            name: PROGRAM,
            program: self.program,
            capabilities: &kernel.capabilities_in(BootMode::BpfLsm),
            retried: &|why| retried(&stage, why),
        });
        let (facts, reading) = match counted {
            Ok(counted) => counted,
            Err(error) => {
                let code = code(&error);
                let error = anyhow!("{error}; the console is in {}", folder.display());
                return Err(error).or_exit(code);
            }
        };
        let report = KernelReport::new(
            &series,
            &facts.release,
            &reading.hooks,
            (&self.request.plan, self.request.rules),
            &reading.counts,
            self.bounds,
        )
        .or_exit(ExitCode::Inconclusive)?;
        stage.done("counted");
        Ok(report)
    }

    fn hypervisor(&self) -> Qemu {
        Qemu {
            program: setup::qemu().to_owned(),
            hardware: Hardware {
                accel: Accel::TcgCounting,
                memory_mib: MEMORY_MIB,
                processors: 1,
            },
            interrupt: self.interrupt.clone(),
        }
    }
}

fn retried(stage: &Stage, why: &str) {
    stage.print(&format!("the machine is booted once more: {why}"));
}

/// What the agent did wrong is a failure; everything else is not about it.
fn code(error: &CountError) -> ExitCode {
    match error {
        CountError::Judged(Outcome::Failed { .. }) => ExitCode::Failed,
        CountError::Judged(_) | CountError::Boot(_) | CountError::Host(_) => {
            ExitCode::Infrastructure
        }
        CountError::Reading(_) => ExitCode::Inconclusive,
    }
}
