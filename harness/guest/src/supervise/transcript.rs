//! What a process wrote on one output.

use thiserror::Error;

/// PID 1 must survive the loudest agent in a machine of 256 MiB.
const LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// Lines that were asked for had to be thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the process wrote so much that {bytes} bytes had to be forgotten before they were looked at; \
     wait for its lines earlier"
)]
pub struct Forgotten {
    /// How much, from the start of the output.
    pub bytes: u64,
}

/// Output up to a limit; beyond it only the newer half is kept, and what was
/// forgotten is never passed over in silence.
///
/// Places in it are counted in bytes from the first one ever written.
#[derive(Debug)]
pub struct Transcript {
    bytes: Vec<u8>,
    forgotten: u64,
    limit: usize,
}

impl Default for Transcript {
    fn default() -> Self {
        Self::with_limit(LIMIT_BYTES)
    }
}

impl Transcript {
    /// Keep at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            forgotten: 0,
            limit,
        }
    }

    pub(crate) fn append(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        if self.bytes.len() > self.limit {
            let surplus = self.bytes.len() - self.limit / 2;
            self.bytes.drain(..surplus);
            self.forgotten += surplus as u64;
        }
    }

    /// End a line that was torn by the death of its writer.
    pub(crate) fn finish_line(&mut self) {
        if self.bytes.last().is_some_and(|last| *last != b'\n') {
            self.append(b"\n");
        }
    }

    /// The place behind the last byte.
    pub fn end(&self) -> u64 {
        self.forgotten + self.bytes.len() as u64
    }

    /// The complete line that starts at `place`, without its newline, and the
    /// place behind it.
    pub fn line_at(&self, place: u64) -> Result<Option<(&[u8], u64)>, Forgotten> {
        let bytes = self.forgotten;
        let start = place.checked_sub(bytes).ok_or(Forgotten { bytes })?;
        let rest = usize::try_from(start).ok();
        let rest = rest.and_then(|start| self.bytes.get(start..));
        let rest = rest.unwrap_or_default();
        Ok(rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|length| (&rest[..length], place + length as u64 + 1)))
    }

    /// The last bytes, at most `limit`, and how many came before them.
    pub fn tail(&self, limit: usize) -> (u64, &[u8]) {
        let start = self.bytes.len().saturating_sub(limit);
        (self.forgotten + start as u64, &self.bytes[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::{Forgotten, Transcript};
    use proptest::prelude::*;

    #[test]
    fn a_line_is_seen_only_when_it_is_complete() {
        let mut transcript = Transcript::default();
        transcript.append(b"one\ntw");
        assert_eq!(transcript.line_at(0), Ok(Some((&b"one"[..], 4))));
        assert_eq!(transcript.line_at(4), Ok(None));
        transcript.append(b"o\n\n");
        assert_eq!(transcript.line_at(4), Ok(Some((&b"two"[..], 8))));
        assert_eq!(transcript.line_at(8), Ok(Some((&b""[..], 9))));
        assert_eq!(transcript.line_at(9), Ok(None));
    }

    #[test]
    fn a_torn_line_does_not_run_into_the_next_process() {
        let mut transcript = Transcript::default();
        transcript.finish_line();
        transcript.append(b"torn");
        transcript.finish_line();
        transcript.finish_line();
        transcript.append(b"next\n");
        assert_eq!(transcript.line_at(5), Ok(Some((&b"next"[..], 10))));
    }

    #[test]
    fn asking_for_a_forgotten_line_is_an_error() {
        let mut transcript = Transcript::with_limit(8);
        transcript.append(b"aaa\nbbb\nccc\n");
        assert_eq!(transcript.line_at(4), Err(Forgotten { bytes: 8 }));
        assert_eq!(transcript.line_at(8), Ok(Some((&b"ccc"[..], 12))));
    }

    proptest! {
        #[test]
        fn every_byte_is_kept_or_counted(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
            limit in 1_usize..100,
            tail in 0_usize..120,
        ) {
            let mut transcript = Transcript::with_limit(limit);
            for chunk in &chunks {
                transcript.append(chunk);
            }
            let all = chunks.concat();
            prop_assert_eq!(transcript.end(), all.len() as u64);
            let (before, kept) = transcript.tail(tail);
            prop_assert!(kept.len() <= tail.min(limit));
            prop_assert_eq!(before + kept.len() as u64, all.len() as u64);
            prop_assert!(all.ends_with(kept));
        }
    }
}
