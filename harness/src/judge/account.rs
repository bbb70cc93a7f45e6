//! Whether an agent's account of its events adds up.

use scenarios::schema::Lost;
use serde_json::Value;

use crate::adapter::Ledger;

/// Every attempt was delivered or counted as lost, every delivered one is a
/// line, and no number between two lines is missing; else what is wrong.
///
/// `seen`: how many lines there are, how many do not follow the one before,
/// and the line in which the agent sums up.
pub(super) fn check_account(
    ledger: &Ledger,
    (attempts, lost): (u64, Lost),
    (lines, gaps, summary): (u64, u64, Option<&Value>),
) -> Result<(), String> {
    let summary = summary.ok_or("the agent ended without summing up its events")?;
    let number = |name: &str| {
        summary
            .get(name)
            .and_then(Value::as_u64)
            .ok_or_else(|| format!("the agent's summary has no number {name:?}: {summary}"))
    };
    let counted = number(&ledger.attempts)?;
    let delivered = number(&ledger.delivered)?;
    let missed = number(&ledger.lost)?;
    let account = format!(
        "{counted} attempts, {delivered} delivered, {missed} lost; {lines} lines, {gaps} of them not numbered after the one before"
    );
    let problem = if counted != attempts {
        format!("expected {attempts} attempts")
    } else if delivered.checked_add(missed) != Some(counted) {
        "an attempt was neither delivered nor counted as lost, or twice".into()
    } else if lines != delivered {
        "expected one line for each that was delivered".into()
    } else if gaps > 0 {
        "expected numbers without a gap".into()
    } else {
        match lost {
            Lost::None if missed > 0 => "expected no loss".into(),
            Lost::Some if missed == 0 => "expected some loss".into(),
            Lost::None | Lost::Some => return Ok(()),
        }
    };
    Err(format!("{problem}: the agent accounts for {account}"))
}

#[cfg(test)]
mod tests {
    use super::check_account;
    use crate::adapter::{Adapter, AegisBpf};
    use scenarios::schema::{Lost, Ring};
    use serde_json::json;

    #[test]
    fn an_account_adds_up_or_says_what_is_wrong() {
        let ledger = AegisBpf.ledger(Ring::Denials).unwrap();
        let check = |(counted, delivered, lost): (u64, u64, u64),
                     (lines, gaps),
                     expected,
                     problem: Option<&str>| {
            let summary = json!({"type": "stopped", "denials": counted,
                "delivered_denials": delivered, "denials_lost": lost});
            let found = check_account(&ledger, expected, (lines, gaps, Some(&summary)));
            match (found, problem) {
                (Ok(()), None) => {}
                (Err(found), Some(problem)) => assert!(found.contains(problem), "{found}"),
                (found, _) => panic!("{found:?}, expected {problem:?}"),
            }
        };
        let (none, some) = (Lost::None, Lost::Some);
        check((21, 21, 0), (21, 0), (21, none), None);
        check((3001, 1500, 1501), (1500, 0), (3001, some), None);
        check(
            (20, 20, 0),
            (20, 0),
            (21, none),
            Some("expected 21 attempts"),
        );
        check((21, 20, 0), (20, 0), (21, none), Some("neither delivered"));
        check((21, 20, 2), (20, 0), (21, some), Some("neither delivered"));
        check((21, 21, 0), (20, 0), (21, none), Some("one line for each"));
        check((21, 21, 0), (21, 1), (21, none), Some("without a gap"));
        check((21, 20, 1), (20, 0), (21, none), Some("expected no loss"));
        check((21, 21, 0), (21, 0), (21, some), Some("expected some loss"));
        let other = json!({"type": "stopped", "denials": 1});
        let found = check_account(&ledger, (1, none), (1, 0, Some(&other))).unwrap_err();
        assert!(found.contains("delivered_denials"), "{found}");
        assert!(check_account(&ledger, (1, none), (1, 0, None)).is_err());
    }
}
