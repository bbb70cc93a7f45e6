//! UDP datagrams that are put together, or addressed, by hand.
#![expect(unsafe_code, reason = "addresses are pointers")]

use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use harness_proto::Verdict;
use harness_proto::probe::SendWay;

use super::{broken, raw, verdict};

/// Of linux/if_ether.h.
const ETH_P_IP: u16 = 0x0800;
const UDP: u8 = 17;
/// The loopback device is the first that a network namespace has.
const LOOPBACK: i32 = 1;
const FROM_PORT: u16 = 40_000;

/// By one of the ways that no safe call has.
pub(super) fn send(address: SocketAddr, by: SendWay) -> Verdict {
    let SocketAddr::V4(peer) = address else {
        return broken("only an IPv4 peer can be reached this way");
    };
    match by {
        SendWay::Unspecified => with_socket(libc::AF_INET, libc::SOCK_DGRAM, 0, |socket| {
            to(socket, b"x", &ipv4(peer, libc::AF_UNSPEC))
        }),
        SendWay::Raw => with_socket(libc::AF_INET, libc::SOCK_RAW, i32::from(UDP), |socket| {
            to(socket, &datagram(peer), &ipv4(peer, libc::AF_INET))
        }),
        _ => {
            let protocol = i32::from(ETH_P_IP.to_be());
            with_socket(libc::AF_PACKET, libc::SOCK_DGRAM, protocol, |socket| {
                to(socket, &packet(peer), &loopback())
            })
        }
    }
}

fn with_socket(
    family: i32,
    kind: i32,
    protocol: i32,
    act: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<()>,
) -> Verdict {
    // SAFETY: it touches no memory.
    let made = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
    let made: rustix::io::Result<OwnedFd> = raw::descriptor(made.into());
    match made {
        Ok(socket) => verdict(act(socket.as_fd())),
        Err(error) => broken(&format!("make a socket: {error}")),
    }
}

/// `sendto(2)`; `T` is the address's type.
fn to<T>(socket: BorrowedFd<'_>, content: &[u8], address: &T) -> rustix::io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).map_err(|_| rustix::io::Errno::INVAL)?;
    // SAFETY: content and address are read during the call only.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            content.as_ptr().cast(),
            content.len(),
            0,
            std::ptr::from_ref(address).cast(),
            length,
        )
    };
    raw::checked(sent as libc::c_long).map(drop)
}

fn ipv4(peer: SocketAddrV4, family: i32) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(family).unwrap_or_default(),
        sin_port: peer.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(*peer.ip()).to_be(),
        },
        sin_zero: [0; 8],
    }
}

fn loopback() -> libc::sockaddr_ll {
    // SAFETY: all of it may be zero.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = ETH_P_IP.to_be();
    address.sll_ifindex = LOOPBACK;
    address.sll_halen = 6;
    address
}

/// RFC 768: ports, length, no checksum, a byte.
fn datagram(peer: SocketAddrV4) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(FROM_PORT.to_be_bytes());
    bytes.extend(peer.port().to_be_bytes());
    bytes.extend(9_u16.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.push(b'x');
    bytes
}

/// RFC 791: a header without options around it.
fn packet(peer: SocketAddrV4) -> Vec<u8> {
    let content = datagram(peer);
    let length = u16::try_from(20 + content.len()).unwrap_or_default();
    let mut header = vec![0x45, 0];
    header.extend(length.to_be_bytes());
    // Identification, flags, time to live, protocol, room for the checksum.
    header.extend([0, 0, 0, 0, 64, UDP, 0, 0]);
    header.extend(peer.ip().octets());
    header.extend(peer.ip().octets());
    let checksum = checksum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header.extend(content);
    header
}

/// RFC 1071, of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks_exact(2)
        .map(|two| u32::from(u16::from_be_bytes([two[0], two[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{checksum, packet};

    #[test]
    fn a_header_with_its_checksum_sums_up_to_nothing() {
        let packet = packet("10.99.0.1:4444".parse().unwrap());
        assert_eq!(packet.len(), 29);
        assert_eq!(checksum(&packet[..20]), 0);
        assert_eq!(&packet[22..24], &4444_u16.to_be_bytes());
    }
}
