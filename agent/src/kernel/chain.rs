//! An error with everything behind it in one line: aya's errors say what
//! failed, and only their sources say why.

use std::error::Error;

/// The error and its sources, outermost first.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
