//! Whether a test can be made of a piece of evidence at all.

use super::Source;
use crate::{
    predicate::{Test, http::HttpExpected},
    service::{Asked, http::HttpAsked},
};

/// Why it cannot.
pub(super) fn problem(test: &Test, from: &Source) -> Option<String> {
    match (test, from) {
        (Test::Command(_) | Test::Contract(_), Source::Record(_)) => None,
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
        (
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

fn http(expected: &HttpExpected, asked: &HttpAsked) -> Option<String> {
    let known = asked.request.iter().any(|one| one.name == expected.request);
    if known {
        return expected.misfit(asked);
    }
    let names: Vec<&str> = asked.request.iter().map(|one| one.name.as_str()).collect();
    let (name, names) = (&expected.request, names.join(", "));
    Some(format!("it has no request `{name}`, only {names}"))
}
