//! An operation that answers a peer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use super::counter;
use crate::attempt::{Attempt, AttemptError};

/// A socket that listens on loopback.
pub(super) struct Accepting {
    listener: TcpListener,
    address: SocketAddr,
}

impl Accepting {
    pub(super) fn listen() -> Result<Self, AttemptError> {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = bound.attempt(|| "listen on loopback".into())?;
        let address = listener.local_addr();
        let address = address.attempt(|| "ask for the address that listens".into())?;
        Ok(Self { listener, address })
    }

    /// The counter over so many connections that are taken. Each is waiting
    /// already: on loopback `connect` returns when the other side can take it.
    pub(super) fn count(&self, times: u32, slow: u64) -> io::Result<u64> {
        let mut total = 0;
        for _ in 0..times {
            let peer = TcpStream::connect(self.address)?;
            let before = counter::read();
            let (taken, _) = self.listener.accept()?;
            counter::slow_down(slow);
            total += counter::read() - before;
            // Reset rather than closed: nothing of it is left that the kernel
            // would keep for a minute.
            rustix::net::sockopt::set_socket_linger(&peer, Some(std::time::Duration::ZERO))?;
            drop(peer);
            drop(taken);
        }
        Ok(total)
    }
}
