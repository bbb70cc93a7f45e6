//! Cases in a machine of their own.

use std::path::{Path, PathBuf};

use ::model::{
    Case,
    case::Abilities,
    compare::{Compared, compare},
};
use anyhow::{Result, anyhow};
use harness::{
    AegisBpf, FailCode, Outcome,
    boot::greet,
    judge::{Evidence, judge},
    model::{self, Hooks, ModelProgram},
    session::{Start, Transcript, drive},
    vm::{BootSpec, Qemu},
};
use harness_proto::{Batched, Observation};
use kernel_matrix::{BootImage, BootMode};
use serde::Serialize;

use crate::{
    build::Artifacts,
    exit_code::{ExitCode, OrExit as _},
    single,
};

/// What the guest calls the program.
const PROGRAM: &str = "model";

/// What boots one kernel.
pub(super) struct Bench<'a> {
    pub(super) image: BootImage,
    pub(super) artifacts: &'a Artifacts,
    pub(super) folder: PathBuf,
    pub(super) qemu: &'a Qemu,
    /// What the kernel can do.
    pub(super) able: Abilities,
}

/// What came of some cases.
pub(super) struct Tried {
    /// Of everything but the attempts.
    pub(super) outcome: Outcome,
    /// Of each case that got so far.
    pub(super) compared: Vec<Compared>,
    /// What the guest's time went into.
    pub(super) spent: Spent,
}

/// In milliseconds of the guest's.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Spent {
    /// Attempts without an agent.
    pub(super) controls: u64,
    /// Policies coming into force.
    pub(super) policies: u64,
    /// Attempts under them.
    pub(super) attempts: u64,
    /// Worlds, and everything else.
    pub(super) rest: u64,
}

impl Spent {
    pub(super) fn add(&mut self, other: Self) {
        self.controls += other.controls;
        self.policies += other.policies;
        self.attempts += other.attempts;
        self.rest += other.rest;
    }

    fn of(transcript: &Transcript, planned: &ModelProgram) -> Self {
        let mut spent = Self::default();
        for (index, record) in transcript.records.iter().enumerate() {
            let into = if planned.controls.contains(&index) {
                &mut spent.controls
            } else if planned.answers.contains(&index) {
                &mut spent.policies
            } else if planned.decided.contains(&index) {
                &mut spent.attempts
            } else {
                &mut spent.rest
            };
            *into += record.micros / 1000;
        }
        spent
    }
}

impl Bench<'_> {
    /// Boot, try all of them, compare.
    pub(super) fn try_all(&self, name: &str, cases: &[Case], hooks: Hooks) -> Result<Tried> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).or_exit(ExitCode::Infrastructure)?;
        let planned = model::program(&AegisBpf, cases, self.able, hooks);
        let initramfs = single::initramfs(
            &folder,
            self.artifacts,
            &self.image,
            (PROGRAM, &planned.program),
        )?;
        let spec = BootSpec {
            lsms: Vec::new(),
            initramfs: initramfs.clone(),
            image: self.image.kernel.clone(),
            boot_mode: BootMode::BpfLsm,
            folder: folder.clone(),
            disk: None,
        };
        let mut machine = greet(self.qemu, &spec)
            .map_err(|failure| anyhow!("the machine did not boot: {}", failure.reason))
            .or_exit(ExitCode::Infrastructure)?
            .machine;
        let start = Start::fresh(PROGRAM.into()).or_exit(ExitCode::Infrastructure)?;
        let transcript = drive(&mut *machine, &start, &planned.program);
        let console = machine.end().or_exit(ExitCode::Infrastructure)?;
        // They are large, and made again from the seed.
        remove(&initramfs).or_exit(ExitCode::Infrastructure)?;
        let outcome = judge(Evidence {
            program: &planned.program,
            nonce: &start.nonce,
            transcript: &transcript,
            console: &console,
        });
        let batched = |index: usize| batched(&transcript, index);
        let seen = planned.controls.iter().zip(&planned.decided);
        let compared = cases
            .iter()
            .zip(seen)
            .map_while(|(case, (control, decided))| {
                Some(compare(case, batched(*control)?, batched(*decided)?))
            });
        Ok(Tried {
            outcome,
            compared: compared.collect(),
            spent: Spent::of(&transcript, &planned),
        })
    }
}

impl Tried {
    /// An outcome that says nothing of the agent's verdicts.
    pub(super) fn trouble(&self) -> Option<(ExitCode, &str)> {
        match &self.outcome {
            Outcome::Passed => None,
            Outcome::Failed { code, reason, .. } => {
                let code = match code {
                    FailCode::ProbeBroken => ExitCode::Infrastructure,
                    _ => ExitCode::Failed,
                };
                Some((code, reason))
            }
            Outcome::Infra { reason, .. } => Some((ExitCode::Infrastructure, reason)),
            Outcome::Skipped { .. } | Outcome::NotRun => {
                Some((ExitCode::Infrastructure, "it was not run"))
            }
        }
    }
}

fn batched(transcript: &Transcript, index: usize) -> Option<&Batched> {
    match &transcript.records.get(index)?.observation {
        Observation::Batched(batched) => Some(batched),
        _ => None,
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    std::fs::remove_file(path)
}
