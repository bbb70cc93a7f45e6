//! Addresses, for rules and attempts. All of them are of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use fastrand::Rng;
use scenarios::NetworkOperation;
use scenarios::rule::{NetworkTarget, Ports, Protocol};

use super::{one_of, percent};
use crate::case::{FREE, LISTENING, SILENT};

const ADDRESSES: [&str; 10] = [
    "127.1.0.1",
    "127.1.0.2",
    "127.1.1.1",
    "127.2.0.1",
    "10.99.0.1",
    "::1",
    "fd99::1",
    "::ffff:127.1.0.1",
    "0.0.0.0",
    "::",
];

const SINGLE: [&str; 6] = [
    "127.1.0.1",
    "127.1.0.2",
    "127.0.0.1",
    "10.99.0.1",
    "::1",
    "fd99::1",
];

const NETWORKS: [&str; 11] = [
    "127.0.0.0/8",
    "127.1.0.0/16",
    "127.1.0.0/24",
    "127.1.0.0/31",
    "127.1.0.2/31",
    "10.99.0.0/24",
    "10.0.0.0/8",
    "fd99::/64",
    "fd00::/8",
    "::/127",
    "::/64",
];

/// A peer, or with `local` an address to take.
pub(super) fn peer(rng: &mut Rng, local: bool) -> SocketAddr {
    let address: IpAddr = one_of(rng, &ADDRESSES)
        .parse()
        .unwrap_or([127, 0, 0, 1].into());
    let port = if local {
        *one_of(rng, &FREE)
    } else if percent(rng, 15) {
        SILENT
    } else {
        *one_of(rng, &LISTENING)
    };
    SocketAddr::new(address, port)
}

/// One address or several; with `wide`, everything about them.
pub(super) fn target(rng: &mut Rng, single: bool, wide: bool) -> NetworkTarget {
    let all = [
        NetworkOperation::Connect,
        NetworkOperation::Send,
        NetworkOperation::Bind,
        NetworkOperation::Listen,
    ];
    let mut operations: Vec<_> = all
        .into_iter()
        .filter(|_| wide || percent(rng, 50))
        .collect();
    if percent(rng, 50) {
        // Else nobody would come to listening.
        operations.retain(|one| *one != NetworkOperation::Bind);
    }
    if !wide && percent(rng, 15) {
        operations.clear();
    }
    let protocol = match rng.u32(..5) {
        0 => Some(Protocol::Tcp),
        1 => Some(Protocol::Udp),
        _ => None,
    };
    let addresses: &[&str] = if single { &SINGLE } else { &NETWORKS };
    NetworkTarget {
        address: (*one_of(rng, addresses)).into(),
        ports: if wide { None } else { ports(rng) },
        protocol: protocol.filter(|_| !wide),
        operations,
    }
}

fn ports(rng: &mut Rng) -> Option<Ports> {
    Some(match rng.u32(..10) {
        0 => Ports::One(LISTENING[0]),
        1 => Ports::One(FREE[1]),
        2 => Ports::Range(format!("{}-{}", LISTENING[1], FREE[0])),
        3 => Ports::Range(format!("0-{}", LISTENING[0])),
        4 => Ports::Range(format!("{}-65535", FREE[1])),
        _ => return None,
    })
}

/// An address that a rule speaks of, if one of those that are tried is.
pub(super) fn aimed(rng: &mut Rng, target: &NetworkTarget, local: bool) -> SocketAddr {
    let mut peer = peer(rng, local);
    let beginning: String = target.address.chars().take(4).collect();
    let near: Vec<_> = ADDRESSES
        .iter()
        .filter(|one| one.contains(&beginning))
        .collect();
    if percent(rng, 20) {
        peer.set_ip(if percent(rng, 50) {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        });
    } else if !near.is_empty()
        && percent(rng, 90)
        && let Ok(address) = one_of(rng, &near).parse()
    {
        peer.set_ip(address);
    }
    peer
}
