//! Connecting to a peer.

use std::net::SocketAddr;

use harness_proto::{Transport, Verdict};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

use super::verdict;

/// Peers are on the same machine: one that does not answer by then never
/// will.
const LIMIT_SECONDS: i64 = 3;

pub(super) fn connect(transport: Transport, address: SocketAddr) -> Verdict {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let kind = match transport {
        Transport::Tcp => SocketType::STREAM,
        Transport::Udp => SocketType::DGRAM,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = match socket_with(family, kind, flags, None) {
        Ok(socket) => socket,
        Err(error) => return broken(&format!("make a socket: {error}")),
    };
    match rustix::net::connect(&socket, &address) {
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

fn broken(message: &str) -> Verdict {
    Verdict::Broken {
        message: message.to_owned(),
    }
}
