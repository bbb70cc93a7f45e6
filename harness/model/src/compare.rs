//! What was seen of a case, held against what had to come of it.

use harness_proto::Batched;
use serde::Serialize;

use crate::{
    case::{Came, Case},
    coverage::Coverage,
    oracle::foretell,
};

/// An attempt that came to something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Whether its rules were in force.
    pub with_rules: bool,
    /// Index of the attempt.
    pub attempt: usize,
    /// What the oracle says.
    pub foretold: Came,
    /// What the kernel said.
    pub seen: Came,
    /// Why it was no verdict, if it was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// What came of a case.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    /// What was otherwise.
    pub mismatches: Vec<Mismatch>,
    /// Attempts that the kernel gave a verdict on, under the rules.
    pub decisions: u64,
    /// Those that a rule refused.
    pub denials: u64,
    /// Those without an agent.
    pub controls: u64,
    /// Which kinds of rules decided.
    pub coverage: Coverage,
}

/// Compare a case with what was seen without an agent, and under its rules.
pub fn compare(case: &Case, control: &Batched, seen: &Batched) -> Compared {
    let mut compared = Compared::default();
    for (with_rules, seen) in [(false, control), (true, seen)] {
        let foretold = foretell(case, with_rules);
        for (attempt, (foretold, code)) in foretold.iter().zip(&seen.codes).enumerate() {
            let came = Came::from_code(*code);
            if came != foretold.came {
                compared.mismatches.push(Mismatch {
                    with_rules,
                    attempt,
                    foretold: foretold.came,
                    seen: came,
                    because: seen.broken.get(&attempt).cloned(),
                });
            }
            if came == Came::NoVerdict {
                continue;
            }
            if !with_rules {
                compared.controls += 1;
                continue;
            }
            compared.decisions += 1;
            if let Some(spoken) = foretold.decided() {
                compared.coverage.add(&case.rules, spoken);
                let denied = spoken.action != scenarios::rule::Action::Audit;
                compared.denials += u64::from(denied && came.is_refusal());
            }
        }
    }
    compared
}
