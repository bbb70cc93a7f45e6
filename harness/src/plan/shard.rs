//! A part of a plan, for one of several machines. Parts are runs of the plan's
//! order, so that together, one after the other, they are the plan; they cost
//! about the same, and part between two booted machines where that is near.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Decision, Plan};
use crate::cell::Cell;

/// What booting a machine costs, in the unit of what cells cost: seconds on a
/// slow host.
const BOOT: u64 = 6;
/// How far from the even cut two machines are still parted, as a part of a
/// shard: one in so many.
const NEAR: u64 = 8;

/// One of several parts of a plan, written `2/3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: u32,
    count: u32,
}

/// Text that names no shard.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no shard: write which of how many, from 1, such as 2/3")]
pub struct ParseShardError(String);

impl Shard {
    /// Which, from 1.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Of how many.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The cells of a plan that are this shard's; what each costs is said by
    /// the caller.
    pub fn of(self, plan: &Plan, cost: &dyn Fn(&Cell) -> u64) -> Plan {
        let costs = Costs::of(plan, cost);
        let from = costs.cut(self.index - 1, self.count);
        let to = costs.cut(self.index, self.count);
        Plan {
            cells: plan.cells[from..to].to_vec(),
        }
    }
}

/// What the plan costs up to each of its cells.
struct Costs {
    /// One more than there are cells; the last is the whole.
    before: Vec<u64>,
    /// Places in it where another machine begins.
    machines: Vec<usize>,
}

impl Costs {
    fn of(plan: &Plan, cost: &dyn Fn(&Cell) -> u64) -> Self {
        let mut costs = Self {
            before: vec![0],
            machines: Vec::new(),
        };
        let (mut total, mut machine, mut booted) = (0, None, None);
        for (place, planned) in plan.cells.iter().enumerate() {
            let group = Some(&planned.cell.group);
            if machine != group {
                costs.machines.push(place);
                machine = group;
            }
            if planned.decision == Decision::Run {
                if booted != group {
                    total += BOOT;
                    booted = group;
                }
                total += cost(&planned.cell).max(1);
            }
            costs.before.push(total);
        }
        costs
    }

    /// The first cell behind so many of all the shards.
    fn cut(&self, shards: u32, of: u32) -> usize {
        let cells = self.before.len() - 1;
        if shards == 0 {
            return 0;
        }
        if shards == of {
            return cells;
        }
        let total = self.before[cells];
        let even = total * u64::from(shards) / u64::from(of);
        let far = |place: &usize| self.before[*place].abs_diff(even);
        let machine = self.machines.iter().copied().min_by_key(far);
        match machine {
            Some(place) if far(&place) * u64::from(of) * NEAR <= total => place,
            _ => self.before.partition_point(|cost| *cost < even).min(cells),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = ParseShardError;

    fn from_str(text: &str) -> Result<Self, ParseShardError> {
        let error = || ParseShardError(text.into());
        let (index, count) = text.split_once('/').ok_or_else(error)?;
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| error());
        let (index, count) = (number(index)?, number(count)?);
        if index == 0 || index > count {
            return Err(error());
        }
        Ok(Self { index, count })
    }
}

impl TryFrom<String> for Shard {
    type Error = ParseShardError;

    fn try_from(text: String) -> Result<Self, ParseShardError> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{BOOT, NEAR, Shard};
    use crate::{
        cell::{Cell, Group},
        outcome::SkipReason,
        plan::{Decision, Plan, PlannedCell},
    };
    use kernel_matrix::{BootMode, Capability};
    use proptest::prelude::*;

    fn shard(index: u32, count: u32) -> Shard {
        Shard { index, count }
    }

    /// One machine for each list, with a cell for each entry that costs so
    /// much, or is skipped.
    fn plan(machines: &[Vec<u64>]) -> Plan {
        let mut cells = Vec::new();
        for (machine, costs) in machines.iter().enumerate() {
            for (index, cost) in costs.iter().enumerate() {
                cells.push(PlannedCell {
                    cell: Cell {
                        group: Group {
                            kernel: machine.to_string(),
                            boot_mode: BootMode::BpfLsm,
                        },
                        scenario: format!("{index}-{cost}"),
                        agent: "a".into(),
                    },
                    decision: match cost {
                        0 => Decision::Skip {
                            reason: SkipReason::MissingCapability(Capability::Btf),
                        },
                        _ => Decision::Run,
                    },
                });
            }
        }
        Plan { cells }
    }

    fn cost(cell: &Cell) -> u64 {
        let (_, cost) = cell.scenario.split_once('-').unwrap();
        cost.parse().unwrap()
    }

    fn cost_of(plan: &Plan) -> u64 {
        let groups = plan.groups();
        let cells: u64 = groups.iter().flat_map(|(_, cells)| cells).map(cost).sum();
        cells + BOOT * groups.len() as u64
    }

    #[test]
    fn a_shard_is_written_as_which_of_how_many() {
        let good = |text: &str| assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        good("1/1");
        good("2/3");
        let bad = |text: &str| {
            let error = text.parse::<Shard>().unwrap_err().to_string();
            assert!(error.contains("such as 2/3"), "{error}");
        };
        for text in ["", "1", "0/3", "4/3", "a/b", "1/0", "-1/3", "1/2/3"] {
            bad(text);
        }
    }

    #[test]
    fn machines_stay_whole_where_that_is_nearly_even() {
        let plan = plan(&[vec![2; 11], vec![2; 10], vec![2; 10]]);
        for index in 1..=3 {
            let part = shard(index, 3).of(&plan, &cost);
            assert_eq!(part.groups().len(), 1, "{index}");
        }
    }

    #[test]
    fn one_machine_is_shared_when_there_is_no_other_way() {
        let plan = plan(&[vec![2; 30]]);
        let counts = [1, 2, 3].map(|index| shard(index, 3).of(&plan, &cost).cells.len());
        assert_eq!(counts.iter().sum::<usize>(), 30);
        assert!(
            counts.iter().all(|count| (8..=12).contains(count)),
            "{counts:?}"
        );
    }

    proptest! {
        #[test]
        fn shards_one_after_the_other_are_the_plan_and_cost_about_the_same(
            machines in prop::collection::vec(prop::collection::vec(0_u64..9, 0..40), 0..8),
            count in 1_u32..9,
        ) {
            let plan = plan(&machines);
            let parts: Vec<Plan> = (1..=count)
                .map(|index| shard(index, count).of(&plan, &cost))
                .collect();
            let cells: Vec<_> = parts.iter().flat_map(|part| part.cells.clone()).collect();
            prop_assert_eq!(cells, plan.cells.clone());
            // Its even part, what both cuts may be off, and a second boot.
            let even = cost_of(&plan) / u64::from(count);
            let most = even + 2 * (even / NEAR + 1) + 2 * (BOOT + 9);
            for part in &parts {
                prop_assert!(cost_of(part) <= most, "{} > {}", cost_of(part), most);
            }
        }
    }
}
