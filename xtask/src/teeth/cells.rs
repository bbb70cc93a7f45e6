//! Running the named cells with what was built from the copy: the same as
//! `cargo xtask e2e` does.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Result;
use harness::plan::Filter;
use kernel_matrix::{BootMode, Tier};

use super::{fault::Expected, report::Seen};
use crate::{
    build::{self, Artifacts},
    e2e,
};

/// Everything that stays the same from fault to fault.
pub(super) struct Runner {
    pub(super) build: build::Options,
    pub(super) kernel: String,
    pub(super) mirror: Option<String>,
    /// Of the whole run; each fault has its own below it.
    pub(super) folder: PathBuf,
}

impl Runner {
    /// Run the cells, each once; what is kept of them is in the folder `name`,
    /// by boot mode.
    pub(super) fn run(
        &self,
        cells: &[&Expected],
        artifacts: &Artifacts,
        name: &str,
    ) -> Result<Vec<Seen>> {
        let mut seen = Vec::new();
        for (boot_mode, scenarios) in by_boot_mode(cells) {
            let done = e2e::end_to_end(&e2e::Options {
                request: e2e::Request {
                    filter: Filter {
                        kernels: vec![self.kernel.clone()],
                        scenarios,
                        boot_modes: vec![boot_mode],
                        suites: Vec::new(),
                        tier: Tier::Nightly,
                    },
                    ..e2e::Request::tier(Tier::Nightly)
                },
                report: Some(self.folder.join(name).join(boot_mode.name())),
                mirror: self.mirror.clone(),
                artifacts: Some(artifacts.clone()),
                ..e2e::Options::tier(Tier::Nightly)
            })?;
            seen.extend(done.report.cells.into_iter().map(|cell| Seen {
                scenario: cell.scenario,
                boot_mode: cell.boot_mode,
                outcome: cell.outcome,
                code: cell.code,
                reason: cell.reason,
            }));
        }
        Ok(seen)
    }
}

/// Each scenario once: a run takes the product of what it is given.
fn by_boot_mode(cells: &[&Expected]) -> BTreeMap<BootMode, Vec<String>> {
    let mut groups: BTreeMap<BootMode, Vec<String>> = BTreeMap::new();
    for cell in cells {
        let scenarios = groups.entry(cell.boot_mode).or_default();
        if !scenarios.contains(&cell.scenario) {
            scenarios.push(cell.scenario.clone());
        }
    }
    groups
}

impl Seen {
    /// Whether this is of that cell.
    pub(super) fn is_of(&self, expected: &Expected) -> bool {
        self.scenario == expected.scenario && self.boot_mode == expected.boot_mode.name()
    }
}

#[cfg(test)]
mod tests {
    use super::{Expected, by_boot_mode};
    use harness::FailCode;
    use kernel_matrix::BootMode;

    #[test]
    fn a_cell_of_several_faults_is_run_once() {
        let cell = |scenario: &str, boot_mode| Expected {
            scenario: scenario.into(),
            boot_mode,
            code: FailCode::NotDenied,
        };
        let cells = [
            cell("a", BootMode::BpfLsm),
            cell("b", BootMode::BpfLsm),
            cell("a", BootMode::NoBpfLsm),
            cell("a", BootMode::BpfLsm),
        ];
        let groups = by_boot_mode(&cells.iter().collect::<Vec<_>>());
        assert_eq!(groups[&BootMode::BpfLsm], ["a", "b"]);
        assert_eq!(groups[&BootMode::NoBpfLsm], ["a"]);
    }
}
