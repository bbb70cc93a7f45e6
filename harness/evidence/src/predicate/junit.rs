//! Tests, as JUnit XML from anywhere.

use std::collections::BTreeMap;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, Stated, bad_pattern, glob, some};
use crate::{cause::Cause, digest::Identity, moment::Moment};

/// What a property of a file is called that says what the tests are about:
/// `subject:agent`, with `sha256:…` or `git:…` as its value.
const SUBJECT: &str = "subject:";

/// Tests that must have run. None may have failed, these or others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Junit {
    /// Names, or patterns such as `login*`, of tests of which at least one must
    /// have passed and none may be skipped.
    #[serde(default)]
    must_run: Vec<String>,
    /// How many tests must have passed at least.
    #[serde(default = "one")]
    at_least: usize,
}

const fn one() -> usize {
    1
}

#[derive(Default)]
struct Suite {
    cases: Vec<Case>,
    stated: Stated,
    /// What the file claims in sum, for the outermost elements that say so.
    claimed_bad: u64,
}

struct Case {
    name: String,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

impl Junit {
    pub(super) fn problem(&self) -> Option<String> {
        if self.must_run.is_empty() && self.at_least == 0 {
            return Some("no test has to run, so it would always pass: name some".into());
        }
        bad_pattern(&self.must_run)
    }

    pub(super) fn read(&self, bytes: &[u8]) -> Result<Reading, Cause> {
        let text = std::str::from_utf8(bytes).map_err(Cause::unparsable)?;
        let suite = parse(text).map_err(Cause::unparsable)?;
        let of = |outcome| -> Vec<String> {
            let cases = suite.cases.iter().filter(|case| case.outcome == outcome);
            cases.map(|case| case.name.clone()).collect()
        };
        let (passed, failed) = (of(Outcome::Passed), of(Outcome::Failed));
        let mut causes = Vec::new();
        if !failed.is_empty() {
            causes.push(Cause::failed(format!("failed: {}", some(&failed))));
        } else if suite.claimed_bad > 0 {
            let bad = suite.claimed_bad;
            let why = format!("it counts {bad} failures or errors, but names none");
            causes.push(Cause::inconclusive(why));
        }
        for pattern in &self.must_run {
            let matcher = glob(pattern);
            let matches = |name: &String| {
                let last = name.rsplit('/').next().unwrap_or(name);
                let glob = matcher.as_ref();
                glob.is_some_and(|glob| glob.is_match(name) || glob.is_match(last))
            };
            let skipped: Vec<String> = of(Outcome::Skipped).into_iter().filter(matches).collect();
            if !skipped.is_empty() {
                causes.push(Cause::failed(format!("skipped: {}", some(&skipped))));
            } else if !suite.cases.iter().any(|case| matches(&case.name)) {
                causes.push(Cause::inconclusive(format!("no test {pattern} was run")));
            }
        }
        if passed.len() < self.at_least {
            let (count, least) = (passed.len(), self.at_least);
            let why = format!("{count} tests passed; {least} must");
            causes.push(Cause::inconclusive(why));
        }
        let shown = format!("{} tests passed", passed.len());
        Ok(Reading::of(suite.stated, causes, shown))
    }
}

fn parse(text: &str) -> Result<Suite, String> {
    let mut reader = Reader::from_str(text);
    let mut suite = Suite::default();
    let mut path: Vec<String> = Vec::new();
    loop {
        let at = reader.buffer_position();
        let problem = |why: String| format!("byte {at}: {why}");
        match reader
            .read_event()
            .map_err(|error| problem(error.to_string()))?
        {
            Event::Start(element) => {
                suite.open(&element, &path).map_err(problem)?;
                path.push(name_of(&element));
            }
            Event::Empty(element) => suite.open(&element, &path).map_err(problem)?,
            Event::End(_) => {
                path.pop();
            }
            Event::DocType(_) => return Err(problem("a document type is not read".into())),
            Event::Eof if path.is_empty() && suite.stated.alone => break,
            Event::Eof if path.is_empty() => return Err("no <testsuites> or <testsuite>".into()),
            Event::Eof => return Err(format!("it ends within <{}>", path.join("><"))),
            _ => {}
        }
    }
    suite.stated.alone = false;
    Ok(suite)
}

fn name_of(element: &BytesStart<'_>) -> String {
    String::from_utf8_lossy(element.local_name().as_ref()).into_owned()
}

impl Suite {
    fn open(&mut self, element: &BytesStart<'_>, path: &[String]) -> Result<(), String> {
        let name = name_of(element);
        let within = path.last().map(String::as_str);
        let attributes = attributes_of(element)?;
        match (name.as_str(), within) {
            ("testsuites" | "testsuite", None) => {
                // Marks that the root was seen; cleared when all was read.
                self.stated.alone = true;
                self.claimed_bad = ["failures", "errors"]
                    .iter()
                    .filter_map(|name| attributes.get(*name)?.parse::<u64>().ok())
                    .sum();
                self.time(&attributes);
            }
            (other, None) => return Err(format!("<{other}> is no JUnit")),
            ("testsuite", _) => self.time(&attributes),
            ("testcase", _) => {
                let attribute = |name| attributes.get(name).cloned().unwrap_or_default();
                let (class, name) = (attribute("classname"), attribute("name"));
                let name = if class.is_empty() {
                    name
                } else {
                    format!("{class}/{name}")
                };
                self.cases.push(Case {
                    name,
                    outcome: Outcome::Passed,
                });
            }
            ("failure" | "error", Some("testcase")) => self.outcome(Outcome::Failed),
            ("skipped", Some("testcase")) => self.outcome(Outcome::Skipped),
            ("property", Some("properties")) => {
                let subject = attributes
                    .get("name")
                    .and_then(|name| name.strip_prefix(SUBJECT));
                if let (Some(subject), Some(value)) = (subject, attributes.get("value")) {
                    let identity: Identity = value.parse().map_err(|error| format!("{error}"))?;
                    self.stated.subjects.insert(subject.to_owned(), identity);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The worst that is said of the last case.
    fn outcome(&mut self, outcome: Outcome) {
        if let Some(case) = self.cases.last_mut()
            && case.outcome != Outcome::Failed
        {
            case.outcome = outcome;
        }
    }

    /// The earliest time that any suite states.
    fn time(&mut self, attributes: &BTreeMap<String, String>) {
        let stated: Option<Moment> = attributes.get("timestamp").and_then(|at| at.parse().ok());
        self.stated.at = match (self.stated.at, stated) {
            (Some(known), Some(stated)) => Some(known.min(stated)),
            (known, stated) => known.or(stated),
        };
    }
}

fn attributes_of(element: &BytesStart<'_>) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name = String::from_utf8_lossy(attribute.key.local_name().as_ref()).into_owned();
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|error| error.to_string())?;
        found.insert(name, value.into_owned());
    }
    Ok(found)
}
