//! The decision for people. Each format is a pure function of a decision.
//!
//! | module | holds |
//! | --- | --- |
//! | `terminal` | a short text, GO or NO-GO first |
//! | `markdown` | for a pull request |
//! | `html` | one page, print-ready, with a link to every piece of evidence |

mod html;
mod markdown;
mod terminal;
#[cfg(test)]
mod tests;

pub use html::html;
pub use markdown::markdown;
pub use terminal::terminal;

use crate::{
    evaluate::{Decision, ItemResult, Status},
    rollout::Step,
};

/// In one line: what and how much of it.
fn headline(decision: &Decision) -> String {
    let counted: Vec<String> = [
        (Status::Pass, "passed"),
        (Status::Fail, "failed"),
        (Status::Waived, "waived"),
        (Status::NotApplicable, "not applicable"),
    ]
    .into_iter()
    .map(|(status, words)| (decision.count(status), words))
    .filter(|(count, _)| *count > 0)
    .map(|(count, words)| format!("{count} {words}"))
    .collect();
    let items = decision.items.len();
    format!(
        "{}: {} ({items} items: {})",
        decision.verdict,
        decision.title,
        counted.join(", ")
    )
}

/// Where a rollout stands, in one line.
fn rollout(decision: &Decision) -> Option<String> {
    let rollout = decision.rollout.as_ref()?;
    let phases = rollout.phases.iter().map(|phase| {
        let (item, answer, step) = (&phase.item, phase.answer, phase.step);
        if step == Step::NotReached {
            format!("{item} {step}")
        } else {
            format!("{item} {answer}")
        }
    });
    let phases: Vec<String> = phases.collect();
    Some(format!(
        "{} at {}: {}",
        rollout.step.to_string().to_uppercase(),
        rollout.at,
        phases.join(", ")
    ))
}

/// Who collected, and whether that is worth anything.
fn warning(decision: &Decision) -> Option<&'static str> {
    decision.development_keys.then_some(
        "Signed with development keys: whoever has this machine could have made them. \
         This decision is for trying things out.",
    )
}

const fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "PASS",
        Status::Fail => "FAIL",
        Status::Waived => "waived",
        Status::NotApplicable => "N/A",
    }
}

const fn sign(status: Status) -> &'static str {
    match status {
        Status::Pass => "✅",
        Status::Fail => "❌",
        Status::Waived => "⚠️",
        Status::NotApplicable => "➖",
    }
}

fn priority(item: &ItemResult) -> String {
    let name = |priority: crate::checklist::Priority| priority.to_string();
    item.priority.map_or_else(|| "–".into(), name)
}

/// Why an item is as it is, a line each.
fn reasons(decision: &Decision, item: &ItemResult) -> Vec<String> {
    let mut lines: Vec<String> = item
        .causes()
        .into_iter()
        .map(|(evidence, cause)| format!("{evidence}: {cause}"))
        .collect();
    lines.extend(
        decision
            .waivers
            .iter()
            .filter(|waiver| waiver.item == item.id)
            .flat_map(|waiver| {
                let refused = waiver.refused.iter();
                refused.map(|why| format!("waiver refused: {why}"))
            }),
    );
    if let Some(waiver) = item.waiver.map(|at| &decision.waivers[at]) {
        let until = waiver.expires.map(|at| at.to_string()).unwrap_or_default();
        lines.push(format!(
            "waived until {until} by {}: {}; meanwhile: {}; owner: {}",
            waiver.approvers.join(", "),
            waiver.reason,
            waiver.compensating_control,
            waiver.owner
        ));
    }
    lines.extend(item.not_applicable.clone());
    lines
}
