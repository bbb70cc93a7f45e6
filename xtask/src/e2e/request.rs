//! What a run is to judge: all that decides which cells there are and what is
//! done in them, nothing about how they are run.

use std::path::PathBuf;

use harness::{
    cell::Again,
    plan::{Filter, Shard},
};
use kernel_matrix::Tier;
use serde::{Deserialize, Serialize};

use super::{Agent, PROCESSORS};

/// What is judged. It is kept with the results, for a run that is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Which cells.
    pub filter: Filter,
    /// Who is put through them.
    pub agent: Agent,
    /// Which part of the plan.
    pub shard: Option<Shard>,
    /// From which every cell's seed follows.
    pub seed: u64,
    /// How many processors each machine has.
    pub processors: u32,
    /// A kernel of the user's own, instead of those of the matrix.
    pub kernel_image: Option<PathBuf>,
}

impl Request {
    /// All cells of a tier.
    pub const fn tier(tier: Tier) -> Self {
        Self {
            filter: Filter {
                tier,
                kernels: Vec::new(),
                scenarios: Vec::new(),
                boot_modes: Vec::new(),
                suites: Vec::new(),
            },
            agent: Agent::Aegisbpf,
            shard: None,
            seed: 0,
            processors: PROCESSORS,
            kernel_image: None,
        }
    }

    /// What the command that runs a cell again has to say beside its name.
    pub(super) fn again(&self) -> Again {
        Again {
            kernel_image: self.kernel_image.clone(),
            adapter: self.agent.own_folder(),
            seed: self.seed,
        }
    }
}
