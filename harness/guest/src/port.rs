//! The serial port that carries the messages.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use harness_proto::{GuestMessage, HostMessage, wire};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};

use crate::attempt::{Attempt, AttemptError};

/// No message of the host comes near it: what is longer is noise.
const LONGEST_LINE_BYTES: usize = 64 * 1024;
/// The UART's timing is emulated. At the default of 9600 the last bytes of a
/// message would wait milliseconds for the receiver's time-out.
const BAUD: u32 = 115_200;

/// Both directions of the port.
#[derive(Debug)]
pub struct Port {
    fd: OwnedFd,
    received: Vec<u8>,
}

impl Port {
    /// Open a serial port and make it carry bytes as they are.
    pub fn open(path: &Path) -> Result<Self, AttemptError> {
        let attempt = || format!("open the control port {}", path.display());
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).attempt(attempt)?;
        let mut line = tcgetattr(&fd).attempt(attempt)?;
        line.make_raw();
        line.set_speed(BAUD).attempt(attempt)?;
        tcsetattr(&fd, OptionalActions::Now, &line).attempt(attempt)?;
        Ok(Self::on(fd))
    }

    /// Use a descriptor that carries bytes as they are.
    pub fn on(fd: OwnedFd) -> Self {
        Self {
            fd,
            received: Vec::new(),
        }
    }

    /// The next intact message, or `None` when the limit has passed. Bytes
    /// are lost after a restore: damaged lines are passed over, for the host
    /// repeats what is not answered.
    pub fn receive(&mut self, limit: Duration) -> io::Result<Option<HostMessage>> {
        let deadline = Instant::now() + limit;
        loop {
            while let Some(line) = self.take_line() {
                if let Ok(message) = wire::decode(&String::from_utf8_lossy(&line)) {
                    return Ok(Some(message));
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.wait(left)? {
                return Ok(None);
            }
            self.read()?;
        }
    }

    /// Send a message, waiting while the port is busy.
    pub fn send(&mut self, message: &GuestMessage) -> io::Result<()> {
        let line = wire::encode(message);
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match rustix::io::write(&self.fd, rest) {
                Ok(length) => rest = &rest[length..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Wait until everything has left the port.
    pub fn flush(&self) -> io::Result<()> {
        Ok(tcdrain(&self.fd)?)
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.received.iter().position(|byte| *byte == b'\n')?;
        Some(self.received.drain(..=end).collect())
    }

    fn wait(&self, limit: Duration) -> io::Result<bool> {
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&limit)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        match rustix::io::read(&self.fd, &mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => self.received.extend_from_slice(&chunk[..length]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        if self.received.len() > LONGEST_LINE_BYTES {
            self.received.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Port;
    use harness_proto::{HostMessage, wire};
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    fn start(cell: &str) -> HostMessage {
        HostMessage::Start {
            cell: cell.into(),
            nonce: "n".into(),
            seed: 1,
            unix_time_ns: 2,
        }
    }

    #[test]
    fn messages_are_found_among_damaged_lines() {
        let (mut host, guest) = UnixStream::pair().unwrap();
        let mut port = Port::on(guest.into());
        let good = wire::encode(&start("one"));
        let mut damaged = good.clone();
        damaged.remove(10);
        host.write_all(b"\xff\xfe\0 noise\n").unwrap();
        // Without its newline, a line spoils the one behind it, too.
        host.write_all(&damaged.as_bytes()[..damaged.len() - 1])
            .unwrap();
        host.write_all(good.as_bytes()).unwrap();
        host.write_all(good.as_bytes()).unwrap();
        host.write_all(wire::encode(&start("two")).as_bytes())
            .unwrap();
        let mut next = || port.receive(Duration::from_secs(20)).unwrap();
        assert_eq!(next(), Some(start("one")));
        assert_eq!(next(), Some(start("two")));
    }

    #[test]
    fn noise_without_an_end_is_forgotten() {
        let (mut host, guest) = UnixStream::pair().unwrap();
        let mut port = Port::on(guest.into());
        let writer = std::thread::spawn(move || {
            host.write_all(&vec![b'x'; 200_000]).unwrap();
            host.write_all(b"\n").unwrap();
            host.write_all(wire::encode(&start("one")).as_bytes())
                .unwrap();
        });
        let got = port.receive(Duration::from_secs(20)).unwrap();
        writer.join().unwrap();
        assert_eq!(got, Some(start("one")));
    }

    #[test]
    fn a_silent_host_is_waited_for_no_longer_than_asked() {
        let (_host, guest) = UnixStream::pair().unwrap();
        let got = Port::on(guest.into()).receive(Duration::from_millis(20));
        assert_eq!(got.unwrap(), None);
    }
}
