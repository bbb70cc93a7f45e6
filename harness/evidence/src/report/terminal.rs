//! A short text: GO or NO-GO first, then why, then who and what.

use std::fmt::Write as _;

use super::{headline, priority, reasons, rollout, warning, word};
use crate::evaluate::{Decision, Status};

/// How many of what expires next are named.
const EXPIRIES: usize = 3;

/// The decision as a text for a terminal.
pub fn terminal(decision: &Decision) -> String {
    let mut text = headline(decision) + "\n";
    let mut line = |line: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    };
    if let Some(warning) = warning(decision) {
        line(format!("! {warning}"));
    }
    if let Some(rollout) = rollout(decision) {
        line(format!("→ {rollout}"));
    }
    for objection in &decision.objections {
        line(format!("✗ {objection}"));
    }
    let shown = |status| {
        let items = decision.items.iter();
        items.filter(move |item| item.status == status)
    };
    for (sign, status) in [("✗", Status::Fail), ("~", Status::Waived)] {
        for item in shown(status) {
            line(format!(
                "{sign} {} [{}] {} – {} ({})",
                item.id,
                priority(item),
                word(status),
                item.text,
                item.owner
            ));
            for reason in reasons(decision, item) {
                line(format!("    {reason}"));
            }
        }
    }
    for (name, identity) in &decision.subjects {
        line(format!("  {name}: {}", identity.short()));
    }
    line(format!(
        "  evidence root {}, collected {} by {}, number {} in its chain",
        decision.evidence_root.short(),
        decision.collected,
        decision.collector,
        decision.sequence
    ));
    for role in &decision.sign_offs {
        line(format!(
            "  signed off as {}: {} of {} ({})",
            role.role,
            role.signed.len(),
            role.at_least,
            role.signed.join(", ")
        ));
    }
    for expiry in decision.expiries.iter().take(EXPIRIES) {
        line(format!(
            "  expires {}: {} of {}",
            expiry.at, expiry.what, expiry.item
        ));
    }
    text
}
