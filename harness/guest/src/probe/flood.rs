//! One thing again and again: one verdict, when all of them agree.

use harness_proto::Verdict;

/// The one verdict of all, or [`Verdict::Broken`] with how often each came.
pub(super) fn flood(times: u32, mut once: impl FnMut() -> Verdict) -> Verdict {
    let mut seen: Vec<(Verdict, u32)> = Vec::new();
    for _ in 0..times {
        let verdict = once();
        match seen.iter_mut().find(|(known, _)| *known == verdict) {
            Some((_, count)) => *count += 1,
            None => seen.push((verdict, 1)),
        }
    }
    match &seen[..] {
        [(verdict, _)] => verdict.clone(),
        [] => broken("the flood was to be of nothing: `times` is 0"),
        several => {
            let counts: Vec<String> = several
                .iter()
                .map(|(verdict, count)| format!("{count} {}", name(verdict)))
                .collect();
            broken(&format!(
                "not all of {times} came to the same: {}",
                counts.join(", ")
            ))
        }
    }
}

fn name(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allowed => "allowed".into(),
        Verdict::Denied { errno } => format!("denied with errno {errno}"),
        Verdict::Killed { signal } => format!("killed by signal {signal}"),
        Verdict::Broken { message } => format!("broken ({message})"),
    }
}

fn broken(message: &str) -> Verdict {
    Verdict::Broken {
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::flood;
    use harness_proto::Verdict;

    fn check(errnos: &[i32], expected: Result<Verdict, &str>) {
        let mut errnos = errnos.iter().map(|errno| match errno {
            0 => Verdict::Allowed,
            errno => Verdict::Denied { errno: *errno },
        });
        let times = u32::try_from(errnos.len()).unwrap();
        let verdict = flood(times, || errnos.next().unwrap());
        match (verdict, expected) {
            (Verdict::Broken { message }, Err(part)) => {
                assert!(message.ends_with(part), "{message}");
            }
            (verdict, expected) => assert_eq!(Ok(verdict), expected),
        }
    }

    #[test]
    fn only_a_flood_of_one_verdict_has_one() {
        check(&[0, 0, 0], Ok(Verdict::Allowed));
        check(&[1, 1], Ok(Verdict::Denied { errno: 1 }));
        check(&[1, 0, 1], Err("2 denied with errno 1, 1 allowed"));
        check(
            &[1, 13, 13],
            Err("1 denied with errno 1, 2 denied with errno 13"),
        );
        check(&[], Err("`times` is 0"));
    }
}
