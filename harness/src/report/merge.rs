//! The reports of all shards of a plan as the one report that the whole plan
//! would have given.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use super::json::{BootReport, CellReport, Report};
use crate::plan::{Shard, digest_of_cells};

/// The report of one shard, and what people call it: its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardReport {
    /// Where it comes from.
    pub name: String,
    /// What it says.
    pub report: Report,
}

/// Why reports are not the shards of one plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MergeError {
    /// There is nothing.
    #[error("no report is named: name the folder of each shard")]
    Nothing,
    /// It is all of a plan.
    #[error("{0} is no shard but a whole run: there is nothing to merge it with")]
    Whole(String),
    /// Its shard cannot be read.
    #[error("{name}: {problem}")]
    Unreadable {
        /// Which report.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It is of another run than the first.
    #[error("{name} is of another run than {first}: {what} is {found}, there {expected}")]
    Other {
        /// Which report.
        name: String,
        /// What it is compared with.
        first: String,
        /// What differs.
        what: &'static str,
        /// In this report.
        found: String,
        /// In the first.
        expected: String,
    },
    /// It is there twice.
    #[error("shard {shard} is there twice: in {first} and in {second}")]
    Twice {
        /// Which.
        shard: Shard,
        /// Where.
        first: String,
        /// And where.
        second: String,
    },
    /// Some are not there.
    #[error("shard {} of {count} is missing", .missing.join(", "))]
    Missing {
        /// Which, from 1.
        missing: Vec<String>,
        /// Of how many.
        count: u32,
    },
    /// Each is there, but not with the cells of the plan.
    #[error(
        "the shards have {found} cells, which are not the {expected} of their plan: was a report edited, or a shard resumed with other sources?"
    )]
    Cells {
        /// In the shards.
        found: usize,
        /// In the plan.
        expected: usize,
    },
}

/// Merge; the order in which shards are given does not matter.
pub fn merge(shards: Vec<ShardReport>) -> Result<Report, MergeError> {
    let shards = in_order(shards)?;
    let first = shards.first().ok_or(MergeError::Nothing)?;
    let plan = first.report.run.plan.clone();
    let mut run = first.report.run.clone();
    run.shard = None;
    run.interrupted = shards.iter().any(|shard| shard.report.run.interrupted);
    run.jobs = shards
        .iter()
        .map(|shard| shard.report.run.jobs)
        .max()
        .unwrap_or(run.jobs);
    run.accelerator = accelerators(&shards);
    (run.started, run.seconds) = from_first_to_last(&shards);

    // Of the whole plan in each, and equal where the plans are.
    let catalogue = first.report.catalogue.clone();
    let mut boots = Vec::new();
    let mut cells: Vec<CellReport> = Vec::new();
    for shard in shards {
        boots.extend(shard.report.boots);
        cells.extend(shard.report.cells);
    }
    if digest_of_cells(cells.iter().map(CellReport::id)).to_string() != plan.digest {
        return Err(MergeError::Cells {
            found: cells.len(),
            expected: plan.cells,
        });
    }
    let boots = one_for_each_machine(boots);
    Ok(Report::of_parts(run, cells, boots, catalogue))
}

fn in_order(shards: Vec<ShardReport>) -> Result<Vec<ShardReport>, MergeError> {
    let mut ordered: BTreeMap<Shard, ShardReport> = BTreeMap::new();
    let first = shards.first().cloned().ok_or(MergeError::Nothing)?;
    for one in shards {
        let shard = shard_of(&one)?;
        same_run(&first, &one)?;
        let count = shard_of(&first)?.count();
        if shard.count() != count {
            return Err(MergeError::Other {
                name: one.name,
                first: first.name,
                what: "the number of shards",
                found: shard.count().to_string(),
                expected: count.to_string(),
            });
        }
        if let Some(twice) = ordered.get(&shard) {
            return Err(MergeError::Twice {
                shard,
                first: twice.name.clone(),
                second: one.name,
            });
        }
        ordered.insert(shard, one);
    }
    let count = ordered.keys().next().map_or(0, |shard| shard.count());
    let missing: Vec<String> = (1..=count)
        .filter(|index| !ordered.keys().any(|shard| shard.index() == *index))
        .map(|index| index.to_string())
        .collect();
    if !missing.is_empty() {
        return Err(MergeError::Missing { missing, count });
    }
    Ok(ordered.into_values().collect())
}

fn shard_of(one: &ShardReport) -> Result<Shard, MergeError> {
    let shard = one.report.run.shard.as_deref();
    let text = shard.ok_or_else(|| MergeError::Whole(one.name.clone()))?;
    text.parse::<Shard>()
        .map_err(|error| MergeError::Unreadable {
            name: one.name.clone(),
            problem: error.to_string(),
        })
}

/// Everything but what may differ from machine to machine.
fn same_run(first: &ShardReport, one: &ShardReport) -> Result<(), MergeError> {
    let facts = |report: &Report| {
        let run = &report.run;
        let plan = &run.plan;
        [
            (
                "the commit",
                run.commit.clone().unwrap_or_else(|| "unknown".into()),
            ),
            ("what is tested", format!("{:?}", run.subjects)),
            ("the tier", run.tier.clone()),
            ("the seed", run.seed.to_string()),
            ("the number of planned cells", plan.cells.to_string()),
            ("the digest of the planned cells", plan.digest.clone()),
            ("the digest of what is done in them", plan.programs.clone()),
        ]
    };
    let pairs = facts(&one.report).into_iter().zip(facts(&first.report));
    for ((what, found), (_, expected)) in pairs {
        if found != expected {
            return Err(MergeError::Other {
                name: one.name.clone(),
                first: first.name.clone(),
                what,
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// Each that was used, once.
fn accelerators(shards: &[ShardReport]) -> String {
    let mut used: Vec<&str> = Vec::new();
    for shard in shards {
        let accelerator = shard.report.run.accelerator.as_str();
        if !used.contains(&accelerator) {
            used.push(accelerator);
        }
    }
    used.join(", ")
}

/// When the first shard started, and the seconds until the last had ended.
fn from_first_to_last(shards: &[ShardReport]) -> (String, f64) {
    let runs = || shards.iter().map(|shard| &shard.report.run);
    let start = |text: &str| text.parse::<DateTime<Utc>>().ok();
    let first = runs().filter_map(|run| start(&run.started)).min();
    let longest = runs().map(|run| run.seconds).fold(0.0, f64::max);
    let Some(first) = first else {
        let unreadable = runs().next().map(|run| run.started.clone());
        return (unreadable.unwrap_or_default(), longest);
    };
    let seconds = runs()
        .filter_map(|run| {
            let later: TimeDelta = start(&run.started)? - first;
            Some(later.as_seconds_f64() + run.seconds)
        })
        .fold(0.0, f64::max);
    (super::time(first.into()), seconds)
}

/// A machine whose cells are in two shards, or were begun twice, was booted
/// twice; what was amiss with either is told.
pub fn one_for_each_machine(boots: Vec<BootReport>) -> Vec<BootReport> {
    let mut machines: Vec<BootReport> = Vec::new();
    for boot in boots {
        let same = |known: &&mut BootReport| {
            known.kernel == boot.kernel && known.boot_mode == boot.boot_mode
        };
        match machines.iter_mut().find(same) {
            None => machines.push(boot),
            Some(known) => {
                known.release = known.release.take().or(boot.release);
                known.seconds = known.seconds.or(boot.seconds);
                known.retried = known.retried.take().or(boot.retried);
                known.failure = known.failure.take().or(boot.failure);
            }
        }
    }
    machines
}

#[cfg(test)]
mod tests;
