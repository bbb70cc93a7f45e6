//! Which waivers hold. One that does not is said to be refused and why; it
//! never helps an item.

use std::time::Duration;

use super::{ItemResult, Status, WaiverResult};
use crate::{
    bundle::Bundle,
    checklist::Checklist,
    digest::Digest,
    moment::Moment,
    sign::{Envelope, Opened, Waiver},
    trust::{Trust, WAIVER_APPROVER},
};

/// The longest that a waiver may last.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// Let waivers that hold help the items that they are for, as long as there
/// are not too many.
pub(super) fn apply(
    checklist: &Checklist,
    bundle: &Bundle,
    trust: &Trust,
    now: Moment,
    items: &mut [ItemResult],
) -> Vec<WaiverResult> {
    let digests = bundle.manifest.waivers.iter();
    let mut waivers: Vec<WaiverResult> = digests
        .map(|digest| read(*digest, checklist, bundle, trust, now))
        .collect();
    // The first that holds for each item that needs one.
    let used: Vec<(usize, usize)> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.status == Status::Fail)
        .filter_map(|(at, item)| {
            let mut all = waivers.iter();
            let waiver = all.position(|one| one.item == item.id && one.refused.is_empty())?;
            Some((at, waiver))
        })
        .collect();
    if used.len() > checklist.most_waivers {
        // None rather than the first few: nobody chose which.
        for (_, waiver) in &used {
            waivers[*waiver].refused.push(format!(
                "{} items need a waiver; the checklist allows {}",
                used.len(),
                checklist.most_waivers
            ));
        }
        return waivers;
    }
    for (at, waiver) in used {
        items[at].status = Status::Waived;
        items[at].waiver = Some(waiver);
    }
    waivers
}

fn read(
    digest: Digest,
    checklist: &Checklist,
    bundle: &Bundle,
    trust: &Trust,
    now: Moment,
) -> WaiverResult {
    let bytes = bundle.blobs.get(&digest).map_or(&[][..], Vec::as_slice);
    let opened = Envelope::read(bytes).and_then(|envelope| envelope.open(trust));
    let opened: Opened<'_, Waiver> = match opened {
        Ok(opened) => opened,
        Err(error) => {
            return WaiverResult {
                item: String::new(),
                author: String::new(),
                approvers: Vec::new(),
                owner: String::new(),
                reason: String::new(),
                compensating_control: String::new(),
                expires: None,
                refused: vec![format!("blob {}: {error}", digest.short())],
            };
        }
    };
    let claim = &opened.statement.claim;
    WaiverResult {
        item: claim.item.clone(),
        author: claim.author.clone(),
        approvers: approvers(&opened),
        owner: claim.owner.clone(),
        reason: claim.reason.clone(),
        compensating_control: claim.compensating_control.clone(),
        expires: Some(claim.expires),
        refused: refusals(&opened, checklist, bundle, now),
    }
}

/// Who signed and may approve, the author left out.
fn approvers(opened: &Opened<'_, Waiver>) -> Vec<String> {
    let author = &opened.statement.claim.author;
    let signers = opened.signers.iter();
    signers
        .filter(|key| key.has_role(WAIVER_APPROVER) && key.name != *author)
        .map(|key| key.name.clone())
        .collect()
}

fn refusals(
    opened: &Opened<'_, Waiver>,
    checklist: &Checklist,
    bundle: &Bundle,
    now: Moment,
) -> Vec<String> {
    let claim = &opened.statement.claim;
    let mut refused = Vec::new();
    match checklist.items.iter().find(|item| item.id == claim.item) {
        None => refused.push(format!("there is no item `{}`", claim.item)),
        Some(item) if !item.is_waivable() => {
            refused.push("a P0 item cannot be waived".to_owned());
        }
        Some(_) => {}
    }
    for (what, text) in [
        ("owner", &claim.owner),
        ("reason", &claim.reason),
        ("compensating control", &claim.compensating_control),
    ] {
        if text.trim().is_empty() {
            refused.push(format!("it has no {what}"));
        }
    }
    // The author signs as well, so that nobody can be named without knowing.
    if !opened.signers.iter().any(|key| key.name == claim.author) {
        refused.push(format!("its author {} did not sign it", claim.author));
    }
    if approvers(opened).is_empty() {
        refused.push(format!(
            "nobody but its author signed it as `{WAIVER_APPROVER}`"
        ));
    }
    if claim.issued > now.after(super::predicate::CLOCK_SKEW) {
        refused.push(format!("it begins at {}", claim.issued));
    }
    match claim.expires.since(claim.issued) {
        Some(span) if span <= LONGEST => {}
        Some(_) => refused.push("it lasts longer than 30 days".to_owned()),
        None => refused.push("it expires before it begins".to_owned()),
    }
    if claim.expires <= now {
        refused.push(format!("it expired at {}", claim.expires));
    }
    let subjects = &opened.statement.subject;
    if subjects.is_empty() {
        refused.push("it does not say which build it is for".to_owned());
    }
    for subject in subjects {
        let expected = bundle.manifest.subjects.get(&subject.name);
        if expected.is_none() || subject.identity().as_ref() != expected {
            refused.push(format!("it is for another {}", subject.name));
        }
    }
    refused
}
