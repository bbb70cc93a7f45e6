//! Connecting to a peer.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use harness_proto::Verdict;
use harness_proto::probe::{SocketWay, Transport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::socket::{mptcp_socket, socket};
use super::{broken, ring, verdict};

/// Peers are on the same machine: one that does not answer by then never
/// will.
const LIMIT_SECONDS: i64 = 3;

pub(super) fn connect(transport: Transport, address: SocketAddr, by: SocketWay) -> Verdict {
    let made = match by {
        SocketWay::Mptcp => mptcp_socket(address),
        SocketWay::Connect | SocketWay::IoUring => socket(transport, address),
    };
    let socket = match made {
        Ok(socket) => socket,
        Err(broken) => return broken,
    };
    let connected = match by {
        SocketWay::Connect | SocketWay::Mptcp => rustix::net::connect(&socket, &address),
        SocketWay::IoUring => match ring::connect(socket.as_fd(), &address.into()) {
            Ok(result) => result.map(drop),
            Err(error) => return ring::unavailable(&error),
        },
    };
    match connected {
        Err(Errno::INPROGRESS) => {}
        result => return verdict(result),
    }
    let limit = Timespec {
        tv_sec: LIMIT_SECONDS,
        tv_nsec: 0,
    };
    match poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&limit)) {
        Ok(0) => broken(&format!("{address} has not answered in {LIMIT_SECONDS} s")),
        Ok(_) => match sockopt::socket_error(&socket) {
            Ok(result) => verdict(result),
            Err(error) => broken(&format!("ask how connecting went: {error}")),
        },
        Err(error) => broken(&format!("wait for {address} to answer: {error}")),
    }
}
