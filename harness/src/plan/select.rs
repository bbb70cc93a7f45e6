//! What the user asked for, out of what there is.

use globset::{Glob, GlobMatcher};
use kernel_matrix::{BootMode, Tier, UnknownName};
use scenarios::{Scenario, schema::Suite};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::PlanKernel;

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Kernels and scenarios of this tier and the ones before it.
    pub tier: Tier,
    /// Only these kernels, of whatever tier. Empty: those of the tier.
    pub kernels: Vec<String>,
    /// Only scenarios whose id matches one of these globs. Empty: all.
    pub scenarios: Vec<String>,
    /// Only these boot modes. Empty: all.
    pub boot_modes: Vec<BootMode>,
    /// Only scenarios of these suites, of whatever tier. Empty: all.
    #[serde(default)]
    pub suites: Vec<Suite>,
}

/// What is left.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    /// In the order of the matrix.
    pub kernels: Vec<&'a PlanKernel>,
    /// In the order of [`BootMode::ALL`].
    pub boot_modes: Vec<BootMode>,
    /// In the order of the catalogue.
    pub scenarios: Vec<&'a Scenario>,
}

/// A filter that selects nothing is a mistake, not an empty run.
#[derive(Debug, Error)]
pub enum SelectError {
    /// A kernel or scenario that there is not.
    #[error("{0}")]
    Unknown(UnknownName),
    /// It exists, but only in a higher tier.
    #[error(
        "no scenario that matches {glob:?} is in tier {tier}; {found} is in tier {needed}: add `--tier {needed}`"
    )]
    OutsideTier {
        /// The pattern.
        glob: String,
        /// What was asked for.
        tier: Tier,
        /// A scenario that matches.
        found: String,
        /// The tier that has it.
        needed: Tier,
    },
    /// Not a glob.
    #[error("{0} is not a pattern for scenarios: {1}")]
    Glob(String, globset::Error),
    /// The tier has none.
    #[error("no {what} is in tier {tier}: choose a higher one with `--tier`")]
    EmptyTier {
        /// Kernels or scenarios.
        what: &'static str,
        /// What was asked for.
        tier: Tier,
    },
}

/// Apply a filter.
pub fn select<'a>(
    filter: &Filter,
    kernels: &'a [PlanKernel],
    catalogue: impl IntoIterator<Item = &'a Scenario>,
) -> Result<Selection<'a>, SelectError> {
    let catalogue: Vec<&Scenario> = catalogue.into_iter().collect();
    let boot_modes = BootMode::ALL
        .into_iter()
        .filter(|mode| filter.boot_modes.is_empty() || filter.boot_modes.contains(mode))
        .collect();
    Ok(Selection {
        kernels: select_kernels(filter, kernels)?,
        boot_modes,
        scenarios: select_scenarios(filter, &catalogue)?,
    })
}

/// The lowest tier that runs a scenario.
pub fn scenario_tier(scenario: &Scenario) -> Tier {
    match scenario.tier {
        scenarios::Tier::Smoke => Tier::Smoke,
        scenarios::Tier::Pr => Tier::Pr,
        scenarios::Tier::Nightly => Tier::Nightly,
    }
}

fn select_kernels<'a>(
    filter: &Filter,
    kernels: &'a [PlanKernel],
) -> Result<Vec<&'a PlanKernel>, SelectError> {
    for name in &filter.kernels {
        if !kernels.iter().any(|kernel| kernel.name == *name) {
            let known = kernels.iter().map(|kernel| &kernel.name);
            return Err(SelectError::Unknown(UnknownName::new(
                "kernel", name, known,
            )));
        }
    }
    let wanted = |kernel: &&PlanKernel| {
        if filter.kernels.is_empty() {
            kernel.tier <= filter.tier
        } else {
            filter.kernels.contains(&kernel.name)
        }
    };
    let selected: Vec<_> = kernels.iter().filter(wanted).collect();
    if selected.is_empty() {
        return Err(SelectError::EmptyTier {
            what: "kernel",
            tier: filter.tier,
        });
    }
    Ok(selected)
}

fn select_scenarios<'a>(
    filter: &Filter,
    catalogue: &[&'a Scenario],
) -> Result<Vec<&'a Scenario>, SelectError> {
    let of_suite = |scenario: &Scenario| {
        filter.suites.is_empty() || filter.suites.iter().any(|suite| scenario.is_of(*suite))
    };
    let in_tier =
        |scenario: &Scenario| !filter.suites.is_empty() || scenario_tier(scenario) <= filter.tier;
    let catalogue: Vec<&Scenario> = catalogue
        .iter()
        .copied()
        .filter(|one| of_suite(one))
        .collect();
    let mut globs: Vec<GlobMatcher> = Vec::new();
    for text in &filter.scenarios {
        let glob = Glob::new(text)
            .map_err(|error| SelectError::Glob(text.clone(), error))?
            .compile_matcher();
        let matching = || catalogue.iter().filter(|one| glob.is_match(&one.id));
        if !matching().any(|scenario| in_tier(scenario)) {
            return Err(match matching().next() {
                Some(found) => SelectError::OutsideTier {
                    glob: text.clone(),
                    tier: filter.tier,
                    found: found.id.clone(),
                    needed: scenario_tier(found),
                },
                None => SelectError::Unknown(UnknownName::new(
                    "scenario",
                    text,
                    catalogue.iter().map(|scenario| &scenario.id),
                )),
            });
        }
        globs.push(glob);
    }
    let selected: Vec<_> = catalogue
        .iter()
        .copied()
        .filter(|scenario| in_tier(scenario))
        .filter(|scenario| globs.is_empty() || globs.iter().any(|glob| glob.is_match(&scenario.id)))
        .collect();
    if selected.is_empty() {
        return Err(SelectError::EmptyTier {
            what: "scenario",
            tier: filter.tier,
        });
    }
    Ok(selected)
}
