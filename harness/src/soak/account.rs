//! Whether what was denied, told and lost in a soak adds up.

use harness_proto::soak::Soaked;
use scenarios::schema::Errno;
use serde_json::Value;

use crate::{
    adapter::Ledger,
    outcome::{FailCode, Outcome},
};

/// Every probe of the load came to what it had to each time, no test of the
/// agent's own failed, and attempts = delivered + lost, to the last one.
///
/// `denied`: of each probe, whether it must be. `before`: how many were denied
/// before the load began.
pub fn check(ledger: &Ledger, denied: &[bool], before: u64, seen: &Soaked) -> Result<(), Outcome> {
    let fail = |code, reason: String| Err(Outcome::failed(code, reason));
    if let Some(trouble) = &seen.trouble {
        return fail(FailCode::AgentExit, format!("it ended early: {trouble}"));
    }
    if seen.tried.len() != denied.len() {
        let problem = format!("{} of {} probes", seen.tried.len(), denied.len());
        return fail(FailCode::ProbeBroken, problem);
    }
    let mut attempts = before;
    for (number, (tried, denied)) in seen.tried.iter().zip(denied).enumerate() {
        let refused = tried.denied.get(&Errno::EPERM.number()).copied();
        let refused = refused.unwrap_or(0);
        let all = tried.allowed + tried.other + tried.denied.values().sum::<u64>();
        let (right, code) = match denied {
            true if tried.allowed > 0 => (refused, FailCode::NotDenied),
            true => (refused, FailCode::WrongErrno),
            false if tried.other > 0 => (tried.allowed, FailCode::ProbeBroken),
            false => (tried.allowed, FailCode::UnexpectedDeny),
        };
        if right != all || all == 0 {
            return fail(
                code,
                format!("probe {number} of the load came to {tried:?}"),
            );
        }
        attempts += if *denied { refused } else { 0 };
    }
    if seen.degraded > 0 {
        let reason = format!("the agent's own test failed {} times", seen.degraded);
        return fail(FailCode::StateMismatch, reason);
    }
    if seen.canaries == 0 || seen.swaps == 0 {
        let reason = format!(
            "{} tests of the agent's own and {} policies: too few to say anything",
            seen.canaries, seen.swaps
        );
        return fail(FailCode::EventMissing, reason);
    }
    adds_up(ledger, attempts + seen.canaries, seen)
        .map_err(|problem| Outcome::failed(FailCode::Accounting, problem))
}

fn adds_up(ledger: &Ledger, attempts: u64, seen: &Soaked) -> Result<(), String> {
    let summary = seen.summary.as_ref();
    let summary = summary.ok_or("the agent ended without summing up its events")?;
    let number = |name: &str| {
        let value = summary.get(name).and_then(Value::as_u64);
        value.ok_or_else(|| format!("the agent's summary has no number {name:?}: {summary}"))
    };
    let counted = number(&ledger.attempts)?;
    let delivered = number(&ledger.delivered)?;
    let lost = number(&ledger.lost)?;
    let problem = if lost > 0 {
        // The load is far from what fills a ring.
        "expected no loss"
    } else if counted != attempts {
        "expected as many attempts as the load was refused and the agent tested itself"
    } else if delivered + lost != counted {
        "an attempt was neither delivered nor counted as lost, or twice"
    } else if seen.lines != delivered || seen.gaps > 0 {
        "expected one line for each that was delivered, and numbers without a gap"
    } else {
        return Ok(());
    };
    Err(format!(
        "{problem}: {attempts} were made; the agent accounts for {counted} attempts, {delivered} \
         delivered, {lost} lost; {} lines, {} of them not numbered after the one before",
        seen.lines, seen.gaps
    ))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::{
        adapter::{Adapter, AegisBpf},
        outcome::{FailCode, Outcome},
    };
    use harness_proto::soak::{Soaked, Tried};
    use scenarios::schema::Ring;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn tried(allowed: u64, denied: u64) -> Tried {
        Tried {
            allowed,
            denied: BTreeMap::from([(1, denied)]),
            other: 0,
        }
    }

    /// Ten denied in the load, one before it, two of the agent's own.
    fn good() -> Soaked {
        Soaked {
            tried: vec![tried(0, 10), tried(10, 0)],
            swaps: 2,
            lines: 13,
            canaries: 2,
            summary: Some(json!({"denials": 13, "delivered_denials": 13, "denials_lost": 0})),
            ..Soaked::default()
        }
    }

    #[test]
    fn only_a_soak_in_which_everything_adds_up_is_one() {
        let ledger = AegisBpf.ledger(Ring::Denials).unwrap();
        let check = |change: fn(&mut Soaked), code: Option<FailCode>| {
            let mut seen = good();
            change(&mut seen);
            let found = match check(&ledger, &[true, false], 1, &seen) {
                Ok(()) => None,
                Err(Outcome::Failed { code, .. }) => Some(code),
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(found, code, "{seen:?}");
        };
        check(|_| {}, None);
        check(|seen| seen.tried[0].allowed = 1, Some(FailCode::NotDenied));
        check(
            |seen| seen.tried[0].denied = BTreeMap::from([(1, 9), (13, 1)]),
            Some(FailCode::WrongErrno),
        );
        check(
            |seen| seen.tried[1] = tried(9, 1),
            Some(FailCode::UnexpectedDeny),
        );
        check(|seen| seen.tried[1].other = 1, Some(FailCode::ProbeBroken));
        check(
            |seen| seen.tried[1] = tried(0, 0),
            Some(FailCode::UnexpectedDeny),
        );
        check(|seen| seen.lines = 12, Some(FailCode::Accounting));
        check(|seen| seen.gaps = 1, Some(FailCode::Accounting));
        check(|seen| seen.summary = None, Some(FailCode::Accounting));
        check(
            |seen| {
                seen.summary =
                    Some(json!({"denials": 13, "delivered_denials": 12, "denials_lost": 1}));
            },
            Some(FailCode::Accounting),
        );
        check(|seen| seen.canaries = 0, Some(FailCode::EventMissing));
        check(|seen| seen.degraded = 1, Some(FailCode::StateMismatch));
        check(
            |seen| seen.trouble = Some("it ended".into()),
            Some(FailCode::AgentExit),
        );
        check(|seen| drop(seen.tried.pop()), Some(FailCode::ProbeBroken));
    }
}
