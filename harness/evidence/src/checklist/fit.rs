//! Whether a test can be made of a piece of evidence at all.

use std::{collections::BTreeMap, time::Duration};

use super::{Priority, Source};
use crate::{
    moment::Age,
    predicate::{Predicate, Test, http::HttpExpected},
    rollout::Phase,
    service::{Asked, http::HttpAsked},
};

/// Why it cannot.
pub(super) fn problem(test: &Test, from: &Source) -> Option<String> {
    match (test, from) {
        (Test::Command(_) | Test::Contract(_), Source::Record(_))
        | (
            Test::Prometheus(_),
            Source::Service {
                asked: Asked::Prometheus(_),
                ..
            },
        )
        | (
            Test::Alerting(_),
            Source::Service {
                asked: Asked::Alerting(_),
                ..
            },
        ) => None,
        (Test::Command(_) | Test::Contract(_), _) | (_, Source::Record(_)) => Some(
            "the tests `command` and `contract`, and only they, are about evidence with `command`"
                .into(),
        ),
        (
            Test::Http(expected),
            Source::Service {
                asked: Asked::Http(asked),
                ..
            },
        ) => expected.iter().find_map(|one| http(one, asked)),
        (
            Test::Tls(expected),
            Source::Service {
                asked: Asked::Tls(asked),
                ..
            },
        ) => expected.misfit(asked),
        (_, Source::Service { asked, .. }) => {
            let kind = asked.kind();
            Some(format!(
                "it is evidence with `{kind}`, for the test `{kind}`"
            ))
        }
        (Test::Http(_) | Test::Tls(_) | Test::Prometheus(_) | Test::Alerting(_), _) => {
            let kind = test.kind();
            Some(format!("it needs evidence with `{kind}`"))
        }
        _ => None,
    }
}

/// A phase that could be waived, or that is judged by less than it lasts.
pub(super) fn problem_of_phase(
    phase: &Phase,
    priority: Option<Priority>,
    predicates: &[Predicate],
    evidence: &BTreeMap<String, Source>,
) -> Option<String> {
    if priority != Some(Priority::P0) {
        return Some("a phase is P0: no waiver promotes it".into());
    }
    let duration = phase.duration?;
    predicates.iter().find_map(|predicate| {
        let name = &predicate.evidence;
        let Some(Source::Service {
            asked: Asked::Prometheus(asked),
            ..
        }) = evidence.get(name)
        else {
            return None;
        };
        let window = asked.window.unwrap_or(Age(Duration::ZERO));
        (window < duration)
            .then(|| format!("`{name}` looks back {window} only, and the phase lasts {duration}"))
    })
}

fn http(expected: &HttpExpected, asked: &HttpAsked) -> Option<String> {
    let known = asked.request.iter().any(|one| one.name == expected.request);
    if known {
        return expected.misfit(asked);
    }
    let names: Vec<&str> = asked.request.iter().map(|one| one.name.as_str()).collect();
    let (name, names) = (&expected.request, names.join(", "));
    Some(format!("it has no request `{name}`, only {names}"))
}
