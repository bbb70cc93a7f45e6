//! One predicate against its evidence: is it there, fresh, about what is to be
//! released, readable, and does it show what it must?

use std::{collections::BTreeMap, time::Duration};

use super::PredicateResult;
use crate::{
    bundle::{Bundle, Entry},
    cause::Cause,
    checklist::Checklist,
    digest::Identity,
    moment::{Age, Moment},
    predicate::{Context, Predicate, Reading, Stated},
    trust::Trust,
};

/// How far clocks of different machines may be apart.
pub(super) const CLOCK_SKEW: Duration = Duration::from_mins(5);

pub(super) fn judge(
    predicate: &Predicate,
    checklist: &Checklist,
    bundle: &Bundle,
    trust: &Trust,
    now: Moment,
) -> PredicateResult {
    let mut result = PredicateResult {
        evidence: predicate.evidence.clone(),
        kind: predicate.test.kind().to_owned(),
        digest: None,
        made: None,
        fresh_until: None,
        shown: None,
        causes: Vec::new(),
    };
    let manifest = &bundle.manifest;
    let found = manifest.evidence.get(&predicate.evidence);
    let found = found.and_then(|entry| Some((entry, bundle.blobs.get(&entry.digest)?)));
    let Some((entry, bytes)) = found else {
        result.causes.push(Cause::Missing {
            why: manifest.missing.get(&predicate.evidence).cloned(),
        });
        return result;
    };
    result.digest = Some(entry.digest);
    let context = Context {
        trust,
        subjects: &manifest.subjects,
        command: checklist.command(&predicate.evidence),
        asked: checklist.asked(&predicate.evidence),
        now,
    };
    let reading = predicate.test.read(bytes, context);
    let (stated, shown) = match reading {
        Ok(Reading { stated, shown }) => (stated, shown),
        Err(cause) => (Stated::default(), Err(vec![cause])),
    };
    // The older of what the collector and the evidence itself say.
    let made = stated.at.map_or(entry.made, |at| at.min(entry.made));
    result.made = Some(made);
    result.fresh_until = Some(made.after(predicate.max_age.0));
    let latest = stated.at.map_or(entry.made, |at| at.max(entry.made));
    let fresh = age_cause(made, latest, predicate.max_age, now);
    result.causes.extend(fresh);
    for subject in &predicate.about {
        let expected = manifest.subjects.get(subject);
        let cause = subject_cause(subject, expected, entry, &stated);
        result.causes.extend(cause);
    }
    match shown {
        Ok(shown) => result.shown = Some(shown),
        Err(causes) => result.causes.extend(causes),
    }
    result
}

fn age_cause(made: Moment, latest: Moment, most: Age, now: Moment) -> Option<Cause> {
    if let Some(by) = latest.since(now)
        && by > CLOCK_SKEW
    {
        return Some(Cause::FromTheFuture { by: Age(by) });
    }
    let age = now.since(made).unwrap_or_default();
    (age > most.0).then_some(Cause::Stale {
        age: Age(age),
        most,
    })
}

/// Everything that says which subject this is must agree, and something must.
fn subject_cause(
    subject: &str,
    expected: Option<&Identity>,
    entry: &Entry,
    stated: &Stated,
) -> Option<Cause> {
    let unbound = || Cause::Unbound {
        subject: subject.to_owned(),
    };
    let Some(expected) = expected else {
        return Some(unbound());
    };
    if expected.is_dirty() {
        return Some(Cause::Uncommitted {
            subject: subject.to_owned(),
        });
    }
    let collected = |about: &BTreeMap<String, Identity>| about.get(subject).cloned();
    let of_collector = if stated.alone {
        None
    } else {
        collected(&entry.about)
    };
    let of_commit = stated
        .commit
        .clone()
        .filter(|_| matches!(expected, Identity::GitCommit { .. }));
    let said = [of_collector, of_commit, collected(&stated.subjects)];
    let mut said = said.into_iter().flatten().peekable();
    if said.peek().is_none() {
        return Some(unbound());
    }
    let other = said.find(|found| !found.agrees_with(expected))?;
    Some(Cause::OtherDigest {
        subject: subject.to_owned(),
        expected: expected.clone(),
        found: other,
    })
}
