//! One message as one line: JSON, a tab, the CRC-32 of the JSON in hex.
//!
//! The line travels over an emulated serial port, which drops bytes under
//! load: a damaged line must be told from a message.

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Why a line is not a message.
#[derive(Debug, Error)]
pub enum WireError {
    /// No checksum, or one that differs: damaged or foreign bytes.
    #[error("line of {length} bytes is damaged")]
    Damaged {
        /// Bytes in the line.
        length: usize,
    },
    /// An intact line that is not a message of this version.
    #[error("not a message of protocol {}: {source}", crate::PROTOCOL_VERSION)]
    Foreign {
        /// What the parser said.
        #[from]
        source: serde_json::Error,
    },
}

/// Encode a message as a line, with the newline.
///
/// # Panics
/// Never for the messages of this crate: their maps have string keys.
pub fn encode<M: Serialize>(message: &M) -> String {
    let json = serde_json::to_string(message).expect("messages have string keys");
    let checksum = checksum_of(&json);
    format!("{json}\t{checksum}\n")
}

/// Decode a line, with or without its newline.
pub fn decode<M: DeserializeOwned>(line: &str) -> Result<M, WireError> {
    let line = line.trim_end_matches(['\r', '\n']);
    let damaged = || WireError::Damaged { length: line.len() };
    let (json, checksum) = line.rsplit_once('\t').ok_or_else(damaged)?;
    // As text: a lost zero at its beginning would not change the number.
    if checksum != checksum_of(json) {
        return Err(damaged());
    }
    Ok(serde_json::from_str(json)?)
}

fn checksum_of(json: &str) -> String {
    format!("{:08x}", crc32fast::hash(json.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{WireError, decode, encode};
    use crate::message::HostMessage;
    use proptest::prelude::*;

    fn start(cell: String) -> HostMessage {
        HostMessage::Start {
            cell,
            nonce: "n".into(),
            seed: 1,
            unix_time_ns: 2,
        }
    }

    #[test]
    fn a_lost_zero_of_the_checksum_is_noticed() {
        let line = encode(&start("kfdnoahqtwmlfpmfgcgwrfodzi".into()));
        let without = line.replace("\t0", "\t");
        assert_ne!(without, line);
        let decoded = decode::<HostMessage>(&without);
        assert!(matches!(decoded, Err(WireError::Damaged { .. })));
    }

    proptest! {
        #[test]
        fn a_message_survives_the_wire(cell in any::<String>()) {
            let line = encode(&start(cell.clone()));
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert_eq!(decode::<HostMessage>(&line).unwrap(), start(cell));
        }

        #[test]
        fn a_lost_byte_is_noticed(cell in "[a-z]{1,40}", at in any::<prop::sample::Index>()) {
            let mut line = encode(&start(cell));
            line.pop();
            line.remove(at.index(line.len()));
            let damaged = matches!(decode::<HostMessage>(&line), Err(WireError::Damaged { .. }));
            prop_assert!(damaged, "{line}");
        }
    }
}
