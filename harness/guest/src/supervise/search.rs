//! Counting the lines of an output that match.

use harness_proto::Observation;
use harness_proto::action::matches_subset;
use serde_json::Value;

use super::transcript::{Forgotten, Transcript};

/// A search that goes on as output comes in; it looks at each line once.
#[derive(Debug)]
pub struct LineSearch {
    subset: Value,
    place: u64,
    count: u64,
    last: Option<Value>,
}

impl LineSearch {
    /// Look for JSON lines that hold `subset`, from `place` on.
    pub fn from(place: u64, subset: Value) -> Self {
        Self {
            subset,
            place,
            count: 0,
            last: None,
        }
    }

    /// Look at every complete line that has come since, and say how many have
    /// matched so far. Lines that are not JSON match nothing.
    pub fn advance(&mut self, transcript: &Transcript) -> Result<u64, Forgotten> {
        while let Some((line, next)) = transcript.line_at(self.place)? {
            self.place = next;
            let Ok(value) = serde_json::from_slice(line) else {
                continue;
            };
            if matches_subset(&value, &self.subset) {
                self.count += 1;
                self.last = Some(value);
            }
        }
        Ok(self.count)
    }

    /// The last line that matched.
    pub fn into_last(self) -> Option<Value> {
        self.last
    }

    /// How many matched, and the last of them.
    pub fn into_observation(self) -> Observation {
        Observation::Lines {
            count: self.count,
            last: self.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LineSearch, Transcript};
    use serde_json::{Value, json};

    fn check(text: &str, from: u64, subset: Value, count: u64, last: Option<&Value>) {
        let mut transcript = Transcript::default();
        let mut search = LineSearch::from(from, subset);
        // Byte by byte: every way of cutting the text must give the same.
        for byte in text.bytes() {
            transcript.append(&[byte]);
            if transcript.end() >= from {
                search.advance(&transcript).unwrap();
            }
        }
        assert_eq!(search.count, count, "{text:?}");
        assert_eq!(search.into_last().as_ref(), last, "{text:?}");
    }

    #[test]
    fn only_complete_json_lines_that_match_count() {
        let text = "{\"a\":1,\"n\":1}\nnoise {\"a\":1}\n{\"a\":2}\n\n{\"a\":1,\"n\":2}\n{\"a\":1";
        check(text, 0, json!({"a": 1}), 2, Some(&json!({"a": 1, "n": 2})));
        check(text, 14, json!({"a": 1}), 1, Some(&json!({"a": 1, "n": 2})));
        check(text, 0, json!({"a": 3}), 0, None);
        check("", 0, json!({}), 0, None);
    }
}
