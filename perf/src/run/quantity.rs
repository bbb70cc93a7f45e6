//! Figures that are not about one operation: slopes, flatness, memory, applying.

use harness_proto::count::{Footprint, Metered, Operation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Case, Policy, Rules,
    report::{Cell, Surveyed},
};
use crate::count::{Bound, Bounds, Verdict, figure::whole};

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantity {
    /// What it is of; unique on a kernel.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
    /// What it may be, if there is a bound.
    pub bound: Option<Bound>,
    /// What of it.
    pub verdict: Verdict,
}

/// What is counted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Guest instructions.
    Instructions,
    /// Of the same for each rule, folder or length.
    InstructionsEach,
    /// Memory.
    Bytes,
    /// A part of a hundred.
    Percent,
    /// How many times as much.
    Times,
}

/// An agent that adds less than this is as good as flat: of so little, percents
/// say nothing.
const LITTLE: f64 = 20.0;

/// All that follows from what was counted on one kernel.
pub(super) fn quantities(
    kernel: &str,
    surveyed: &Surveyed,
    cells: &[Cell],
    bounds: &Bounds,
) -> Vec<Quantity> {
    let mut all = Vec::new();
    slopes(cells, &mut all);
    flatness(cells, &mut all);
    memory(&surveyed.footprints, &mut all);
    applying(&surveyed.applied, &mut all);
    all.into_iter()
        .map(|(name, value, unit)| {
            let bound = bounds.quantity(kernel, &name);
            Quantity {
                verdict: match bound {
                    None => Verdict::Unbounded,
                    Some(bound) if bound.allows(value) => Verdict::Within,
                    Some(_) => Verdict::Exceeded,
                },
                name,
                value,
                unit,
                bound,
            }
        })
        .collect()
}

type Found = (String, f64, Unit);

fn added(cells: &[Cell], case: Case, operation: Operation) -> Option<f64> {
    let mut own = cells
        .iter()
        .filter(|cell| cell.case == case && cell.operation == operation);
    Some(own.next()?.added?.median)
}

/// What one more of something costs.
fn slopes(cells: &[Cell], all: &mut Vec<Found>) {
    let mut put = |name: &str, less: (f64, Option<f64>), more: (f64, Option<f64>)| {
        if let ((few, Some(less)), (many, Some(more))) = (less, more) {
            let each = (more - less) / (many - few);
            all.push((name.to_owned(), each, Unit::InstructionsEach));
        }
    };
    let of_rules = |count: fn(Rules) -> Option<u32>, operation: Operation| {
        let mut found: Vec<(u32, Case)> = cells
            .iter()
            .filter(|cell| cell.operation == operation)
            .filter_map(|cell| match cell.case {
                Case::Agent(Policy { rules, .. }) => Some((count(rules)?, cell.case)),
                Case::None | Case::NullLsm => None,
            })
            .collect();
        found.sort_unstable();
        let at = |(count, case): &(u32, Case)| (f64::from(*count), added(cells, *case, operation));
        let first = found.first().map(at)?;
        let last = found.last().map(at)?;
        (first.0 < last.0).then_some((first, last))
    };
    let siblings = |rules| match rules {
        Rules::Siblings(count) => Some(count),
        _ => None,
    };
    if let Some((few, many)) = of_rules(siblings, Operation::OpenClose) {
        put("sibling-rule", few, many);
    }
    let networks = |rules| match rules {
        Rules::Networks(lengths) => Some(lengths),
        _ => None,
    };
    if let Some((few, many)) = of_rules(networks, Operation::UdpConnect) {
        put("network-length", few, many);
    }
    let subtree = Case::enforce(Rules::Subtree);
    let deep = [Operation::OpenDeep8, Operation::OpenDeep32].map(|operation| {
        let folders = operation.folders_above().map_or(0.0, f64::from);
        (folders, added(cells, subtree, operation))
    });
    put("subtree-folder", deep[0], deep[1]);
}

/// How much what is added changes from the fewest exact rules to the most.
fn flatness(cells: &[Cell], all: &mut Vec<Found>) {
    let mut counts: Vec<u32> = cells
        .iter()
        .filter_map(|cell| cell.case.exact_in_enforce())
        .filter(|&count| count > 0)
        .collect();
    counts.sort_unstable();
    let (Some(&fewest), Some(&most)) = (counts.first(), counts.last()) else {
        return;
    };
    if fewest == most {
        return;
    }
    for operation in Operation::ALL {
        let with = |count| added(cells, Case::enforce(Rules::Exact(count)), operation);
        if let (Some(few), Some(many)) = (with(fewest), with(most)) {
            let percent = (many - few).abs() / few.abs().max(LITTLE) * 100.0;
            all.push((
                format!("flat-{operation}-{fewest}-{most}"),
                percent,
                Unit::Percent,
            ));
        }
    }
}

fn memory(footprints: &[(Case, Footprint)], all: &mut Vec<Found>) {
    for (case, footprint) in footprints {
        let resident = whole(footprint.resident_bytes);
        all.push((format!("resident-{case}"), resident, Unit::Bytes));
        let maps = whole(footprint.map_bytes);
        all.push((format!("maps-{case}"), maps, Unit::Bytes));
    }
}

fn applying(applied: &[(u32, Metered)], all: &mut Vec<Found>) {
    for (rules, metered) in applied {
        let took = whole(metered.instructions);
        all.push((format!("apply-{rules}"), took, Unit::Instructions));
    }
    // What ten times as many rules take.
    let pairs = applied
        .iter()
        .flat_map(|one| applied.iter().map(move |other| (one, other)));
    for ((few, less), (many, more)) in pairs.filter(|((few, _), (many, _))| few * 10 == *many) {
        let times = whole(more.instructions) / whole(less.instructions.max(1));
        all.push((format!("apply-{many}-over-{few}"), times, Unit::Times));
    }
}
