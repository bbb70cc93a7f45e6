//! All cells of a plan on several workers, written down as they end.

mod cell_run;
mod earlier;
mod folder;
mod gather;
mod schedule;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use kernel_matrix::Capability;

pub use earlier::Earlier;
pub use folder::{CellRecord, RunFolder};
pub use gather::{GatherError, gather};

use crate::{
    boot::{BootFailure, Ready, boot, check_facts, check_lsms},
    cell::{Cell, Group},
    expectation::Program,
    interrupt::Interrupt,
    judge::KnownSplats,
    outcome::{FailCode, InfraCode, Outcome},
    plan::{Decision, Plan},
    vm::{BootSpec, Hypervisor},
};
use schedule::{OpenGroup, Schedule, Task};

/// What a group boots from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFiles {
    /// See [`BootSpec::image`].
    pub image: PathBuf,
    /// See [`crate::initramfs`].
    pub initramfs: PathBuf,
}

/// Finds what a group boots from, or says why there is nothing.
pub type Images<'a> = dyn Fn(&Group) -> Result<BootFiles, String> + Sync + 'a;

/// Everything that a run needs.
pub struct Inputs<'a> {
    /// What to run.
    pub plan: &'a Plan,
    /// By [`Cell::program_name`].
    pub programs: &'a BTreeMap<String, Program>,
    /// What the matrix says of each machine.
    pub capabilities: &'a BTreeMap<Group, BTreeSet<Capability>>,
    /// LSMs that are active besides those of the boot modes.
    pub lsms: &'a [String],
    /// Where kernels come from.
    pub images: &'a Images<'a>,
    /// What runs machines.
    pub hypervisor: &'a dyn Hypervisor,
    /// How many machines at a time.
    pub jobs: NonZeroUsize,
    /// From which every cell's seed follows.
    pub seed: u64,
    /// Which splats of kernels are let pass.
    pub known_splats: &'a KnownSplats,
    /// Where results go.
    pub folder: &'a RunFolder,
    /// Who is told.
    pub observer: &'a dyn Observer,
    /// When to stop.
    pub interrupt: &'a Interrupt,
}

/// Is told of what happens, from several threads.
pub trait Observer: Sync {
    /// A machine is being booted.
    fn booting(&self, group: &Group);
    /// A boot died before user space and is tried once more.
    fn boot_retried(&self, group: &Group, why: &str);
    /// A machine is ready, or will not be.
    fn booted(&self, boot: &BootResult);
    /// A cell has started.
    fn cell_started(&self, cell: &Cell);
    /// A cell has its outcome, at once when the plan decided it.
    fn cell_done(&self, result: &CellResult);
}

/// What became of a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellResult {
    /// Which.
    pub cell: Cell,
    /// What.
    pub outcome: Outcome,
    /// From the restored snapshot to the outcome.
    pub took: Option<Duration>,
    /// From the saved state to a running machine.
    pub restored_in: Option<Duration>,
    /// Whether its agent had to get ready.
    pub starts_agent: bool,
    /// Splats of its kernel that are known, with why they are let pass.
    pub let_pass: Vec<String>,
    /// What of its scenario was not looked at, because the agent has no such
    /// thing.
    pub left_out: Vec<String>,
    /// Whatever an agent must refuse had to be allowed.
    pub idle: bool,
}

/// What became of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootResult {
    /// Which.
    pub group: Group,
    /// From start to the runner's first words.
    pub booted_in: Option<Duration>,
    /// Why the first attempt was repeated.
    pub retried: Option<String>,
    /// `uname -r`.
    pub release: Option<String>,
    /// Why it did not boot.
    pub failure: Option<String>,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// Every cell of the plan, in its order.
    pub cells: Vec<CellResult>,
    /// Every machine that was booted.
    pub boots: Vec<BootResult>,
}

/// Run a plan. Never fails: what cannot be run has an outcome that says why.
pub fn run(inputs: &Inputs<'_>) -> Results {
    let runner = Runner {
        inputs,
        cells: Mutex::default(),
        boots: Mutex::default(),
    };
    for planned in &inputs.plan.cells {
        match planned.decision {
            Decision::Run => {}
            Decision::Skip { reason } => {
                runner.settle(&planned.cell, &Outcome::Skipped { reason });
            }
            Decision::UnexpectedSkip { reason } => runner.settle(
                &planned.cell,
                &Outcome::failed(
                    FailCode::UnexpectedSkip,
                    format!("must run in this boot mode, but {reason}"),
                ),
            ),
        }
    }
    let schedule = Schedule::new(inputs.plan.groups());
    thread::scope(|scope| {
        for _ in 0..inputs.jobs.get() {
            scope.spawn(|| runner.work(&schedule));
        }
    });
    runner.results()
}

struct Runner<'a> {
    inputs: &'a Inputs<'a>,
    cells: Mutex<HashMap<Cell, CellResult>>,
    boots: Mutex<Vec<BootResult>>,
}

impl Runner<'_> {
    fn work(&self, schedule: &Schedule) {
        while let Some(task) = schedule.next(self.inputs.interrupt) {
            match task {
                Task::Cell(group, cell) => {
                    self.inputs.observer.cell_started(&cell);
                    let result = cell_run::run(self.inputs, &*group.snapshot, cell);
                    self.done(result);
                }
                Task::Boot(group, cells) => {
                    schedule.booted(self.boot(&group, &cells));
                }
            }
        }
    }

    /// Boot a machine; when it does not, or is not what it should be, all of
    /// its cells have their outcome.
    fn boot(&self, group: &Group, cells: &[Cell]) -> Option<OpenGroup> {
        self.inputs.observer.booting(group);
        let mut boot = BootResult {
            group: group.clone(),
            booted_in: None,
            retried: None,
            release: None,
            failure: None,
        };
        let booted = self.attempt(group, &mut boot);
        let open = match booted {
            Ok(ready) => {
                boot.booted_in = Some(ready.booted_in);
                boot.release = Some(ready.facts.release.clone());
                let none = BTreeSet::new();
                let expected = self.inputs.capabilities.get(group).unwrap_or(&none);
                check_facts(&ready.facts, expected)
                    .and_then(|()| check_lsms(&ready.facts, self.inputs.lsms))
                    .map(|()| OpenGroup {
                        snapshot: ready.snapshot,
                        cells: cells.to_vec().into(),
                    })
            }
            Err(failure) => {
                boot.failure = Some(failure.reason.clone());
                Err(Outcome::infra(failure.code, failure.reason))
            }
        };
        if self.inputs.interrupt.requested() {
            return None;
        }
        self.inputs.observer.booted(&boot);
        // A run without room for it has none for its cells, which will say so.
        let _ = self.inputs.folder.record_boot(&boot);
        self.boots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(boot);
        match open {
            Ok(open) => Some(open),
            Err(outcome) => {
                for cell in cells {
                    self.settle(cell, &outcome);
                }
                None
            }
        }
    }

    fn attempt(&self, group: &Group, result: &mut BootResult) -> Result<Ready, BootFailure> {
        let other = |code, reason| BootFailure {
            code,
            reason,
            before_user_space: false,
        };
        let BootFiles { image, initramfs } =
            (self.inputs.images)(group).map_err(|reason| other(InfraCode::KernelImage, reason))?;
        let folder = self
            .inputs
            .folder
            .make_boot_folder(group)
            .map_err(|reason| other(InfraCode::Disk, reason))?;
        let spec = BootSpec {
            image,
            initramfs,
            boot_mode: group.boot_mode,
            lsms: self.inputs.lsms.to_vec(),
            folder,
            disk: None,
        };
        match boot(self.inputs.hypervisor, &spec) {
            Err(failure) if failure.before_user_space && !self.inputs.interrupt.requested() => {
                self.inputs.observer.boot_retried(group, &failure.reason);
                result.retried = Some(failure.reason);
                boot(self.inputs.hypervisor, &spec)
            }
            first => first,
        }
    }

    /// Give a cell an outcome without running it.
    fn settle(&self, cell: &Cell, outcome: &Outcome) {
        self.done(CellResult {
            cell: cell.clone(),
            outcome: outcome.clone(),
            took: None,
            restored_in: None,
            starts_agent: false,
            let_pass: Vec::new(),
            left_out: Vec::new(),
            idle: false,
        });
    }

    fn done(&self, mut result: CellResult) {
        if let Err(reason) = self.inputs.folder.record(&result) {
            result.outcome = Outcome::infra(InfraCode::Disk, reason);
        }
        self.inputs.observer.cell_done(&result);
        self.cells
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(result.cell.clone(), result);
    }

    fn results(self) -> Results {
        let mut done = self
            .cells
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let cells = self.inputs.plan.cells.iter().map(|planned| {
            done.remove(&planned.cell).unwrap_or_else(|| CellResult {
                cell: planned.cell.clone(),
                outcome: Outcome::NotRun,
                took: None,
                restored_in: None,
                starts_agent: false,
                let_pass: Vec::new(),
                left_out: Vec::new(),
                idle: false,
            })
        });
        let mut boots = self
            .boots
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        boots.sort_by(|a, b| a.group.cmp(&b.group));
        Results {
            cells: cells.collect(),
            boots,
        }
    }
}

#[cfg(test)]
mod tests;
