//! From a case that fails to the smallest that does, many candidates in each
//! machine.

use std::time::{Duration, Instant};

use ::model::{
    Case,
    case::WORLDS,
    compare::Mismatch,
    scenario,
    shrink::{candidates, size},
};
use anyhow::Result;
use harness::model::Hooks;

use super::{machine::Bench, report::CounterExample};
use crate::progress::Stages;

/// Candidates that share a machine.
const TOGETHER: usize = 40;
/// A smaller case is no longer looked for then.
const PATIENCE: Duration = Duration::from_mins(15);

/// Make it as small as it gets.
pub(super) fn shrink(
    bench: &Bench<'_>,
    (number, hooks): (u64, Hooks),
    case: &Case,
    mismatch: &Mismatch,
    stages: &Stages,
) -> Result<CounterExample> {
    let begun = Instant::now();
    let (mut best, mut failing) = (case.clone(), mismatch.clone());
    let mut boots = 0;
    let minimal = loop {
        let Some((smaller, mismatch)) = smaller(bench, hooks, (&best, &failing), &mut boots)?
        else {
            break true;
        };
        (best, failing) = (smaller, mismatch);
        stages.note(&format!(
            "a smaller counter-example: {} rules, {} attempts, {} things",
            best.rules.len(),
            best.attempts.len(),
            best.world.items.len()
        ));
        if begun.elapsed() > PATIENCE {
            break false;
        }
    };
    let id = format!("model-{number}");
    let title = "What the model found is decided as the rules say";
    Ok(CounterExample {
        case: number,
        rules: best.rules.len(),
        attempts: best.attempts.len(),
        minimal,
        boots,
        scenario: scenario::text(&best, &id, title),
        mismatch: failing,
    })
}

/// The smallest of the candidates that fail, or none if all are sound.
fn smaller(
    bench: &Bench<'_>,
    hooks: Hooks,
    (case, failing): (&Case, &Mismatch),
    boots: &mut u32,
) -> Result<Option<(Case, Mismatch)>> {
    let all = candidates(case, failing.attempt);
    for some in all.chunks(TOGETHER) {
        // Each in a world of its own.
        let moved: Vec<Case> = some
            .iter()
            .enumerate()
            .map(|(at, case)| case.moved_to(&format!("{WORLDS}/{at}")))
            .collect();
        *boots += 1;
        let tried = bench.try_all(&format!("shrink-{boots}"), &moved, hooks)?;
        let failed = some
            .iter()
            .zip(&tried.compared)
            .filter_map(|(case, compared)| {
                Some((case.clone(), compared.mismatches.first()?.clone()))
            });
        let smallest = failed.min_by_key(|(case, _)| size(case));
        if smallest.is_some() {
            return Ok(smallest);
        }
    }
    Ok(None)
}
