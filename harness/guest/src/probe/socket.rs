//! Sockets that are not connected: sending, binding, listening.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use harness_proto::Verdict;
use harness_proto::probe::{SendWay, Transport};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Protocol, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, ipproto,
    socket_with,
};

use super::{broken, datagram, raw, verdict};

/// Of linux/socket.h; rustix has no name for it.
const MSG_FASTOPEN: u32 = 0x2000_0000;

/// One that never blocks, of the address's family.
pub(super) fn socket(transport: Transport, address: SocketAddr) -> Result<OwnedFd, Verdict> {
    let kind = match transport {
        Transport::Tcp => SocketType::STREAM,
        Transport::Udp => SocketType::DGRAM,
    };
    of_kind(kind, None, address)
}

/// The same for TCP over several paths.
pub(super) fn mptcp_socket(address: SocketAddr) -> Result<OwnedFd, Verdict> {
    of_kind(SocketType::STREAM, Some(ipproto::MPTCP), address)
}

fn of_kind(
    kind: SocketType,
    protocol: Option<Protocol>,
    address: SocketAddr,
) -> Result<OwnedFd, Verdict> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(family, kind, flags, protocol)
        .map_err(|error| broken(&format!("make a socket: {error}")))
}

pub(super) fn send(address: SocketAddr, by: SendWay) -> Verdict {
    let made = match by {
        SendWay::FastOpen => socket(Transport::Tcp, address),
        SendWay::OtherFamily => {
            let any = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0));
            socket(Transport::Udp, any)
        }
        SendWay::Unspecified | SendWay::Raw | SendWay::Packet => {
            return datagram::send(address, by);
        }
        SendWay::Sendto | SendWay::Sendmsg | SendWay::Sendmmsg => socket(Transport::Udp, address),
    };
    let socket = match made {
        Ok(socket) => socket,
        Err(broken) => return broken,
    };
    let message = |flags| {
        rustix::net::sendmsg_addr(
            &socket,
            &address,
            &[IoSlice::new(b"x")],
            &mut SendAncillaryBuffer::default(),
            flags,
        )
        .map(drop)
    };
    match by {
        SendWay::Unspecified | SendWay::Raw | SendWay::Packet => broken("made by hand"),
        SendWay::Sendto | SendWay::OtherFamily => verdict(rustix::net::sendto(
            &socket,
            b"x",
            SendFlags::empty(),
            &address,
        )),
        SendWay::Sendmsg => verdict(message(SendFlags::empty())),
        SendWay::Sendmmsg => {
            let mut content = *b"x";
            verdict(raw::send_many(
                socket.as_fd(),
                &address.into(),
                &mut content,
            ))
        }
        // It goes on without waiting for the peer.
        SendWay::FastOpen => match message(SendFlags::from_bits_retain(MSG_FASTOPEN)) {
            Err(Errno::INPROGRESS) => Verdict::Allowed,
            result => verdict(result),
        },
    }
}

pub(super) fn bind(transport: Transport, address: SocketAddr) -> Verdict {
    match socket(transport, address) {
        Err(broken) => broken,
        Ok(socket) => verdict(rustix::net::bind(&socket, &address)),
    }
}

pub(super) fn listen(address: Option<SocketAddr>) -> Verdict {
    let any = SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, 0));
    let socket = match socket(Transport::Tcp, address.unwrap_or(any)) {
        Ok(socket) => socket,
        Err(broken) => return broken,
    };
    if let Some(address) = address
        && let Err(error) = rustix::net::bind(&socket, &address)
    {
        return broken(&format!("bind to {address}: {error}"));
    }
    verdict(rustix::net::listen(&socket, 1))
}
