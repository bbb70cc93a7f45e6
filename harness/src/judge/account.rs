//! Whether an agent's account of its events adds up.

use scenarios::schema::Lost;
use serde_json::Value;

use crate::adapter::Ledger;

/// Every attempt was delivered or counted as lost, every delivered one is a
/// line, and no number between two lines is missing; else what is wrong. Of several
/// processes the last sums up the attempts of all, and what it delivered itself.
///
/// `seen`: how many lines there are, how many do not follow the one before,
/// and the line in which the agent sums up.
pub(super) fn check_account(
    ledger: &Ledger,
    (processes, attempts, lost): (usize, u64, Lost),
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
    let all_delivered = if processes > 1 { lines } else { delivered };
    let account = format!(
        "{counted} attempts, {delivered} delivered, {missed} lost; {lines} lines, {gaps} of them not numbered after the one before"
    );
    let problem = if counted != attempts {
        format!("expected {attempts} attempts")
    } else if all_delivered.checked_add(missed) != Some(counted) {
        "an attempt was neither delivered nor counted as lost, or twice".into()
    } else if lines != all_delivered {
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
        let check = |(counted, delivered, missed): (u64, u64, u64),
                     (lines, gaps),
                     (attempts, lost),
                     problem: Option<&str>| {
            let summary = json!({"type": "stopped", "denials": counted,
                "delivered_denials": delivered, "denials_lost": missed});
            let found = check_account(&ledger, (1, attempts, lost), (lines, gaps, Some(&summary)));
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
        let found = check_account(&ledger, (1, 1, none), (1, 0, Some(&other))).unwrap_err();
        assert!(found.contains("delivered_denials"), "{found}");
        assert!(check_account(&ledger, (1, 1, none), (1, 0, None)).is_err());
    }

    #[test]
    fn of_several_processes_all_lines_count() {
        let ledger = AegisBpf.ledger(Ring::Denials).unwrap();
        let check = |lines, gaps, fine: bool| {
            let summary = json!({"type": "stopped", "denials": 5,
                "delivered_denials": 2, "denials_lost": 1});
            let found = check_account(&ledger, (2, 5, Lost::Some), (lines, gaps, Some(&summary)));
            assert_eq!(found.is_ok(), fine, "{lines} lines: {found:?}");
        };
        check(4, 0, true);
        check(4, 1, false);
        check(3, 0, false);
        check(2, 0, false);
    }
}
