//! For a pull request.

use std::fmt::Write as _;

use super::{headline, priority, reasons, rollout, sign, warning, word};
use crate::evaluate::Decision;

/// The decision as Markdown.
pub fn markdown(decision: &Decision) -> String {
    let mut text = format!("# {}\n\n", plain(&headline(decision)));
    let mut line = |line: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    };
    if let Some(warning) = warning(decision) {
        line(format!("> **{warning}**\n"));
    }
    if let Some(rollout) = rollout(decision) {
        line(format!("**{}**\n", plain(&rollout)));
    }
    for objection in &decision.objections {
        line(format!("- ❌ {}", plain(&objection.to_string())));
    }
    for area in decision.areas() {
        line(format!("\n## {}\n", plain(area)));
        line("| | item | | owner | why |".into());
        line("| --- | --- | --- | --- | --- |".into());
        for item in decision.of_area(area) {
            let mut why = reasons(decision, item);
            if why.is_empty() {
                let shown = item.predicates.iter();
                why.extend(shown.filter_map(|one| one.shown.clone()));
            }
            let why: Vec<String> = why.iter().map(|why| plain(why)).collect();
            line(format!(
                "| {} {} | **{}** {} | {} | {} | {} |",
                sign(item.status),
                word(item.status),
                item.id,
                plain(&item.text),
                priority(item),
                plain(&item.owner),
                why.join("<br>")
            ));
        }
    }
    line(String::new());
    for (name, identity) in &decision.subjects {
        line(format!("- {name}: `{identity}`"));
    }
    line(format!("- evidence root: `{}`", decision.evidence_root));
    line(format!(
        "- collected {} by {}",
        decision.collected,
        plain(&decision.collector)
    ));
    for role in &decision.sign_offs {
        line(format!(
            "- signed off as {}: {} of {} ({})",
            plain(&role.role),
            role.signed.len(),
            role.at_least,
            plain(&role.signed.join(", "))
        ));
    }
    text
}

/// Text that Markdown, its tables and HTML leave as it is.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => plain.push(' '),
            '<' => plain.push_str("&lt;"),
            '&' => plain.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => plain.extend(['\\', c]),
            c => plain.push(c),
        }
    }
    plain
}
