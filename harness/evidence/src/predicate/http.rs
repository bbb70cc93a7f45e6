//! What came back for requests to a running service.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, Stated};
use crate::{
    cause::Cause,
    predicate::command::Output,
    service::{
        Record,
        http::{Answer, Answers, HttpAsked, HttpFacts},
    },
};

/// What must have come back for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpExpected {
    /// The request, by its name in the evidence.
    pub(crate) request: String,
    /// Every answer has one of these.
    status: Vec<u16>,
    /// At least one answer has this, for instance 429 when there are too many.
    #[serde(default)]
    some_status: Option<u16>,
    /// Texts that headers of every answer have; the request must keep them.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Texts that the body of every answer has; the request must keep it.
    #[serde(default)]
    body_has: Vec<String>,
    /// Texts that the body of no answer has; the request must keep it.
    #[serde(default)]
    body_lacks: Vec<String>,
}

impl HttpExpected {
    pub(super) fn problem(&self) -> Option<String> {
        if self.status.is_empty() {
            return Some("no `status`, so it could not pass: name those that are right".into());
        }
        let some = self.some_status?;
        (!self.status.contains(&some)).then(|| format!("`status` has no {some} of `some_status`"))
    }

    /// What is asked of a request that keeps too little of its answers.
    pub(crate) fn misfit(&self, asked: &HttpAsked) -> Option<String> {
        let request = asked.request.iter().find(|one| one.name == self.request)?;
        let kept = |name: &&String| {
            let mut kept = request.keep_headers.iter();
            !kept.any(|kept| kept.eq_ignore_ascii_case(name))
        };
        if let Some(header) = self.headers.keys().find(kept) {
            return Some(format!(
                "`{}` has no `{header}` in `keep_headers`",
                self.request
            ));
        }
        let of_body = !self.body_has.is_empty() || !self.body_lacks.is_empty();
        (of_body && request.keep_body == 0)
            .then(|| format!("`{}` has no `keep_body`", self.request))
    }

    fn causes(&self, facts: &HttpFacts) -> Vec<Cause> {
        let name = &self.request;
        let Some(answers) = facts.get(name).filter(|answers| !answers.is_empty()) else {
            return vec![Cause::inconclusive(format!("no answer to `{name}`"))];
        };
        let mut causes: Vec<Cause> = answers
            .iter()
            .filter_map(|answers| self.cause(answers))
            .collect();
        if let Some(some) = self.some_status
            && causes.is_empty()
            && !answers.iter().any(|one| one.status() == Some(some))
        {
            let times: u32 = answers.iter().map(|one| one.times).sum();
            causes.push(Cause::failed(format!(
                "none of {times} answers to `{name}` was {some}"
            )));
        }
        causes
    }

    fn cause(&self, answers: &Answers) -> Option<Cause> {
        let name = &self.request;
        let (status, headers, body) = match &answers.answer {
            Answer::Nothing(why) => {
                return Some(Cause::inconclusive(format!("no answer to `{name}`: {why}")));
            }
            Answer::Answered {
                status,
                headers,
                body,
            } => (status, headers, body),
        };
        if !self.status.contains(status) {
            let expected: Vec<String> = self.status.iter().map(ToString::to_string).collect();
            let expected = expected.join(" or ");
            return Some(Cause::failed(format!(
                "`{name}` was answered with {status}, not {expected}"
            )));
        }
        for (header, text) in &self.headers {
            let found = headers.get(&header.to_ascii_lowercase());
            match found {
                Some(found) if found.contains(text) => {}
                Some(found) => {
                    let why = format!("`{name}`: {header} is {found:?}, without {text:?}");
                    return Some(Cause::failed(why));
                }
                None => return Some(Cause::failed(format!("`{name}`: no header {header}"))),
            }
        }
        self.body(body)
    }

    fn body(&self, body: &Output) -> Option<Cause> {
        let name = &self.request;
        let has = |text: &&String| body.text.contains(text.as_str());
        if let Some(text) = self.body_lacks.iter().find(has) {
            return Some(Cause::failed(format!("`{name}`: the body has {text:?}")));
        }
        let absent = self.body_has.iter().find(|text| !has(text));
        let unsure = |text: &String| {
            let why = format!("`{name}`: whether the body has {text:?} is unknown: it was cut");
            Cause::inconclusive(why)
        };
        match absent {
            Some(text) if body.cut => Some(unsure(text)),
            Some(text) => Some(Cause::failed(format!("`{name}`: the body has no {text:?}"))),
            None if body.cut => self.body_lacks.first().map(unsure),
            None => None,
        }
    }
}

impl Answers {
    fn status(&self) -> Option<u16> {
        match &self.answer {
            Answer::Answered { status, .. } => Some(*status),
            Answer::Nothing(_) => None,
        }
    }
}

pub(super) fn read(
    expected: &[HttpExpected],
    bytes: &[u8],
    asked: Option<&HttpAsked>,
) -> Result<Reading, Cause> {
    let record: Record<HttpAsked, HttpFacts> = Record::read(bytes, asked)?;
    let stated = Stated {
        at: Some(record.started),
        ..Stated::default()
    };
    let causes = expected.iter().flat_map(|one| one.causes(&record.facts));
    let shown = format!("{} requests were answered as they must be", expected.len());
    Ok(Reading::of(stated, causes.collect(), shown))
}
