//! The plan, for `--list`.

use std::fmt::Write as _;

use anyhow::Result;
use harness::{Decision, Plan};

use crate::output;

/// Print the plan on standard output.
pub(super) fn print(plan: &Plan, json: bool) -> Result<()> {
    if json {
        output::print_json(plan)
    } else {
        output::print(&text(plan))
    }
}

/// One line for each cell: its id, and what happens to it.
fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for planned in &plan.cells {
        let decision = match planned.decision {
            Decision::Run => "run".into(),
            Decision::Skip { reason } => format!("skip: {reason}"),
            Decision::UnexpectedSkip { reason } => {
                format!("fail: must run, but {reason}")
            }
        };
        let _ = writeln!(text, "{:<56} {decision}", planned.cell.to_string());
    }
    let _ = writeln!(
        text,
        "{} cells, {} to run on {} machines",
        plan.cells.len(),
        plan.to_run(),
        plan.groups().len()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::e2e::{Options, prepare::Prepared};
    use kernel_matrix::Tier;

    #[test]
    fn every_cell_of_every_tier_has_a_decision_and_none_must_run_in_vain() {
        for tier in Tier::ALL {
            let plan = Prepared::new(&Options::tier(tier).request).unwrap().plan;
            let listed = text(&plan);
            assert_eq!(listed.lines().count(), plan.cells.len() + 1);
            assert!(!listed.contains("fail: "), "{listed}");
        }
    }
}
