//! Whether a storm was refused as a whole.

use harness_proto::Stormed;
use scenarios::schema::Errno;

use crate::outcome::{FailCode, Outcome};

/// Every open was refused with this errno, each round went as it had to, and
/// the reports name enough policies. What the kernel did comes first.
pub(super) fn check_storm(
    seen: &Stormed,
    errno: Errno,
    rounds: u32,
    generations: u64,
) -> Result<(), Outcome> {
    let total = seen.opens.total();
    let refused = seen.opens.denied.get(&errno.number()).copied();
    let refused = refused.unwrap_or_default();
    let fail = |code, problem: String| Err(Outcome::failed(code, problem));
    if seen.opens.allowed > 0 {
        let allowed = seen.opens.allowed;
        return fail(
            FailCode::NotDenied,
            format!("{allowed} of {total} opens succeeded, expected none"),
        );
    }
    if refused != total || total == 0 {
        return fail(
            FailCode::WrongErrno,
            format!(
                "of {total} opens {refused} failed with {errno:?}; by errno: {:?}",
                seen.opens.denied
            ),
        );
    }
    if let Some(trouble) = &seen.trouble {
        return fail(FailCode::Reload, trouble.clone());
    }
    if seen.rounds != rounds {
        let found = seen.rounds;
        return fail(
            FailCode::Reload,
            format!("{found} rounds were done, expected {rounds}"),
        );
    }
    if seen.generations < generations {
        return fail(
            FailCode::EventMissing,
            format!(
                "the {} denials that were reported name {} policies, expected at least {generations}",
                seen.delivered, seen.generations
            ),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_storm;
    use harness_proto::{Opens, Stormed};
    use scenarios::schema::Errno;

    #[test]
    fn a_storm_passes_only_when_nothing_got_through_in_any_round() {
        let good = Stormed {
            opens: Opens {
                allowed: 0,
                denied: [(1, 1000)].into(),
            },
            rounds: 10,
            generations: 10,
            ..Stormed::default()
        };
        let check = |change: &dyn Fn(&mut Stormed), problem: Option<&str>| {
            let mut seen = good.clone();
            change(&mut seen);
            let found = check_storm(&seen, Errno::EPERM, 10, 10).err();
            let found = found.map(|outcome| outcome.code().unwrap());
            assert_eq!(found.as_deref(), problem);
        };
        check(&|_| {}, None);
        check(&|seen| seen.opens.allowed = 1, Some("not-denied"));
        check(
            &|seen| seen.opens.denied = [(1, 999), (13, 1)].into(),
            Some("wrong-errno"),
        );
        check(&|seen| seen.opens.denied = [].into(), Some("wrong-errno"));
        check(&|seen| seen.trouble = Some("x".into()), Some("reload"));
        check(&|seen| seen.rounds = 9, Some("reload"));
        check(&|seen| seen.generations = 9, Some("event-missing"));
    }
}
