//! What an agent's lines can say, so that a typing mistake in a scenario is
//! refused before anything runs. In a `no-event` step it would pass for ever.

use kernel_matrix::UnknownName;
use scenarios::{Scenario, Step};
use serde_json::{Map, Value};
use thiserror::Error;

/// Everything that a scenario can ask of what an agent says.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary {
    /// The field whose word tells one kind of line from another.
    pub tag: &'static str,
    /// The kinds of lines that the running agent writes.
    pub lines: &'static [Line],
    /// What its health is told in.
    pub health: &'static [Field],
    /// What its command prints that brings a policy into force.
    pub applied: &'static [Field],
}

/// One kind of line.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// The word in its tag.
    pub kind: &'static str,
    /// Its other fields, in groups, because lines share some.
    pub fields: &'static [&'static [Field]],
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// Its value.
    pub shape: Shape,
}

/// What the value of a field is.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// True or false.
    Flag,
    /// A whole number, not negative.
    Number,
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The id of a rule of the policy.
    Rule,
    /// Fields of its own.
    Table(&'static [Field]),
    /// A list of anything; it is compared as a whole.
    List,
    /// A list of tables; each is held against the one in its place.
    Rows(&'static [Field]),
    /// A table of tables, under any names.
    Named(&'static [Field]),
}

/// A matcher that matches nothing the agent can say.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{field}`: {problem}")]
pub struct MatchError {
    /// Index of the step.
    pub step: usize,
    /// The path of the field in it.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field of a matcher.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// There is no such field, word or rule.
    #[error("{0}")]
    Unknown(UnknownName),
    /// A value that it never has.
    #[error("is {found}, but the agent says {expected} there")]
    Shape {
        /// What the field holds.
        expected: &'static str,
        /// What the scenario asks for.
        found: Value,
    },
    /// Fields of different lines.
    #[error("no line has all of these fields: {}", .0.join(", "))]
    Apart(Vec<String>),
}

/// Hold the matchers of a scenario against what the agent can say.
pub fn check(scenario: &Scenario, vocabulary: &Vocabulary) -> Result<(), MatchError> {
    let matcher = Matcher {
        scenario,
        vocabulary,
    };
    for (step, one) in scenario.steps.iter().enumerate() {
        let checked = match one {
            Step::Event { matches, .. } | Step::NoEvent { matches } => matcher.line(matches),
            Step::Health { matches, .. } => {
                matcher.value("matches", matches, Shape::Table(vocabulary.health))
            }
            Step::Apply {
                matches, exit: 0, ..
            } => matcher.value("matches", matches, Shape::Table(vocabulary.applied)),
            Step::Unchanged { fields } => fields
                .iter()
                .try_for_each(|name| find("fields", name, vocabulary.health).map(drop)),
            _ => Ok(()),
        };
        checked.map_err(|(field, problem)| MatchError {
            step,
            field,
            problem,
        })?;
    }
    Ok(())
}

type Checked = Result<(), (String, Problem)>;

struct Matcher<'a> {
    scenario: &'a Scenario,
    vocabulary: &'a Vocabulary,
}

impl Matcher<'_> {
    fn line(&self, matches: &Value) -> Checked {
        const AT: &str = "matches";
        let tag = self.vocabulary.tag;
        let lines = self.vocabulary.lines;
        let Value::Object(wanted) = matches else {
            return self.value(AT, matches, Shape::Table(&[]));
        };
        let mut rest = wanted.clone();
        if let Some(kind) = rest.remove(tag) {
            let at = format!("{AT}.{tag}");
            let line = kind
                .as_str()
                .and_then(|kind| lines.iter().find(|line| line.kind == kind));
            let Some(line) = line else {
                let known = lines.iter().map(|line| line.kind);
                return unknown(at, "kind of line", &kind, known);
            };
            return self.fields(AT, &rest, &line.all());
        }
        let mut any: Vec<Field> = lines.iter().flat_map(Line::all).collect();
        any.sort_by_key(|field| field.name);
        any.dedup_by_key(|field| field.name);
        for name in rest.keys() {
            find(AT, name, &any)?;
        }
        let has_all = |line: &&Line| {
            let fields = line.all();
            rest.keys()
                .all(|name| fields.iter().any(|field| field.name == name))
        };
        let mut tried = lines
            .iter()
            .filter(has_all)
            .map(|line| self.fields(AT, &rest, &line.all()))
            .peekable();
        let first = tried.peek().cloned();
        if tried.any(|tried| tried.is_ok()) {
            return Ok(());
        }
        let names = rest.keys().cloned().collect();
        first.unwrap_or_else(|| Err((AT.into(), Problem::Apart(names))))
    }

    fn fields(&self, at: &str, wanted: &Map<String, Value>, known: &[Field]) -> Checked {
        for (name, value) in wanted {
            let field = find(at, name, known)?;
            self.value(&format!("{at}.{name}"), value, field.shape)?;
        }
        Ok(())
    }

    fn value(&self, at: &str, value: &Value, shape: Shape) -> Checked {
        match (shape, value) {
            (Shape::Flag, Value::Bool(_))
            | (Shape::Text, Value::String(_))
            | (Shape::List, Value::Array(_)) => Ok(()),
            (Shape::Number, Value::Number(number)) if number.is_u64() => Ok(()),
            (Shape::Word(words), Value::String(word)) => {
                if words.contains(&word.as_str()) {
                    return Ok(());
                }
                unknown(at.into(), "word", value, words)
            }
            (Shape::Rule, Value::String(id)) => {
                if self.has_rule(id) {
                    return Ok(());
                }
                let known = self.scenario.rules.iter().map(|rule| rule.id.as_str());
                unknown(at.into(), "rule", value, known)
            }
            (Shape::Table(fields), Value::Object(wanted)) => self.fields(at, wanted, fields),
            (Shape::Rows(fields), Value::Array(rows)) => rows
                .iter()
                .try_for_each(|row| self.value(at, row, Shape::Table(fields))),
            (Shape::Named(fields), Value::Object(tables)) => {
                let mut tables = tables.iter();
                tables.try_for_each(|(name, table)| {
                    self.value(&format!("{at}.{name}"), table, Shape::Table(fields))
                })
            }
            (shape, value) => Err((
                at.into(),
                Problem::Shape {
                    expected: shape.in_words(),
                    found: value.clone(),
                },
            )),
        }
    }

    /// A policy in the agent's own language is not understood here; it is
    /// enough that it mentions the id.
    fn has_rule(&self, id: &str) -> bool {
        let in_raw_policy = |step: &Step| match step {
            Step::Start { raw_policy, .. }
            | Step::Reload { raw_policy, .. }
            | Step::Apply { raw_policy, .. } => raw_policy
                .as_ref()
                .is_some_and(|policy| !id.is_empty() && policy.contains(id)),
            _ => false,
        };
        self.scenario.rules.iter().any(|rule| rule.id == id)
            || self.scenario.steps.iter().any(in_raw_policy)
    }
}

fn find(at: &str, name: &str, known: &[Field]) -> Result<Field, (String, Problem)> {
    let found = known.iter().find(|field| field.name == name);
    found.copied().ok_or_else(|| {
        let known = known.iter().map(|field| field.name);
        let unknown = UnknownName::new("field", name, known);
        (format!("{at}.{name}"), Problem::Unknown(unknown))
    })
}

fn unknown(
    at: String,
    kind: &'static str,
    value: &Value,
    known: impl IntoIterator<Item = impl std::fmt::Display>,
) -> Checked {
    let name = value.as_str().map_or_else(|| value.to_string(), Into::into);
    Err((at, Problem::Unknown(UnknownName::new(kind, &name, known))))
}

impl Line {
    /// All of its fields but the tag.
    pub fn all(&self) -> Vec<Field> {
        self.fields.iter().copied().flatten().copied().collect()
    }
}

impl Shape {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Flag => "true or false",
            Self::Number => "a number",
            Self::Text | Self::Word(_) | Self::Rule => "a text",
            Self::Table(_) | Self::Named(_) => "a table",
            Self::List | Self::Rows(_) => "a list",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::adapter::{Adapter, AegisBpf};
    use std::path::Path;

    fn said(step: &str) -> String {
        let text = format!(
            "id = \"x\"\ntitle = \"t\"\n[[rule]]\nid = \"secret\"\nfile = {{ path = \"/a\" }}\n[[step]]\ndo = \"start\"\nmode = \"audit\"\n[[step]]\ndo = {step}\n"
        );
        let scenario = scenarios::catalogue::parse(Path::new("x.toml"), &text).unwrap();
        match check(&scenario, &AegisBpf.vocabulary()) {
            Ok(()) => "known".into(),
            Err(error) => error.to_string(),
        }
    }

    fn event(matches: &str) -> String {
        said(&format!("\"no-event\"\nmatches = {matches}"))
    }

    #[test]
    fn a_mistake_in_an_event_is_named_with_what_is_known() {
        insta::assert_snapshot!(event("{ type = \"denail\" }"), @r#"`matches.type`: unknown kind of line "denail"; did you mean denial? (known: ready, denial, canary, dismissed, unresolved, policy, degraded, recovered, loss, stopped)"#);
        insta::assert_snapshot!(event("{ type = \"loss\", denials_lots = 1 }"), @r#"`matches.denials_lots`: unknown field "denials_lots"; did you mean denials_lost? (known: denials, denials_lost, audits, audits_lost, unreadable, in_flight_lost)"#);
        insta::assert_snapshot!(event("{ type = \"denial\", rule = \"secrte\" }"), @r#"`matches.rule`: unknown rule "secrte"; did you mean secret? (known: secret)"#);
        insta::assert_snapshot!(event("{ type = \"denial\", verdict = \"denid\" }"), @r#"`matches.verdict`: unknown word "denid"; did you mean denied? (known: denied, killed, would-deny, audited)"#);
        insta::assert_snapshot!(event("{ type = \"denial\", seq = \"1\" }"), @r#"`matches.seq`: is "1", but the agent says a number there"#);
        insta::assert_snapshot!(event("{ type = \"denial\", peer = { adress = \"::1\" } }"), @r#"`matches.peer.adress`: unknown field "adress"; did you mean address? (known: address, port)"#);
        insta::assert_snapshot!(event("{ type = 1 }"), @r#"`matches.type`: unknown kind of line "1" (known: ready, denial, canary, dismissed, unresolved, policy, degraded, recovered, loss, stopped)"#);
    }

    #[test]
    fn a_line_of_any_kind_must_still_be_one_that_there_is() {
        assert_eq!(event("{ verdict = \"denied\" }"), "known");
        assert_eq!(event("{ ring = \"denials\", seq = 1 }"), "known");
        insta::assert_snapshot!(event("{ verdict = \"allowed\" }"), @r#"`matches.verdict`: unknown word "allowed"; did you mean killed? (known: denied, killed, would-deny, audited)"#);
        insta::assert_snapshot!(event("{ verdict = \"denied\", adopted = true }"), @r"`matches`: no line has all of these fields: adopted, verdict");
        assert!(event("{ vredict = \"denied\" }").contains("did you mean verdict?"));
    }

    #[test]
    fn a_mistake_in_a_health_is_named_with_what_is_known() {
        let health = |matches: &str| said(&format!("\"health\"\nmatches = {matches}"));
        assert_eq!(health("{}"), "known");
        assert_eq!(health("{ healthy = true, generation = 0 }"), "known");
        insta::assert_snapshot!(health("{ helthy = true }"), @r#"`matches.helthy`: unknown field "helthy"; did you mean healthy? (known: healthy, daemon, domains, generation, policy_digest, links, maps, counters, tenants, canary, held, checks)"#);
        insta::assert_snapshot!(health("{ healthy = 1 }"), @r"`matches.healthy`: is 1, but the agent says true or false there");
        insta::assert_snapshot!(health("{ domains = { files = \"off\" } }"), @r#"`matches.domains.files`: unknown field "files"; did you mean file? (known: file, exec, network, kernel)"#);
        insta::assert_snapshot!(health("{ domains = \"off\" }"), @r#"`matches.domains`: is "off", but the agent says a table there"#);
    }

    #[test]
    fn what_applying_prints_and_tables_by_name_are_checked_too() {
        let apply =
            |matches: &str| said(&format!("\"apply\"\nmatches = {{ applied = {matches} }}"));
        assert_eq!(
            apply("{ held = { found = 1, listed = [{ rule = \"secret\" }] } }"),
            "known"
        );
        insta::assert_snapshot!(apply("{ held = { listed = [{ rul = \"secret\" }] } }"), @r#"`matches.applied.held.listed.rul`: unknown field "rul"; did you mean rule? (known: pid, fd, command, rule, operations, held)"#);
        let health = |matches: &str| said(&format!("\"health\"\nmatches = {matches}"));
        assert_eq!(
            health("{ tenants = { \"uid 7\" = { denied = 1 } } }"),
            "known"
        );
        insta::assert_snapshot!(health("{ tenants = { \"uid 7\" = { denid = 1 } } }"), @r#"`matches.tenants.uid 7.denid`: unknown field "denid"; did you mean denied? (known: denied, killed, audited)"#);
        insta::assert_snapshot!(said("\"unchanged\"\nfields = [\"generations\"]"), @r#"`fields.generations`: unknown field "generations"; did you mean generation? (known: healthy, daemon, domains, generation, policy_digest, links, maps, counters, tenants, canary, held, checks)"#);
    }

    #[test]
    fn a_rule_may_be_one_of_a_policy_in_the_agents_own_language() {
        let start = "\"start\"\nmode = \"audit\"\nraw_policy = \"rules: [{id: other}]\"\n";
        let with = |rule: &str| {
            said(&format!(
                "{start}[[step]]\ndo = \"event\"\nmatches = {{ rule = \"{rule}\" }}"
            ))
        };
        assert_eq!(with("other"), "known");
        assert!(with("another").contains("unknown rule"));
    }
}
