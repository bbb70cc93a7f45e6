//! Which cells run and which are skipped, and why: decided before anything
//! boots, from what the matrix says of the kernels.

mod select;
mod shard;

use std::collections::{BTreeMap, BTreeSet};

use kernel_matrix::{BootMode, Capability, Digest, Tier};
use scenarios::{Requirement, Scenario};
use serde::Serialize;

pub use select::{Filter, SelectError, Selection, scenario_tier, select};
pub use shard::{ParseShardError, Shard};

use crate::{
    adapter::Adapter,
    cell::{Cell, Group},
    expand::lacking,
    outcome::SkipReason,
};

/// A kernel as the plan sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanKernel {
    /// Its name in cells.
    pub name: String,
    /// The lowest tier that has it.
    pub tier: Tier,
    /// What it can do in each boot mode that it can be booted in.
    pub capabilities: BTreeMap<BootMode, BTreeSet<Capability>>,
}

/// What happens to a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "decision")]
pub enum Decision {
    /// It is run.
    Run,
    /// It is not, and that is all right.
    Skip {
        /// Why.
        reason: SkipReason,
    },
    /// It would have been skipped, but must run: it has failed already.
    UnexpectedSkip {
        /// Why it would have been skipped.
        reason: SkipReason,
    },
}

/// A cell and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedCell {
    /// The cell.
    #[serde(flatten)]
    pub cell: Cell,
    /// What happens to it.
    #[serde(flatten)]
    pub decision: Decision,
}

/// Every cell of a run, in order of kernel, boot mode and scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The cells.
    pub cells: Vec<PlannedCell>,
}

impl Plan {
    /// Decide about every cell of a selection.
    pub fn new(selection: &Selection<'_>, adapters: &[&dyn Adapter]) -> Self {
        let mut cells = Vec::new();
        for kernel in &selection.kernels {
            for &boot_mode in &selection.boot_modes {
                for scenario in &selection.scenarios {
                    for adapter in adapters {
                        cells.push(PlannedCell {
                            cell: Cell {
                                group: Group {
                                    kernel: kernel.name.clone(),
                                    boot_mode,
                                },
                                scenario: scenario.id.clone(),
                                agent: adapter.name().into(),
                            },
                            decision: decide(kernel, boot_mode, scenario, *adapter),
                        });
                    }
                }
            }
        }
        Self { cells }
    }

    /// How many cells run.
    pub fn to_run(&self) -> usize {
        self.cells
            .iter()
            .filter(|planned| planned.decision == Decision::Run)
            .count()
    }

    /// Names the cells and their order: plans with the same digest are for the
    /// same cells.
    pub fn digest(&self) -> Digest {
        digest_of_cells(self.cells.iter().map(|planned| planned.cell.to_string()))
    }

    /// The machines that have something to run, with their cells.
    pub fn groups(&self) -> Vec<(Group, Vec<Cell>)> {
        let mut groups: Vec<(Group, Vec<Cell>)> = Vec::new();
        for PlannedCell { cell, decision } in &self.cells {
            if *decision != Decision::Run {
                continue;
            }
            match groups.iter_mut().find(|(group, _)| *group == cell.group) {
                Some((_, cells)) => cells.push(cell.clone()),
                None => groups.push((cell.group.clone(), vec![cell.clone()])),
            }
        }
        groups
    }
}

/// See [`Plan::digest`]; each cell as [`Cell`] is displayed.
pub fn digest_of_cells(ids: impl Iterator<Item = String>) -> Digest {
    let lines: String = ids.map(|id| id + "\n").collect();
    Digest::of(lines.as_bytes())
}

fn decide(
    kernel: &PlanKernel,
    boot_mode: BootMode,
    scenario: &Scenario,
    adapter: &dyn Adapter,
) -> Decision {
    let Some(has) = kernel.capabilities.get(&boot_mode) else {
        // Only type information that is there can be broken.
        let reason = SkipReason::MissingCapability(Capability::Btf);
        return Decision::Skip { reason };
    };
    let Some(reason) = skip_reason(has, scenario, adapter) else {
        return Decision::Run;
    };
    // What an agent cannot express is told of it, and asked of none.
    let expressible = !matches!(reason, SkipReason::AgentCannot(_));
    if scenario.must_run && boot_mode == BootMode::BpfLsm && expressible {
        Decision::UnexpectedSkip { reason }
    } else {
        Decision::Skip { reason }
    }
}

fn skip_reason(
    has: &BTreeSet<Capability>,
    scenario: &Scenario,
    adapter: &dyn Adapter,
) -> Option<SkipReason> {
    let missing = scenario
        .needs
        .iter()
        .map(|need| capability(*need))
        .find(|need| !has.contains(need))
        .map(SkipReason::MissingCapability);
    let present = || {
        scenario
            .needs_absent
            .iter()
            .map(|absent| capability(*absent))
            .find(|absent| has.contains(absent))
            .map(SkipReason::CapabilityPresent)
    };
    let cannot = || lacking(scenario, adapter).map(SkipReason::AgentCannot);
    missing.or_else(present).or_else(cannot)
}

fn capability(requirement: Requirement) -> Capability {
    match requirement {
        Requirement::Bpf => Capability::Bpf,
        Requirement::BpfLsm => Capability::BpfLsm,
        Requirement::Btf => Capability::Btf,
        Requirement::SleepableLsm => Capability::SleepableLsm,
        Requirement::ImaFileHash => Capability::ImaFileHash,
        Requirement::UsernsCreate => Capability::UsernsCreate,
        Requirement::IoUring => Capability::IoUring,
        Requirement::Mptcp => Capability::Mptcp,
        Requirement::Overlay => Capability::Overlay,
        Requirement::RamDisk => Capability::RamDisk,
    }
}

#[cfg(test)]
mod tests;
