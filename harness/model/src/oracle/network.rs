//! Addresses and the rules about them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use scenarios::rule::{NetworkTarget, Ports, Protocol};

use super::who::range;
use crate::deed::Deed;

/// An end of a socket: the peer's, or its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) protocol: Protocol,
}

/// Addresses of a rule.
#[derive(Debug, Clone)]
pub(super) struct Peers {
    address: IpAddr,
    bits: u32,
    ports: (u16, u16),
    protocol: Option<Protocol>,
}

impl Peers {
    pub(super) fn of(rule: &NetworkTarget) -> Self {
        let (address, bits) = rule
            .address
            .split_once('/')
            .unwrap_or((&rule.address, "128"));
        let address: IpAddr = address.parse().expect("a case has addresses");
        let bits: u32 = bits.parse().expect("a case has lengths of prefixes");
        let before = if address.is_ipv4() { 96 } else { 0 };
        Self {
            address,
            bits: (before + bits).min(128),
            ports: match &rule.ports {
                None => (0, u16::MAX),
                Some(Ports::One(port)) => (*port, *port),
                Some(Ports::Range(text)) => range(text),
            },
            protocol: rule.protocol,
        }
    }

    /// Whether a rule about them speaks of doing something with this one.
    pub(super) fn include(&self, peer: &Peer, deed: Deed) -> bool {
        let port = peer.address.port();
        let protocol = self
            .protocol
            .is_none_or(|protocol| protocol == peer.protocol);
        if !protocol || !(self.ports.0..=self.ports.1).contains(&port) {
            return false;
        }
        let address = peer.address.ip().to_canonical();
        let localhost = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        match (deed, address.is_unspecified()) {
            (_, false) => self.hold(address),
            // Whoever offers something at every address offers it at these; `::`
            // is every address of both families.
            (Deed::Bind | Deed::Listen, true) => address.is_ipv6() || self.hold_ipv4(),
            // No address in particular is this machine; `::` is so for both
            // families.
            (_, true) if address.is_ipv4() => self.hold(address) || self.hold(localhost[0]),
            (_, true) => self.hold(address) || localhost.iter().any(|one| self.hold(*one)),
        }
    }

    /// Every address has 128 bits: those of IPv4 are `::ffff:0:0/96`.
    fn hold(&self, address: IpAddr) -> bool {
        let differ = bits(address) ^ bits(self.address);
        differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
    }

    /// Whether some address of IPv4 is among them.
    fn hold_ipv4(&self) -> bool {
        let all = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        self.hold(all) || self.bits >= 96 && bits(self.address) >> 32 == bits(all) >> 32
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}
