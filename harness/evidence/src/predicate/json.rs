//! Values in any JSON: verdicts of a program, metrics over a window.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Reading, Stated};
use crate::{cause::Cause, digest::Identity, moment::Moment};

/// What a value must be. What is not there, or is no number where one is
/// needed, is inconclusive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Where: a JSON pointer such as `/totals/failed`; `*` stands for every
    /// element of a list or table, of which there must be one at least.
    at: String,
    /// It is this text, number or truth.
    #[serde(default)]
    is: Option<Value>,
    /// It is less than this.
    #[serde(default)]
    below: Option<f64>,
    /// It is this or less.
    #[serde(default)]
    at_most: Option<f64>,
    /// It is this or more, for instance of samples.
    #[serde(default)]
    at_least: Option<f64>,
    /// It decides whether there is enough to judge by: when it does not hold,
    /// the evidence is inconclusive rather than failed.
    #[serde(default)]
    enough: bool,
}

impl Condition {
    pub(super) fn problem(&self) -> Option<String> {
        let bounds = [self.below, self.at_most, self.at_least];
        if self.is.is_none() && bounds.iter().all(Option::is_none) {
            return Some(
                "no `is`, `below`, `at_most` or `at_least`: that a value exists shows nothing"
                    .into(),
            );
        }
        (!self.at.starts_with('/')).then(|| format!("`{}` is no pointer such as `/a/b`", self.at))
    }

    fn holds(&self, value: &Value) -> Option<bool> {
        let number = || value.as_f64();
        let bound = |bound: Option<f64>, holds: fn(f64, f64) -> bool| match bound {
            None => Some(true),
            Some(bound) => Some(holds(number()?, bound)),
        };
        let same = match &self.is {
            None => true,
            // `1` and `1.0` are the same.
            Some(Value::Number(expected)) => number()?.total_cmp(&expected.as_f64()?).is_eq(),
            Some(expected) => value == expected,
        };
        let below = bound(self.below, |value, bound| value < bound)?;
        let at_most = bound(self.at_most, |value, bound| value <= bound)?;
        let at_least = bound(self.at_least, |value, bound| value >= bound)?;
        Some(same && below && at_most && at_least)
    }

    fn cause(&self, root: &Value) -> Option<Cause> {
        let parts: Vec<&str> = self.at.split('/').skip(1).collect();
        let mut found = Vec::new();
        collect(root, &parts, &mut found);
        if found.is_empty() {
            return Some(Cause::inconclusive(format!("there is no {}", self.at)));
        }
        for value in found {
            let why = match value {
                Some(value) => match self.holds(value) {
                    Some(true) => continue,
                    Some(false) if self.enough => {
                        return Some(Cause::inconclusive(format!(
                            "not enough to judge by: {} is {value}, {self}",
                            self.at
                        )));
                    }
                    Some(false) => {
                        let why = format!("{} is {value}, {self}", self.at);
                        return Some(Cause::failed(why));
                    }
                    None => format!("{} is {value}, which is no number", self.at),
                },
                None => format!("there is no {} everywhere", self.at),
            };
            return Some(Cause::inconclusive(why));
        }
        None
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected")?;
        if let Some(value) = &self.is {
            write!(f, " {value}")?;
        }
        for (words, bound) in [
            ("below", self.below),
            ("at most", self.at_most),
            ("at least", self.at_least),
        ] {
            if let Some(bound) = bound {
                write!(f, " {words} {bound}")?;
            }
        }
        Ok(())
    }
}

/// Every value that a pointer leads to; none for a branch that ends early.
fn collect<'v>(value: &'v Value, parts: &[&str], found: &mut Vec<Option<&'v Value>>) {
    let Some((part, rest)) = parts.split_first() else {
        found.push(Some(value));
        return;
    };
    let name = part.replace("~1", "/").replace("~0", "~");
    match value {
        Value::Array(values) if name == "*" => {
            for value in values {
                collect(value, rest, found);
            }
        }
        Value::Object(fields) if name == "*" => {
            for value in fields.values() {
                collect(value, rest, found);
            }
        }
        Value::Object(fields) if fields.contains_key(&name) => collect(&fields[&name], rest, found),
        Value::Array(values) => {
            let element = name.parse::<usize>().ok().and_then(|at| values.get(at));
            match element {
                Some(value) => collect(value, rest, found),
                None => found.push(None),
            }
        }
        _ => found.push(None),
    }
}

/// What any JSON may say of itself, at its top.
#[derive(Deserialize)]
struct Head {
    commit: Option<String>,
    #[serde(default)]
    subjects: BTreeMap<String, Identity>,
    measured_at: Option<Moment>,
}

pub(super) fn read(conditions: &[Condition], bytes: &[u8]) -> Result<Reading, Cause> {
    let value: Value = serde_json::from_slice(bytes).map_err(Cause::unparsable)?;
    let head = match &value {
        Value::Object(_) => Head::deserialize(&value).map_err(Cause::unparsable)?,
        _ => Head {
            commit: None,
            subjects: BTreeMap::new(),
            measured_at: None,
        },
    };
    let stated = Stated {
        commit: head.commit.as_deref().and_then(Identity::of_described),
        subjects: head.subjects,
        at: head.measured_at,
        alone: false,
    };
    let causes = conditions
        .iter()
        .filter_map(|condition| condition.cause(&value))
        .collect();
    let shown = format!("{} conditions hold", conditions.len());
    Ok(Reading::of(stated, causes, shown))
}
