//! JSON that can be written in one way only: no blanks, keys in order, whole
//! numbers. What is signed or digested is written so, and refused when it is
//! found written otherwise.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use thiserror::Error;

/// Why some bytes are not the canonical text of a value.
#[derive(Debug, Error)]
pub enum CanonicalError {
    /// Not JSON, or of another shape.
    #[error("{0}")]
    Shape(#[from] serde_json::Error),
    /// A number that different programs write differently.
    #[error("{0} is not a whole number")]
    Number(serde_json::Number),
    /// The same value would be written differently.
    #[error("not in canonical form (byte {0} differs)")]
    Form(usize),
}

/// The one text of a value.
pub fn write(value: &impl Serialize) -> Result<Vec<u8>, CanonicalError> {
    let mut text = String::new();
    append(&mut text, &serde_json::to_value(value)?)?;
    Ok(text.into_bytes())
}

/// The value of its one text.
pub fn read<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, CanonicalError> {
    let value: T = serde_json::from_slice(bytes)?;
    let canonical = write(&value)?;
    if canonical == bytes {
        return Ok(value);
    }
    let same = canonical.iter().zip(bytes).take_while(|(a, b)| a == b);
    Err(CanonicalError::Form(same.count()))
}

fn append(text: &mut String, value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Number(number) if number.is_f64() => {
            return Err(CanonicalError::Number(number.clone()));
        }
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                append(text, value)?;
            }
            text.push(']');
        }
        Value::Object(fields) => {
            // Sorted here, because a map may keep the order of insertion.
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            text.push('{');
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&serde_json::to_string(name)?);
                text.push(':');
                append(text, &fields[name])?;
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&serde_json::to_string(value)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use serde_json::{Value, json};

    #[test]
    fn there_is_one_text_and_every_other_is_refused() {
        let value = json!({"b": [1, "x\n"], "a": null});
        let text = write(&value).unwrap();
        assert_eq!(text, br#"{"a":null,"b":[1,"x\n"]}"#);
        assert_eq!(read::<Value>(&text).unwrap(), value);
        for other in [
            r#"{"b":[1,"x\n"],"a":null}"#,
            r#"{"a": null,"b":[1,"x\n"]}"#,
            r#"{"a":null,"b":[1,"x\u000a"]}"#,
            "{\"a\":null,\"b\":[1,\"x\\n\"]}\n",
        ] {
            assert!(read::<Value>(other.as_bytes()).is_err(), "{other}");
        }
        assert!(write(&json!(0.5)).is_err());
    }
}
