//! Sockets that peers of a cell connect to.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use harness_proto::Transport;

use crate::attempt::{Attempt, AttemptError};

/// A listening TCP socket or a bound UDP socket.
#[derive(Debug)]
pub enum Listener {
    /// Accepts and closes connections.
    Tcp(TcpListener),
    /// Throws datagrams away.
    Udp(UdpSocket),
}

impl Listener {
    /// Bind, and listen when the transport has connections.
    pub fn bind(transport: Transport, address: SocketAddr) -> Result<Self, AttemptError> {
        let attempt = || format!("listen on {address} ({transport:?})");
        match transport {
            Transport::Tcp => {
                let socket = TcpListener::bind(address).attempt(attempt)?;
                socket.set_nonblocking(true).attempt(attempt)?;
                Ok(Self::Tcp(socket))
            }
            Transport::Udp => {
                let socket = UdpSocket::bind(address).attempt(attempt)?;
                socket.set_nonblocking(true).attempt(attempt)?;
                Ok(Self::Udp(socket))
            }
        }
    }

    /// Take what has arrived. Errors belong to single peers and are theirs.
    pub(crate) fn drain(&self) {
        match self {
            Self::Tcp(socket) => while socket.accept().is_ok() {},
            Self::Udp(socket) => while socket.recv(&mut [0; 1]).is_ok() {},
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
        }
    }
}
