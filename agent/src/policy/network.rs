//! Addresses, networks and ports.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use schemars::JsonSchema;
use serde::Deserialize;

/// An address or network. IPv4 is kept in its IPv4-mapped IPv6 form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^[0-9a-fA-F:.]+(/[0-9]+)?$"))]
pub struct Network {
    address: [u8; 16],
    /// Bits, of 128.
    prefix: u8,
}

impl Network {
    /// From its lowest address and the length of its prefix, if no bit is set
    /// behind that.
    pub fn from_parts(address: [u8; 16], prefix: u8) -> Option<Self> {
        let number = u128::from_be_bytes(address);
        (prefix <= 128 && masked(number, prefix) == number).then_some(Self { address, prefix })
    }

    /// The lowest address, in network order.
    pub const fn address(self) -> [u8; 16] {
        self.address
    }

    /// Length of the prefix in bits, 0 to 128; IPv4 starts at 96.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether it is a single address.
    pub const fn is_host(self) -> bool {
        self.prefix == 128
    }

    /// Whether every address of `other` is in this network.
    pub fn contains(self, other: Self) -> bool {
        self.contains_bits(other.address, other.prefix)
    }

    /// The same for a network given by its parts.
    pub fn contains_bits(self, address: [u8; 16], prefix: u8) -> bool {
        self.prefix <= prefix
            && masked(u128::from_be_bytes(address), self.prefix)
                == u128::from_be_bytes(self.address)
    }
}

/// An address without the bits behind a prefix.
pub(crate) const fn masked(address: u128, prefix: u8) -> u128 {
    match prefix {
        0 => 0,
        prefix => address & (u128::MAX << (128 - prefix)),
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text.as_str(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| {
            format!("{text:?} is no address or network: write 192.0.2.1, 10.0.0.0/8 or fd00::/8")
        })?;
        let (mapped, first_bit, bits) = match address {
            IpAddr::V4(address) => (address.to_ipv6_mapped(), 96, 32),
            IpAddr::V6(address) => (address, 0, 128),
        };
        let length = match length {
            None => bits,
            Some(length) => length
                .parse::<u8>()
                .ok()
                .filter(|length| *length <= bits)
                .ok_or_else(|| format!("{text:?}: the prefix must be a number from 0 to {bits}"))?,
        };
        let prefix = first_bit + length;
        let number = u128::from(mapped);
        if masked(number, prefix) != number {
            let lowest = Ipv6Addr::from(masked(number, prefix)).to_canonical();
            return Err(format!(
                "{text:?} has bits set behind its prefix: write {lowest}/{length} for the network"
            ));
        }
        Ok(Self {
            address: mapped.octets(),
            prefix,
        })
    }
}

/// Ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    /// Lowest.
    pub first: u16,
    /// Highest.
    pub last: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            first: 0,
            last: u16::MAX,
        }
    }
}

impl fmt::Display for Network {
    /// As it is written in policies.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from(self.address);
        match (address.to_ipv4_mapped(), self.prefix) {
            (Some(address), 128) => write!(formatter, "{address}"),
            (Some(address), prefix @ 96..) => write!(formatter, "{address}/{}", prefix - 96),
            (_, 128) => write!(formatter, "{address}"),
            (_, prefix) => write!(formatter, "{address}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        Network::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn networks_hold_what_is_inside_them() {
        let check = |outer: &str, inner: &str, expected| {
            assert_eq!(
                network(outer).contains(network(inner)),
                expected,
                "{outer} {inner}"
            );
        };
        check("10.0.0.0/8", "10.1.2.3", true);
        check("10.0.0.0/8", "11.1.2.3", false);
        check("0.0.0.0/0", "192.0.2.1", true);
        check("::/0", "192.0.2.1", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("10.1.0.0/16", "10.0.0.0/8", false);
    }

    #[test]
    fn mistakes_say_what_to_write() {
        let check = |text: &str, part: &str| {
            let error = Network::try_from(text.to_owned()).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check("10.0.0.1/8", "write 10.0.0.0/8");
        check("10.0.0.0/33", "from 0 to 32");
        check("example.org", "no address or network");
        check("10.0.0.0/-1", "from 0 to 32");
    }

    proptest! {
        #[test]
        fn a_network_is_read_back_from_what_it_shows(address: u128, v4: bool, prefix in 0_u8..=128) {
            let (address, prefix) = if v4 {
                (0xffff_0000_0000 | (address & 0xffff_ffff), prefix.max(96))
            } else {
                (address, prefix)
            };
            let shown = Network { address: masked(address, prefix).to_be_bytes(), prefix };
            prop_assert_eq!(network(&shown.to_string()), shown);
        }

        #[test]
        fn an_address_is_in_a_network_exactly_when_its_leading_bits_are(
            address: u128, other: u128, prefix in 0_u8..=128,
        ) {
            let outer = Network { address: masked(address, prefix).to_be_bytes(), prefix };
            let inner = Network { address: other.to_be_bytes(), prefix: 128 };
            let naive = (0..prefix).all(|bit| (address >> (127 - bit)) & 1 == (other >> (127 - bit)) & 1);
            prop_assert_eq!(outer.contains(inner), naive);
        }
    }
}
