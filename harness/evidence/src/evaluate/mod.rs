//! The decision: a pure function of checklist, bundle, trust and time.
//!
//! | module | holds |
//! | --- | --- |
//! | [`decision`] | what is decided, for machines |
//! | `predicate` | one predicate against its evidence |
//! | `waiver` | which waivers hold |

pub mod decision;
mod predicate;
#[cfg(test)]
pub(crate) mod tests;
mod waiver;

use crate::{bundle::Bundle, checklist::Checklist, moment::Moment, rollout, trust::Trust};

pub use decision::{
    Decision, Expiry, ItemResult, Objection, PredicateResult, SignOffResult, Status, Verdict,
    WaiverResult,
};

/// Decide whether what the bundle is about may go live at this moment.
pub fn evaluate(checklist: &Checklist, bundle: &Bundle, trust: &Trust, now: Moment) -> Decision {
    let mut objections = Vec::new();
    if bundle.manifest.checklist != checklist.digest {
        objections.push(Objection::OtherChecklist {
            expected: checklist.digest,
            found: bundle.manifest.checklist,
        });
    }
    if bundle.manifest.collected > now.after(predicate::CLOCK_SKEW) {
        objections.push(Objection::FromTheFuture {
            collected: bundle.manifest.collected,
        });
    }
    let mut items: Vec<ItemResult> = checklist
        .items
        .iter()
        .map(|item| {
            let predicates: Vec<PredicateResult> = item
                .predicates
                .iter()
                .map(|one| predicate::judge(one, checklist, bundle, trust, now))
                .collect();
            ItemResult::new(item, predicates)
        })
        .collect();
    let waivers = waiver::apply(checklist, bundle, trust, now, &mut items);
    let sign_offs = sign_offs(bundle, trust);
    objections.extend(
        sign_offs
            .iter()
            .filter(|role| role.signed.len() < role.at_least)
            .map(|role| Objection::SignOffs {
                role: role.role.clone(),
                signed: role.signed.len(),
                at_least: role.at_least,
            }),
    );
    let blocked = items.iter().any(|item| item.status == Status::Fail);
    let verdict = if blocked || !objections.is_empty() || items.is_empty() {
        Verdict::NoGo
    } else {
        Verdict::Go
    };
    let mut expiries: Vec<Expiry> = items.iter().flat_map(Expiry::of).collect();
    expiries.sort_by_key(|expiry| expiry.at);
    Decision {
        schema_version: decision::SCHEMA_VERSION,
        verdict,
        checklist: checklist.id.clone(),
        title: checklist.title.clone(),
        decided: now,
        evidence_root: bundle.root,
        collected: bundle.manifest.collected,
        collector: bundle.collector.clone(),
        sequence: bundle.manifest.sequence,
        development_keys: trust.development,
        subjects: bundle.manifest.subjects.clone(),
        objections,
        rollout: rollout::decide(checklist, &items),
        items,
        waivers,
        sign_offs,
        expiries,
    }
}

/// How many signed off in each role that must.
pub fn sign_offs(bundle: &Bundle, trust: &Trust) -> Vec<SignOffResult> {
    let all = trust.sign_offs.iter().map(|threshold| {
        let signed = bundle.sign_offs.iter();
        SignOffResult {
            role: threshold.role.clone(),
            at_least: threshold.at_least,
            signed: signed
                .filter(|(_, claim)| claim.role == threshold.role)
                .map(|(name, _)| name.clone())
                .collect(),
        }
    });
    all.collect()
}
