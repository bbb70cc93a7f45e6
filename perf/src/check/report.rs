//! All comparisons. The JSON is what `cargo xtask perf self-check --json` prints, its
//! schema `docs/schema/perf-self-check.schema.json`.

use std::{collections::BTreeMap, fmt::Write as _};

use harness_proto::count::PerThousand;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use super::{Answer, MAY_MISS, SLOWED_BY, Seed, TRIALS, Trial};

/// Raised when a field changes its meaning or goes; new ones do not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// One invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// The version of this format.
    pub schema_version: u32,
    /// The commit of the bench, if it is known.
    pub commit: Option<String>,
    /// On this kernel.
    pub kernel: String,
    /// In so many boots.
    pub boots: u32,
    /// What counted as dearer, in percent.
    pub threshold_percent: f64,
    /// How long it took.
    pub seconds: f64,
    /// The loop of known length was within 0.1 % of it in every round.
    pub counter_proven: bool,
    /// By what was done to one side.
    pub groups: Vec<Group>,
    /// What all of it comes to.
    pub verdict: CheckVerdict,
}

/// The comparisons of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// By what part an operation was slowed down; absent: not at all.
    pub slowed_by: Option<PerThousand>,
    /// How many there were.
    pub trials: usize,
    /// How many came to the known answer.
    pub right: usize,
    /// Everything else, one by one.
    pub wrong: Vec<Wrong>,
    /// The least that was found, in percent.
    pub least_percent: f64,
    /// The most.
    pub most_percent: f64,
}

/// A comparison that did not come to the known answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Wrong {
    /// What was done.
    pub seed: Seed,
    /// What it came to instead.
    pub answer: Answer,
}

/// What all comparisons come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckVerdict {
    /// The comparison may be believed.
    Proven,
    /// Nothing was wrong, in too few comparisons to prove it.
    ProvesLess,
    /// It found what is not there, or missed what is.
    Wrong,
    /// The counter was not proven, or too much was unclear.
    Inconclusive,
}

impl CheckReport {
    /// From the comparisons of all boots.
    pub fn new(
        (kernel, commit): (&str, Option<String>),
        (boots, seconds): (u32, f64),
        threshold_percent: f64,
        trials: &[Trial],
    ) -> Self {
        let kinds = std::iter::once(None).chain(SLOWED_BY.map(Some));
        let groups: Vec<Group> = kinds.map(|slowed_by| group(slowed_by, trials)).collect();
        let counter_proven = trials.iter().all(|it| it.comparison.calibration.proven);
        Self {
            schema_version: SCHEMA_VERSION,
            commit,
            kernel: kernel.to_owned(),
            boots,
            threshold_percent,
            seconds,
            verdict: verdict(&groups, counter_proven),
            counter_proven,
            groups,
        }
    }

    /// For people.
    pub fn render(&self) -> String {
        let mut text = format!(
            "{}: {} boots, {:.0} s; dearer is what is so by more than {} %\n",
            self.kernel, self.boots, self.seconds, self.threshold_percent
        );
        for group in &self.groups {
            let kind = match group.slowed_by {
                None => "both sides the same".to_owned(),
                Some(by) => format!("one operation slowed by {:.1} %", f64::from(by.0) / 10.0),
            };
            let _ = writeln!(
                text,
                "{kind:<31} {:>3} of {} right; found {:+.3} % to {:+.3} %",
                group.right, group.trials, group.least_percent, group.most_percent
            );
            for (wrong, times) in counted(&group.wrong) {
                let _ = writeln!(text, "  {times} × {wrong}");
            }
        }
        let _ = writeln!(
            text,
            "the loop of known length was {} 0.1 % of it",
            if self.counter_proven {
                "always within"
            } else {
                "NOT always within"
            }
        );
        text.push_str(match self.verdict {
            CheckVerdict::Proven => "the comparison may be believed\n",
            CheckVerdict::ProvesLess => {
                "nothing was wrong, but in fewer than 20 comparisons of each kind: this proves less\n"
            }
            CheckVerdict::Wrong => "THE COMPARISON IS NOT TO BE BELIEVED\n",
            CheckVerdict::Inconclusive => "inconclusive\n",
        });
        text
    }
}

fn counted(wrong: &[Wrong]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for Wrong { seed, answer } in wrong {
        let what = match seed {
            Seed::Same => String::new(),
            Seed::Slowed { operation, .. } => format!("{operation} slowed: "),
        };
        let names = |operations: &[harness_proto::count::Operation]| {
            let names: Vec<&str> = operations.iter().map(|it| it.name()).collect();
            names.join(", ")
        };
        let came = match answer {
            Answer::Right => "right".to_owned(),
            Answer::Missed => "not found".to_owned(),
            Answer::FalseAlarm(all) => format!("a change of {} that is not there", names(all)),
            Answer::Unclear(all) => format!("unclear about {}", names(all)),
        };
        *counted.entry(format!("{what}{came}")).or_default() += 1;
    }
    counted
}

fn group(slowed_by: Option<PerThousand>, trials: &[Trial]) -> Group {
    let own: Vec<&Trial> = trials
        .iter()
        .filter(|trial| match trial.seed {
            Seed::Same => slowed_by.is_none(),
            Seed::Slowed { by, .. } => slowed_by == Some(by),
        })
        .collect();
    let wrong: Vec<Wrong> = own
        .iter()
        .map(|trial| Wrong {
            seed: trial.seed,
            answer: trial.answer(),
        })
        .filter(|wrong| wrong.answer != Answer::Right)
        .collect();
    let found = || own.iter().map(|trial| trial.change_percent());
    Group {
        slowed_by,
        trials: own.len(),
        right: own.len() - wrong.len(),
        wrong,
        // Without any there is none: JSON has no infinity.
        least_percent: found().reduce(f64::min).unwrap_or(0.0),
        most_percent: found().reduce(f64::max).unwrap_or(0.0),
    }
}

fn verdict(groups: &[Group], counter_proven: bool) -> CheckVerdict {
    let count = |group: &Group, is: fn(&Answer) -> bool| {
        group.wrong.iter().filter(|wrong| is(&wrong.answer)).count()
    };
    let few = groups.iter().any(|group| group.trials < TRIALS);
    // In fewer comparisons none may go wrong.
    let may_miss = if few { 0 } else { MAY_MISS };
    if !counter_proven || groups.iter().any(|group| group.trials == 0) {
        CheckVerdict::Inconclusive
    } else if groups.iter().any(|group| {
        count(group, |it| matches!(it, Answer::FalseAlarm(_))) > 0
            || count(group, |it| *it == Answer::Missed) > may_miss
    }) {
        CheckVerdict::Wrong
    } else if groups
        .iter()
        .any(|group| count(group, |it| matches!(it, Answer::Unclear(_))) > may_miss)
    {
        CheckVerdict::Inconclusive
    } else if few {
        CheckVerdict::ProvesLess
    } else {
        CheckVerdict::Proven
    }
}

/// The schema of the report.
pub fn schema() -> Schema {
    schema_for!(CheckReport)
}

#[cfg(test)]
mod tests;
