//! Bytes as lower-case hexadecimal text.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// So many bytes, written as hexadecimal text: a digest, a key, a signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex<const BYTES: usize>(pub [u8; BYTES]);

impl<const BYTES: usize> fmt::Display for Hex<BYTES> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&encode(&self.0))
    }
}

impl<const BYTES: usize> fmt::Debug for Hex<BYTES> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, to)
    }
}

impl<const BYTES: usize> TryFrom<String> for Hex<BYTES> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        decode(&text).map(Self)
    }
}

impl<const BYTES: usize> std::str::FromStr for Hex<BYTES> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        decode(text).map(Self)
    }
}

impl<const BYTES: usize> From<Hex<BYTES>> for String {
    fn from(bytes: Hex<BYTES>) -> Self {
        bytes.to_string()
    }
}

/// To text.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// From text of exactly so many bytes; capitals are read too.
pub fn decode<const BYTES: usize>(text: &str) -> Result<[u8; BYTES], String> {
    let problem = || format!("{text:?} must be {} hexadecimal digits", 2 * BYTES);
    let mut bytes = [0; BYTES];
    if text.len() != 2 * BYTES || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(problem());
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = str::from_utf8(digits).map_err(|_| problem())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| problem())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_anything_else_is_refused() {
        let bytes = [0, 1, 0x9f, 0xff];
        assert_eq!(encode(&bytes), "00019fff");
        assert_eq!(decode::<4>("00019FfF"), Ok(bytes));
        for wrong in [
            "",
            "00019ff",
            "00019fff0",
            "00019ffg",
            "+0019fff",
            "0001é9f",
        ] {
            assert!(decode::<4>(wrong).is_err(), "{wrong}");
        }
    }
}
