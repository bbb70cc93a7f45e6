//! Model and objects to what the maps hold. Pure: the same policy on the same
//! objects gives the same image, byte for byte, and so the same digest.

use std::collections::BTreeMap;

use aegisbpf_abi::{
    ABI_VERSION, AddressKey, FileRules, Mode, ObjectKey, Operation, PORT_RANGES, PlaceKey,
    PortRange, PortRules, RuleRef, event::name_hash,
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{
    policy::{Domain, Network, Policy, Ports, Target},
    resolve::Resolved,
};

/// Everything the maps of one generation hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Objects of rules, and folders of places.
    pub objects: BTreeMap<ObjectKey, FileRules>,
    /// Places of rules.
    pub places: BTreeMap<PlaceKey, FileRules>,
    /// Peers that are single addresses.
    pub addresses: BTreeMap<AddressKey, PortRules>,
    /// Peers that are networks, by address and length of the prefix.
    pub networks: BTreeMap<(AddressKey, u8), PortRules>,
    /// Hashes of the file names of the rules, for the fallback.
    pub names: BTreeMap<u32, u32>,
    /// The mode of each domain; off where no rule speaks of it.
    pub modes: Modes,
    /// How many rules the policy has; the canary is the next one.
    pub rules: u32,
}

/// The mode of each domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes {
    /// Opening files.
    pub file: Mode,
    /// Executing files.
    pub exec: Mode,
    /// Connecting sockets.
    pub network: Mode,
}

impl Modes {
    /// The mode of a domain.
    pub const fn of(&self, domain: Domain) -> Mode {
        match domain {
            Domain::File => self.file,
            Domain::Exec => self.exec,
            Domain::Network => self.network,
        }
    }

    /// `mode` for every domain that a rule speaks of.
    pub fn for_policy(policy: &Policy, mode: Mode) -> Self {
        let of = |domain| {
            let mut rules = policy.rules.iter();
            if rules.any(|rule| rule.target.domain() == domain) {
                mode
            } else {
                Mode::Off
            }
        };
        Self {
            file: of(Domain::File),
            exec: of(Domain::Exec),
            network: of(Domain::Network),
        }
    }
}

/// What the canary tries; see [`crate::canary`].
#[derive(Debug, Clone)]
pub struct CanaryObjects {
    /// A file that nobody else opens.
    pub open: Resolved,
    /// A program that nobody else executes.
    pub exec: Resolved,
    /// A peer that nobody else connects to.
    pub address: AddressKey,
}

/// Why a policy does not fit into the maps.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ImageError {
    /// Too many port ranges meet in one network.
    #[error(
        "rule {rule:?}: more than {PORT_RANGES} rules apply to one address or network, \
         those of the networks around it included; join their ports into ranges"
    )]
    PortRanges {
        /// The rule that is one too many.
        rule: String,
    },
}

/// Build the image. `resolved` has the objects of each rule about a file, by
/// its index in the policy.
pub fn build(
    policy: &Policy,
    resolved: &BTreeMap<usize, Resolved>,
    modes: Modes,
    canary: &CanaryObjects,
) -> Result<Image, ImageError> {
    let rules = u32::try_from(policy.rules.len()).unwrap_or(u32::MAX);
    let mut image = Image {
        objects: BTreeMap::new(),
        places: BTreeMap::new(),
        addresses: BTreeMap::new(),
        networks: BTreeMap::new(),
        names: BTreeMap::new(),
        modes,
        rules,
    };
    let mut peers = Vec::new();
    for ((number, index), rule) in (0..).zip(0_u32..).zip(&policy.rules) {
        let reference = RuleRef::from_index(index);
        match &rule.target {
            Target::Open { path } | Target::Exec { path } => {
                if let Some(resolved) = resolved.get(&number) {
                    image.add_file(resolved, rule.target.operation(), reference);
                }
                let name = path.as_path().as_os_str().as_encoded_bytes();
                image.names.insert(name_hash(name), 1);
            }
            Target::Connect { to, port } => peers.push(PeerRule {
                id: &rule.id,
                network: *to,
                ports: *port,
                reference,
            }),
        }
    }
    let reference = RuleRef::from_index(rules);
    image.add_file(&canary.open, Operation::Open, reference);
    image.add_file(&canary.exec, Operation::Exec, reference);
    for name in [crate::canary::OPEN_NAME, crate::canary::EXEC_NAME] {
        image.names.insert(name_hash(name.as_bytes()), 1);
    }
    image.add_peers(&peers)?;
    let range = PortRange {
        first: 0,
        last: u16::MAX,
        rule: reference,
    };
    let at_canary = image.addresses.entry(canary.address).or_default();
    if let Some(free) = at_canary
        .ranges
        .iter_mut()
        .find(|range| range.rule.is_none())
    {
        *free = range;
    }
    Ok(image)
}

struct PeerRule<'policy> {
    id: &'policy str,
    network: Network,
    ports: Ports,
    reference: RuleRef,
}

impl Image {
    fn add_file(&mut self, resolved: &Resolved, operation: Operation, rule: RuleRef) {
        if let Some(object) = resolved.object {
            set_rule(self.objects.entry(object).or_default(), operation, rule);
        }
        for place in &resolved.places {
            set_rule(self.places.entry(*place).or_default(), operation, rule);
            self.objects
                .entry(place.folder)
                .or_default()
                .is_folder_of_place = 1;
        }
    }

    /// Each network carries its own rules and then those of the networks
    /// around it, because a longest-prefix match finds only the one.
    fn add_peers(&mut self, peers: &[PeerRule<'_>]) -> Result<(), ImageError> {
        let around: Vec<&PeerRule<'_>> = peers
            .iter()
            .filter(|peer| !peer.network.is_host())
            .collect();
        for peer in peers {
            let network = peer.network;
            let entry = if network.is_host() {
                self.addresses.entry(network.address()).or_default()
            } else {
                self.networks
                    .entry((network.address(), network.prefix()))
                    .or_default()
            };
            add_range(entry, peer)?;
        }
        for ((address, prefix), entry) in &mut self.networks {
            for outer in &around {
                if outer.network.prefix() < *prefix
                    && outer.network.contains_bits(*address, *prefix)
                {
                    add_range(entry, outer)?;
                }
            }
        }
        Ok(())
    }

    /// SHA-256 of everything in the image and of the ABI it is written for.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(b"aegisbpf map image");
        part(&ABI_VERSION.to_le_bytes());
        part(&self.rules.to_le_bytes());
        for domain in Domain::ALL {
            part(&(self.modes.of(domain) as u64).to_le_bytes());
        }
        let object =
            |key: &ObjectKey| [&key.inode.to_le_bytes()[..], &key.device.to_le_bytes()].concat();
        let rules = |rules: &FileRules| {
            [rules.open.0, rules.exec.0, rules.is_folder_of_place]
                .map(u32::to_le_bytes)
                .concat()
        };
        let ports = |rules: &PortRules| -> Vec<u8> {
            let ranges = rules.ranges.iter();
            ranges
                .flat_map(|range| {
                    let ends = [range.first.to_le_bytes(), range.last.to_le_bytes()].concat();
                    [ends, range.rule.0.to_le_bytes().to_vec()].concat()
                })
                .collect()
        };
        part(&(self.objects.len() as u64).to_le_bytes());
        for (key, value) in &self.objects {
            part(&object(key));
            part(&rules(value));
        }
        part(&(self.places.len() as u64).to_le_bytes());
        for (key, value) in &self.places {
            part(&object(&key.folder));
            part(&key.name);
            part(&rules(value));
        }
        part(&(self.addresses.len() as u64).to_le_bytes());
        for (key, value) in &self.addresses {
            part(key);
            part(&ports(value));
        }
        part(&(self.networks.len() as u64).to_le_bytes());
        for ((address, prefix), value) in &self.networks {
            part(address);
            part(&[*prefix]);
            part(&ports(value));
        }
        part(&(self.names.len() as u64).to_le_bytes());
        for name in self.names.keys() {
            part(&name.to_le_bytes());
        }
        hash.finalize().into()
    }
}

/// The first rule of the policy stays the one that is named.
fn set_rule(rules: &mut FileRules, operation: Operation, rule: RuleRef) {
    match operation {
        Operation::Open => rules.open = rules.open.or(rule),
        Operation::Exec => rules.exec = rules.exec.or(rule),
        Operation::Connect => {}
    }
}

fn add_range(entry: &mut PortRules, peer: &PeerRule<'_>) -> Result<(), ImageError> {
    let free = entry.ranges.iter_mut().find(|range| range.rule.is_none());
    let Some(free) = free else {
        return Err(ImageError::PortRanges {
            rule: peer.id.to_owned(),
        });
    };
    *free = PortRange {
        first: peer.ports.first,
        last: peer.ports.last,
        rule: peer.reference,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;
    use aegisbpf_abi::verdict::port_rule;
    use proptest::prelude::*;
    use std::path::Path;

    fn canary() -> CanaryObjects {
        CanaryObjects {
            open: Resolved::default(),
            exec: Resolved::default(),
            address: crate::canary::ADDRESS.to_ipv6_mapped().octets(),
        }
    }

    fn image_of(text: &str) -> Result<Image, ImageError> {
        let policy = policy::parse(Path::new("p"), text).unwrap();
        let modes = Modes::for_policy(&policy, Mode::Enforce);
        build(&policy, &BTreeMap::new(), modes, &canary())
    }

    /// What the maps say, looked up as the kernel does.
    fn lookup(image: &Image, address: u128, port: u16) -> Option<u32> {
        let key = address.to_be_bytes();
        if let Some(rules) = image.addresses.get(&key) {
            let rule = port_rule(rules, port);
            if !rule.is_none() {
                return rule.index();
            }
        }
        let longest = image
            .networks
            .iter()
            .filter(|((network, prefix), _)| {
                (0..*prefix).all(|bit| {
                    let shift = 127 - bit;
                    (u128::from_be_bytes(*network) >> shift) & 1 == (address >> shift) & 1
                })
            })
            .max_by_key(|((_, prefix), _)| *prefix)?;
        port_rule(longest.1, port).index()
    }

    #[test]
    fn a_domain_without_rules_is_off() {
        let image = image_of(r#"{"version":1,"rules":[{"id":"a","deny":{"open":{"path":"/x"}}}]}"#)
            .unwrap();
        assert_eq!(
            Domain::ALL.map(|domain| image.modes.of(domain)),
            [Mode::Enforce, Mode::Off, Mode::Off]
        );
    }

    #[test]
    fn the_digest_changes_with_the_mode_and_with_any_rule() {
        let base =
            image_of(r#"{"version":1,"rules":[{"id":"a","deny":{"connect":{"to":"10.0.0.1"}}}]}"#)
                .unwrap();
        let mut audit = base.clone();
        audit.modes.network = Mode::Audit;
        let port = image_of(
            r#"{"version":1,"rules":[{"id":"a","deny":{"connect":{"to":"10.0.0.1","port":1}}}]}"#,
        )
        .unwrap();
        assert_eq!(base.digest(), base.clone().digest());
        assert_ne!(base.digest(), audit.digest());
        assert_ne!(base.digest(), port.digest());
    }

    #[test]
    fn too_many_ranges_in_one_network_are_refused_by_name() {
        let rules: Vec<String> = (0..9)
            .map(|port| {
                format!(
                    r#"{{"id":"r{port}","deny":{{"connect":{{"to":"10.0.0.0/8","port":{port}}}}}}}"#
                )
            })
            .collect();
        let text = format!(r#"{{"version":1,"rules":[{}]}}"#, rules.join(","));
        assert_eq!(
            image_of(&text).unwrap_err(),
            ImageError::PortRanges { rule: "r8".into() }
        );
    }

    proptest! {
        /// The oracle reads the policy's own words: is there any rule whose
        /// network holds the address and whose ports hold the port?
        #[test]
        fn the_maps_deny_exactly_what_some_rule_denies(
            nets in prop::collection::vec((0_u8..=3, 24_u8..=32, 0_u16..4, 0_u16..4), 0..5),
            peer in 0_u8..=7,
            port in 0_u16..5,
        ) {
            let spec: Vec<(u32, u8, u16, u16)> = nets
                .into_iter()
                .map(|(last, prefix, a, b)| {
                    let mask = if prefix == 32 { u32::MAX } else { !(u32::MAX >> prefix) };
                    ((0x0a00_0000 | u32::from(last)) & mask, prefix, a.min(b), a.max(b))
                })
                .collect();
            let rules: Vec<String> = spec
                .iter()
                .enumerate()
                .map(|(index, (net, prefix, first, last))| {
                    let net = std::net::Ipv4Addr::from(*net);
                    format!(r#"{{"id":"r{index}","deny":{{"connect":{{"to":"{net}/{prefix}","port":"{first}-{last}"}}}}}}"#)
                })
                .collect();
            let image = image_of(&format!(r#"{{"version":1,"rules":[{}]}}"#, rules.join(","))).unwrap();
            let address = 0x0a00_0000 | u32::from(peer);
            let denied = spec.iter().any(|(net, prefix, first, last)| {
                (u64::from(address) >> (32 - prefix)) == (u64::from(*net) >> (32 - prefix))
                    && (*first..=*last).contains(&port)
            });
            let found = lookup(&image, 0xffff_0000_0000 | u128::from(address), port);
            prop_assert_eq!(found.is_some(), denied, "{:?}", found);
        }
    }
}
