//! A machine that counts, on one kernel.

use std::path::Path;

use crate::{
    exit_code::{ExitCode, OrExit as _},
    matrix::KernelProgress,
    progress::{Stage, Stages},
    setup,
};
use anyhow::{Context as _, Result, anyhow};
use harness::{
    accel::Accel,
    count::{self, Boot, CountError},
    expectation::Program,
    initramfs,
    interrupt::Interrupt,
    outcome::Outcome,
    session::Transcript,
    vm::{BootSpec, Qemu, command_line::Hardware},
};
use harness_proto::Facts;
use kernel_matrix::{BootMode, Kernel, Store};
use perf::count::report::NotCounted;

/// The files of 100,000 rules, their policy, and the agent with its maps.
const MEMORY_MIB: u32 = 1024;

/// What the guest calls the program.
pub(super) const PROGRAM: &str = "count";

/// What all kernels of one invocation share.
pub(super) struct Bench<'a> {
    pub(super) store: Store,
    pub(super) program: &'a Program,
    pub(super) initramfs: &'a Path,
    pub(super) folder: &'a Path,
    pub(super) interrupt: &'a Interrupt,
}

impl Bench<'_> {
    /// What `read` makes of a boot of each kernel, what has none, and the exit
    /// code that says so.
    pub(super) fn each<T>(
        &self,
        kernels: &[Kernel],
        read: impl Fn(&str, &Facts, &Transcript) -> Result<T>,
    ) -> (Vec<T>, Vec<NotCounted>, ExitCode) {
        let stages = Stages::new("perf");
        let (mut counted, mut not_counted, mut exit_code) = (Vec::new(), Vec::new(), ExitCode::Ok);
        for kernel in kernels {
            let series = kernel.series.to_string();
            let run = self.run(kernel, &stages);
            match run.and_then(|(facts, said)| read(&series, &facts, &said)) {
                Ok(one) => counted.push(one),
                Err(error) => {
                    exit_code = exit_code.and(ExitCode::of(&error));
                    not_counted.push(NotCounted {
                        kernel: series,
                        reason: format!("{error:#}"),
                    });
                }
            }
            if self.interrupt.requested() {
                return (counted, not_counted, ExitCode::Interrupted);
            }
        }
        (counted, not_counted, exit_code)
    }

    /// What was said in a boot in which everything came to what it had to.
    fn run(&self, kernel: &Kernel, stages: &Stages) -> Result<(Facts, Transcript)> {
        let series = kernel.series.to_string();
        let progress = KernelProgress::default();
        let image = self
            .store
            .boot_image(kernel, BootMode::BpfLsm, &progress)
            .or_exit(ExitCode::Infrastructure)?;
        progress.clear();

        let stage = stages.start(&series);
        stage.announce("booting and counting; this takes minutes");
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
                lsms: Vec::new(),
                folder: folder.clone(),
                disk: None,
            },
            name: PROGRAM,
            program: self.program,
            capabilities: &kernel.capabilities_in(BootMode::BpfLsm),
            retried: &|why| retried(&stage, why),
        });
        match counted {
            Ok(counted) => {
                stage.done("counted");
                Ok(counted)
            }
            Err(error) => {
                let code = code(&error);
                let error = anyhow!("{error}; the console is in {}", folder.display());
                Err(error).or_exit(code)
            }
        }
    }

    fn hypervisor(&self) -> Qemu {
        Qemu {
            program: setup::qemu().to_owned(),
            hardware: Hardware {
                shell: None,
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
