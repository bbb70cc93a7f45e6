//! Putting rules into the lists under which the programs find them.

use std::collections::{BTreeMap, BTreeSet};

use aegisbpf_abi::{
    Effect, Key, Operations, Reference, Role, Rule, RuleList, active::flag, key::Kind,
    verdict::speaks_of,
};

use super::{Image, ImageError, Result, holds_ipv4, unspecified_leads_into};
use crate::{
    policy::{Network, masked},
    resolve::Resolved,
};

impl Image {
    /// A rule about what is at a path.
    pub(super) fn add_path(&mut self, resolved: &Resolved, number: u32, id: &str) -> Result<()> {
        if let Some(object) = resolved.object {
            self.add(object, Role::Itself, number, id)?;
        }
        for place in &resolved.places {
            self.add(place.key, Role::Itself, number, id)?;
            self.index.entry(place.folder).or_default().operations |= RuleList::FOLDER;
        }
        if self.rules[number as usize].effect < Effect::Deny as u32 {
            return Ok(());
        }
        self.needs.guards = true;
        for folder in &resolved.ancestors {
            self.guard(*folder, number, id)?;
        }
        for place in &resolved.missing {
            self.needs.missing_folders = true;
            self.guard(place.key, number, id)?;
            self.index.entry(place.folder).or_default().operations |= RuleList::FOLDER;
        }
        Ok(())
    }

    /// A folder on the way to a place must stay.
    fn guard(&mut self, key: Key, number: u32, id: &str) -> Result<()> {
        self.add_alike(key, Role::Guard, number, id)
    }

    /// Where only the effect matters, and for whom: one rule is enough for all
    /// that are alike.
    pub(super) fn add_alike(&mut self, key: Key, role: Role, number: u32, id: &str) -> Result<()> {
        let rule = self.rules[number as usize];
        let alike = |other: &Rule| {
            (other.effect, other.scope, other.except) == (rule.effect, rule.scope, rule.except)
        };
        let there = self.index.get(&key).is_some_and(|list| {
            let entries = list.entries.iter();
            entries
                .filter(|entry| !entry.is_none() && entry.is(role))
                .any(|entry| alike(&self.rules[entry.index() as usize]))
        });
        if there {
            return Ok(());
        }
        self.add(key, role, number, id)
    }

    /// A rule about a peer or a local address.
    pub(super) fn add_network(
        &mut self,
        network: Network,
        operations: Operations,
        number: u32,
        id: &str,
    ) -> Result<()> {
        if network.is_host() {
            self.add(Key::address(network.address()), Role::Itself, number, id)?;
        } else {
            let list = self
                .networks
                .entry((network.address(), network.prefix()))
                .or_default();
            let what = || format!("the network of rule {id:?}");
            insert(list, Role::Itself, number, &self.rules, id, what)?;
        }
        // What is sent to no address in particular arrives at this machine;
        // what listens at none in particular listens at each.
        let peer = operations.and(Operations::PEER);
        let local = operations.and(Operations::LOCAL);
        let everywhere = [
            std::net::Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().octets(),
            std::net::Ipv6Addr::UNSPECIFIED.octets(),
        ];
        let mut unspecified: BTreeMap<[u8; 16], Operations> = BTreeMap::new();
        let mut also = |address, operations: Operations| {
            if !operations.is_empty() && !network.contains_bits(address, 128) {
                let entry = unspecified.entry(address).or_default();
                *entry = entry.with(operations);
            }
        };
        for address in unspecified_leads_into(network).into_iter().flatten() {
            also(address, peer);
        }
        // Of IPv4 only the first is, `::` of both families.
        for address in everywhere
            .into_iter()
            .skip(usize::from(!holds_ipv4(network)))
        {
            also(address, local);
        }
        for (address, operations) in unspecified {
            let origin = self.origins[number as usize];
            let rule = Rule {
                operations: operations.0,
                ..self.rules[number as usize]
            };
            let number = self.push(rule, origin);
            self.add(Key::address(address), Role::Itself, number, id)?;
        }
        Ok(())
    }

    pub(super) fn add(&mut self, key: Key, role: Role, number: u32, id: &str) -> Result<()> {
        let list = self.index.entry(key).or_default();
        let what = || format!("one {}", kind(&key));
        insert(list, role, number, &self.rules, id, what)
    }

    /// A longest-prefix match finds the smallest network only, and the walk
    /// up a path stops at the first folder with rules about its subtree: each
    /// carries the rules of those around it.
    pub(super) fn inherit(&mut self) -> Result<()> {
        let before = self.networks.clone();
        let lengths: BTreeSet<u8> = before.keys().map(|(_, prefix)| *prefix).collect();
        for ((address, prefix), list) in &mut self.networks {
            // There are few lengths, and many networks.
            for shorter in lengths.range(..*prefix) {
                let around = masked(u128::from_be_bytes(*address), *shorter);
                if let Some(outer) = before.get(&(around.to_be_bytes(), *shorter)) {
                    merge(list, outer, Role::Itself, &self.rules, "one network")?;
                }
            }
        }
        Ok(())
    }

    /// An inode's own list is looked at first, and one of its number only where
    /// there is none: it carries the rules about the number.
    pub(super) fn inherit_inode_numbers(&mut self) -> Result<()> {
        if self.flags & flag::INODE_NUMBERS == 0 {
            return Ok(());
        }
        let before = self.index.clone();
        for (key, list) in &mut self.index {
            let number = key.inode_number();
            if key.kind == Kind::Object as u32
                && *key != number
                && let Some(rules) = before.get(&number)
            {
                merge(list, rules, Role::Itself, &self.rules, "one inode")?;
            }
        }
        Ok(())
    }

    /// The same for subtrees, whose folders above `above` gives.
    pub(super) fn inherit_subtrees(&mut self, above: &BTreeMap<Key, BTreeSet<Key>>) -> Result<()> {
        let before = self.index.clone();
        for (root, folders) in above {
            for folder in folders {
                if let Some(outer) = before.get(folder)
                    && outer.has(RuleList::SUBTREE)
                    && let Some(list) = self.index.get_mut(root)
                {
                    merge(list, outer, Role::Beneath, &self.rules, "one subtree")?;
                }
            }
        }
        Ok(())
    }
}

/// Add the entries of another list that have a role.
fn merge(
    list: &mut RuleList,
    other: &RuleList,
    role: Role,
    rules: &[Rule],
    what: &str,
) -> Result<()> {
    for entry in other.entries {
        if !entry.is_none() && entry.is(role) {
            let id = format!("number {}", entry.index() + 1);
            insert(list, role, entry.index(), rules, &id, || what.to_owned())?;
        }
    }
    Ok(())
}

fn insert(
    list: &mut RuleList,
    role: Role,
    number: u32,
    rules: &[Rule],
    id: &str,
    what: impl FnOnce() -> String,
) -> Result<()> {
    let entry = Reference::new(role, number);
    if list.entries.contains(&entry) {
        return Ok(());
    }
    let Some(free) = list.entries.iter_mut().find(|entry| entry.is_none()) else {
        return Err(ImageError::Crowded {
            rule: id.to_owned(),
            what: what(),
        });
    };
    *free = entry;
    let operations = rules[number as usize].operations();
    list.operations |= match role {
        // It decides nothing; but a list that says nothing counts as none, and
        // what it exempts is not looked at.
        Role::Exempt => operations.and(Operations::EXEC).0,
        _ => speaks_of(role as u32, operations).0,
    };
    if role == Role::Beneath {
        list.operations |= RuleList::SUBTREE;
    }
    Ok(())
}

const fn kind(key: &Key) -> &'static str {
    match key.kind {
        0 => "file or folder",
        1 => "place",
        2 => "address",
        3 => "domain",
        4 => "content",
        _ => "device",
    }
}
