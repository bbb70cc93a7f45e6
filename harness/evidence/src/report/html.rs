//! One page, print-ready: GO or NO-GO first and why, then area by area, each
//! item with a link to its evidence.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{headline, priority, reasons, rollout, warning, word};
use crate::{
    bundle::folder::blob_name,
    evaluate::{Decision, ItemResult, Status, Verdict},
};

const STYLE: &str = include_str!("report.css");
/// How many of what expires next are named.
const EXPIRIES: usize = 10;

/// The decision as a page; `bundle` is the way from the page to the bundle's
/// folder.
pub fn html(decision: &Decision, bundle: &str) -> String {
    let title = headline(decision);
    let verdict = match decision.verdict {
        Verdict::Go => "go",
        Verdict::NoGo => "no-go",
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header class=(verdict) {
                    h1 { (decision.verdict) }
                    p { (title) }
                    @if let Some(rollout) = rollout(decision) { p { (rollout) } }
                    @if let Some(warning) = warning(decision) { p.warning { (warning) } }
                }
                main {
                    (against(decision))
                    @for area in decision.areas() {
                        section {
                            h2 { (area) }
                            @for item in decision.of_area(area) { (shown(decision, item, bundle)) }
                        }
                    }
                    (facts(decision))
                }
            }
        }
    };
    page.into_string()
}

/// What stands against it, in one place.
fn against(decision: &Decision) -> Markup {
    let failed: Vec<&ItemResult> = decision
        .items
        .iter()
        .filter(|item| item.status == Status::Fail)
        .collect();
    html! {
        @if !decision.objections.is_empty() || !failed.is_empty() {
            section.against {
                h2 { "What stands against it" }
                ul {
                    @for objection in &decision.objections { li { (objection) } }
                    @for item in failed {
                        li { a href={ "#" (item.id) } { (item.id) } " – " (item.text) }
                    }
                }
            }
        }
    }
}

fn shown(decision: &Decision, item: &ItemResult, bundle: &str) -> Markup {
    html! {
        article id=(item.id) class=(class(item.status)) {
            h3 {
                span.status { (word(item.status)) } " " (item.text)
                small { (item.id) ", " (priority(item)) ", " (item.owner) }
            }
            p { (item.means) }
            @let reasons = reasons(decision, item);
            @if !reasons.is_empty() {
                ul.reasons { @for reason in reasons { li { (reason) } } }
            }
            @if !item.predicates.is_empty() {
                ul.evidence {
                    @for one in &item.predicates {
                        li {
                            @match one.digest {
                                Some(digest) => {
                                    a href={ (bundle) "/" (blob_name(digest)) } { (one.evidence) }
                                }
                                None => (one.evidence),
                            }
                            " (" (one.kind) ")"
                            @if let Some(shown) = &one.shown { ": " (shown) }
                            @if let Some(made) = one.made { small { " made " (made) } }
                            @if let Some(until) = one.fresh_until { small { ", fresh until " (until) } }
                        }
                    }
                }
            }
        }
    }
}

fn facts(decision: &Decision) -> Markup {
    html! {
        section.facts {
            h2 { "What was decided about, and by whom" }
            table {
                @for (name, identity) in &decision.subjects {
                    tr { th { (name) } td { code { (identity) } } }
                }
                tr { th { "evidence root" } td { code { (decision.evidence_root) } } }
                tr { th { "collected" } td { (decision.collected) " by " (decision.collector) } }
                tr { th { "decided" } td { (decision.decided) } }
                tr { th { "number in its chain" } td { (decision.sequence) } }
                @for role in &decision.sign_offs {
                    tr {
                        th { "signed off as " (role.role) }
                        td { (role.signed.len()) " of " (role.at_least) ": " (role.signed.join(", ")) }
                    }
                }
            }
            @if !decision.expiries.is_empty() {
                h2 { "What expires next" }
                ul {
                    @for expiry in decision.expiries.iter().take(EXPIRIES) {
                        li { (expiry.at) ": " (expiry.what) " of " a href={ "#" (expiry.item) } { (expiry.item) } }
                    }
                }
            }
        }
    }
}

const fn class(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::Waived => "waived",
        Status::NotApplicable => "not-applicable",
    }
}
