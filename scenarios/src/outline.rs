//! Where the steps of a file are. A step's type hangs on one of its fields, so
//! the parser has to read it twice and forgets where it was.

use serde::Deserialize;
use toml::{Spanned, Value};

use crate::schema::Step;

#[derive(Deserialize)]
struct Outline {
    #[serde(default)]
    step: Vec<Spanned<Value>>,
}

/// The line on which each step begins, from 1; none if it is no TOML.
pub(crate) fn step_lines(text: &str) -> Vec<usize> {
    let line_of = |step: &Spanned<Value>| {
        let before = text.get(..step.span().start).unwrap_or_default();
        before.matches('\n').count() + 1
    };
    steps(text).iter().map(line_of).collect()
}

/// The first step that cannot be read, and why.
pub(crate) fn broken_step(text: &str) -> Option<(usize, String)> {
    let problem = |step: Spanned<Value>| Step::deserialize(step.into_inner()).err();
    steps(text)
        .into_iter()
        .enumerate()
        .find_map(|(index, step)| {
            Some((index, problem(step)?.to_string().trim().replace('\n', " ")))
        })
}

fn steps(text: &str) -> Vec<Spanned<Value>> {
    toml::from_str(text).map_or_else(|_| Vec::new(), |outline: Outline| outline.step)
}
