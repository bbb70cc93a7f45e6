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
        let longest = if address.is_ipv4() { 32 } else { 128 };
        Self {
            address,
            bits: bits.min(longest),
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
            (Deed::Bind | Deed::Listen, true) => address.is_ipv6() || self.address.is_ipv4(),
            // No address in particular is this machine; `::` is so for both
            // families.
            (_, true) if address.is_ipv4() => self.hold(address) || self.hold(localhost[0]),
            (_, true) => self.hold(address) || localhost.iter().any(|one| self.hold(*one)),
        }
    }

    fn hold(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, true),
            IpAddr::V6(address) => (address.to_bits(), false),
        };
        let ((own, own_family), (other, family)) = (bits(self.address), bits(address));
        own_family == family && (own ^ other).checked_shr(128 - self.bits).unwrap_or(0) == 0
    }
}
