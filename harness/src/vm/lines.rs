//! Lines over a socket, with deadlines.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// A line longer than this is noise.
const LONGEST_LINE_BYTES: usize = 4 << 20;

/// Whoever says something for so long is not gone.
const STILL_TALKING: Duration = Duration::from_millis(100);

/// What came before a deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A line without its newline; odd bytes are replaced.
    Line(String),
    /// Nothing came in time.
    Deadline,
    /// Nothing will come any more.
    Closed,
}

/// One end of a socket that carries lines both ways.
#[derive(Debug)]
pub(super) struct Lines {
    stream: UnixStream,
    pending: Vec<u8>,
    /// Bytes of `pending` that are known to hold no newline.
    searched: usize,
}

impl Lines {
    pub(super) const fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            pending: Vec::new(),
            searched: 0,
        }
    }

    pub(super) fn send(&mut self, line: &str) -> std::io::Result<()> {
        self.stream.write_all(line.as_bytes())
    }

    pub(super) fn receive(&mut self, deadline: Instant) -> Received {
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some(line) = self.take_line() {
                return Received::Line(line);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // A timeout of zero means none to the socket.
            let timeout = left.max(Duration::from_millis(1));
            if self.stream.set_read_timeout(Some(timeout)).is_err() {
                return Received::Closed;
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Received::Closed,
                Ok(length) => self.pending.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if left.is_zero() || Instant::now() >= deadline {
                        return Received::Deadline;
                    }
                }
                Err(_) => return Received::Closed,
            }
        }
    }

    /// Whether the other end is gone. What came before that is dropped.
    pub(super) fn is_closed(&mut self) -> bool {
        let give_up = Instant::now() + STILL_TALKING;
        while Instant::now() < give_up {
            match self.receive(Instant::now()) {
                Received::Line(_) => {}
                Received::Deadline => return false,
                Received::Closed => return true,
            }
        }
        false
    }

    fn take_line(&mut self) -> Option<String> {
        let newline = self.pending[self.searched..]
            .iter()
            .position(|&byte| byte == b'\n')
            .map(|at| self.searched + at);
        let end = match newline {
            Some(at) => at + 1,
            None if self.pending.len() > LONGEST_LINE_BYTES => self.pending.len(),
            None => {
                self.searched = self.pending.len();
                return None;
            }
        };
        self.searched = 0;
        let line: Vec<u8> = self.pending.drain(..end).collect();
        let line = String::from_utf8_lossy(&line);
        Some(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Received};
    use std::{
        io::Write,
        os::unix::net::UnixStream,
        time::{Duration, Instant},
    };

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let mut lines = Lines::new(here);
        there.write_all(b"one\r\ntw").unwrap();
        assert_eq!(lines.receive(soon()), Received::Line("one".into()));
        assert_eq!(lines.receive(soon()), Received::Deadline);
        there.write_all(b"o\n\nlast").unwrap();
        assert_eq!(lines.receive(soon()), Received::Line("two".into()));
        assert_eq!(lines.receive(soon()), Received::Line(String::new()));
        assert!(!lines.is_closed());
        there.write_all(b"unread\n").unwrap();
        drop(there);
        assert!(lines.is_closed());
        assert_eq!(lines.receive(soon()), Received::Closed);
    }
}
