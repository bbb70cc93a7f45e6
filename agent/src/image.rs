//! Model and objects to what the maps hold. Pure: the same policy on the same
//! objects gives the same image, byte for byte, and so the same digest.

mod lists;
mod subjects;
mod tenants;

use std::collections::BTreeMap;

use aegisbpf_abi::{
    ABI_VERSION, Active, Domain, Effect, Key, LIST_LENGTH, Mode, Operation, Operations, Reference,
    Role, Rule, RuleList, SUBJECTS, Subjects, Tenant, active::flag, event::name_hash,
    key::REFERENCE_LIMIT, rule::EVERYONE,
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{
    canary::{self, CanaryObjects},
    kernel::hooks::Needs,
    policy::{Action, FileObject, Network, Policy, Programs, Target, model},
    resolve::Resolved,
};

/// What goes wrong is said of the policy.
type Result<T> = std::result::Result<T, ImageError>;
pub use subjects::ResolvedSubject;

/// Bits of the filter for each key in the index: one in sixteen of the files
/// that no rule speaks of is looked up all the same.
const FILTER_BITS_PER_KEY: usize = 16;
/// Of the smallest filter: 1024 bits.
const FILTER_LOG2_MIN: u32 = 10;
/// Of the largest: 2^24 bits are 2 MiB.
const FILTER_LOG2_MAX: u32 = 24;

/// Everything the maps of one policy hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What is found under a key.
    pub index: BTreeMap<Key, RuleList>,
    /// What is found for a network, by address and length of the prefix.
    pub networks: BTreeMap<([u8; 16], u8), RuleList>,
    /// The rules, as references number them.
    pub rules: Vec<Rule>,
    /// Where each of these rules comes from.
    pub origins: Vec<Origin>,
    /// For whom they count, by the key of each tenant.
    pub tenants: BTreeMap<u64, Tenant>,
    /// Who the rules tell apart.
    pub subjects: Subjects,
    /// The mode of each domain; off where no rule speaks of it.
    pub modes: Modes,
    /// Of [`flag`].
    pub flags: u64,
    /// What it needs hooks for.
    pub needs: Needs,
}

/// Where a rule of the image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The rule at this index of the policy.
    Policy(usize),
    /// The agent's test of itself.
    Canary,
}

/// The mode of each domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes(pub [Mode; 4]);

impl Modes {
    /// No domain has a mode.
    pub const OFF: Self = Self([Mode::Off; 4]);

    /// The mode of a domain.
    pub const fn of(&self, domain: Domain) -> Mode {
        self.0[domain as usize]
    }

    /// `mode` for every domain that a rule speaks of.
    pub fn for_policy(policy: &Policy, mode: Mode) -> Self {
        Self(Domain::ALL.map(|domain| {
            let mut rules = policy.rules.iter();
            if rules.any(|rule| rule.target.speaks_of(domain)) {
                mode
            } else {
                Mode::Off
            }
        }))
    }
}

/// What a policy speaks of, found.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// Of each rule about files or programs, by its index: one for each path.
    pub files: BTreeMap<usize, Vec<Resolved>>,
    /// Of every subject in the policy, by what it says.
    pub subjects: BTreeMap<model::Subject, ResolvedSubject>,
    /// Programs that no rule denies anything.
    pub never_deny: Vec<Key>,
    /// Block devices with a mounted file system.
    pub devices: Vec<u32>,
}

/// Why a policy does not fit into the maps.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ImageError {
    /// Too many rules meet.
    #[error(
        "rule {rule:?}: more than {LIST_LENGTH} rules speak of {what}; join them, or give them \
         the same scope"
    )]
    Crowded {
        /// The rule that is one too many.
        rule: String,
        /// Where.
        what: String,
    },
    /// Too many subjects.
    #[error("rule {rule:?}: a policy can tell {SUBJECTS} subjects apart, and this is one more")]
    Subjects {
        /// The rule that has it.
        rule: String,
    },
    /// Too many tenants.
    #[error(
        "rule {rule:?}: a policy can have {} different scopes, and this is one more",
        tenants::MOST
    )]
    Tenants {
        /// The rule that has it.
        rule: String,
    },
    /// Too many rules altogether.
    #[error("the policy has more than {REFERENCE_LIMIT} rules")]
    Rules,
}

/// Build the image.
pub fn build(
    policy: &Policy,
    objects: &Objects,
    modes: Modes,
    canary: &CanaryObjects,
) -> Result<Image> {
    if policy.rules.len() * 2 >= REFERENCE_LIMIT as usize {
        return Err(ImageError::Rules);
    }
    let mut image = Image {
        index: BTreeMap::new(),
        networks: BTreeMap::new(),
        rules: Vec::new(),
        origins: Vec::new(),
        tenants: tenants::without_rule(),
        subjects: Subjects::default(),
        modes,
        flags: 0,
        needs: Needs::default(),
    };
    let never_deny = image.never_deny(&objects.never_deny)?;
    for (index, rule) in policy.rules.iter().enumerate() {
        let scope = match &rule.scope[..] {
            [] => EVERYONE,
            scope => image.subject_bits(scope, objects, &rule.id)?,
        };
        let except = image.subject_bits(&rule.except, objects, &rule.id)? | never_deny;
        let mut compiled = compile(rule, modes, scope, except);
        compiled.tenant = image.tenant(&tenants::name(&rule.scope), &rule.id)?;
        let number = image.push(compiled, Origin::Policy(index));
        image.add_rule(policy, objects, index, number)?;
    }
    image.inherit()?;
    image.inherit_inode_numbers()?;
    let found = objects.files.values().flatten();
    let roots = found.flat_map(|resolved| resolved.roots.clone());
    image.inherit_subtrees(&roots.collect())?;
    image.add_canary(canary)?;
    image.set_flags();
    Ok(image)
}

/// A rule as the programs read it.
fn compile(rule: &model::Rule, modes: Modes, scope: u64, except: u64) -> Rule {
    let operations = rule.target.operations();
    let domain = operations.first().map_or(Domain::File, Operation::domain);
    let effect = match (rule.action, modes.of(domain)) {
        (_, Mode::Off) => Effect::None,
        (Action::Audit, _) => Effect::Audit,
        (Action::Deny | Action::Kill, Mode::Audit) => Effect::WouldDeny,
        (Action::Deny, Mode::Enforce) => Effect::Deny,
        (Action::Kill, Mode::Enforce) => Effect::Kill,
    };
    let mut compiled = Rule {
        scope,
        except,
        operations: with_mounting_over(&rule.target).with(revoked(rule)).0,
        effect: effect as u32,
        last_port: u16::MAX,
        ..Rule::default()
    };
    match &rule.target {
        Target::Network {
            ports, protocol, ..
        } => {
            compiled.first_port = ports.first;
            compiled.last_port = ports.last;
            if let Some(protocol) = protocol {
                compiled.protocol = protocol.number();
                compiled.protocol_mask = u8::MAX;
            }
        }
        Target::Exec(_) | Target::File { .. } | Target::Kernel { .. } => {}
    }
    compiled
}

/// What a rule that revokes denies through descriptors.
fn revoked(rule: &model::Rule) -> Operations {
    let operations = rule.target.operations();
    let also = |named, held: Operation| match rule.held {
        model::Held::Revoke if operations.has(named) => held.alone(),
        model::Held::Revoke | model::Held::Keep => Operations::NONE,
    };
    also(Operation::Read, Operation::HeldRead).with(also(Operation::Write, Operation::HeldWrite))
}

/// Whatever is denied about a place, mounting over it would be a way round. An
/// inode has none.
fn with_mounting_over(target: &Target) -> Operations {
    let operations = target.operations();
    match target {
        Target::Network { .. }
        | Target::Kernel { .. }
        | Target::File {
            object: FileObject::Inode { .. },
            ..
        } => operations,
        Target::File { .. } | Target::Exec(_) => operations.with(Operation::Mount.alone()),
    }
}

impl Image {
    fn push(&mut self, rule: Rule, origin: Origin) -> u32 {
        let mut operations = rule.operations();
        if !operations.and(Operations::FILE).is_empty() {
            // Mounting over something is guarded where a place must be held.
            operations = operations.and(Operations::FILE.with(Operations::HELD));
        }
        self.needs.operations = self.needs.operations.with(operations);
        self.rules.push(rule);
        self.origins.push(origin);
        u32::try_from(self.rules.len() - 1).unwrap_or(u32::MAX)
    }

    fn add_rule(
        &mut self,
        policy: &Policy,
        objects: &Objects,
        index: usize,
        number: u32,
    ) -> Result<()> {
        let rule = &policy.rules[index];
        let id = rule.id.as_str();
        let found = objects.files.get(&index).map_or(&[][..], Vec::as_slice);
        match &rule.target {
            Target::File {
                object: FileObject::Inode { device, inode },
                ..
            } => {
                let device = crate::resolve::device_number(device.0, device.1);
                let key = Key::object(*inode, 0, device).inode_number();
                self.flags |= flag::INODE_NUMBERS;
                self.add(key, Role::Itself, number, id)?;
            }
            Target::File {
                object: FileObject::Path(_),
                ..
            }
            | Target::Exec(Programs::Path(_)) => {
                for resolved in found {
                    self.add_path(resolved, number, id)?;
                }
            }
            Target::File {
                object: FileObject::Subtree(_),
                ..
            }
            | Target::Exec(Programs::Subtree(_)) => {
                for resolved in found {
                    self.add_path(resolved, number, id)?;
                    for root in resolved.roots.keys() {
                        self.add(*root, Role::Beneath, number, id)?;
                    }
                }
            }
            Target::Exec(Programs::Sha256(digest)) => {
                self.needs.contents = true;
                self.flags |= flag::CONTENTS;
                self.add(Key::content(*digest), Role::Itself, number, id)?;
                self.add_alike(Key::UNKNOWN_CONTENT, Role::Itself, number, id)?;
            }
            Target::Exec(Programs::AllBut(_)) => {
                self.flags |= flag::ALL_PROGRAMS;
                self.add(Key::domain(Domain::Exec as u8), Role::Itself, number, id)?;
                for object in found.iter().filter_map(|resolved| resolved.object) {
                    self.add(object, Role::Exempt, number, id)?;
                }
            }
            Target::Network {
                address,
                operations,
                ..
            } => self.add_network(*address, *operations, number, id)?,
            Target::Kernel { operations } => {
                self.add(Key::domain(Domain::Kernel as u8), Role::Itself, number, id)?;
                if operations.has(Operation::RawDevice) {
                    for device in &objects.devices {
                        self.add(Key::device(*device), Role::Itself, number, id)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn add_canary(&mut self, canary: &CanaryObjects) -> Result<()> {
        let id = canary::RULE;
        for domain in Domain::ALL {
            let operations = match domain {
                Domain::File => Operations::FILE,
                Domain::Exec => Operations::EXEC,
                Domain::Network => Operations::PEER.with(Operations::LOCAL),
                Domain::Kernel => Operations::KERNEL,
            };
            let scope = match domain {
                Domain::Kernel if self.modes.of(domain) != Mode::Off => self.canary_subject()?,
                _ => EVERYONE,
            };
            // It tries what the policy's own rules speak of, through the same
            // hooks.
            let operations = operations.and(self.needs.operations);
            let Some(number) = self.canary_rule(domain, operations, scope) else {
                continue;
            };
            let keys = match domain {
                Domain::File => canary.file.to_vec(),
                Domain::Exec if self.needs.contents => {
                    vec![canary.program, Key::content(canary.content)]
                }
                Domain::Exec => vec![canary.program],
                Domain::Network => canary.addresses.map(Key::address).to_vec(),
                Domain::Kernel => vec![Key::domain(Domain::Kernel as u8)],
            };
            for key in keys {
                self.add(key, Role::Itself, number, id)?;
            }
        }
        let held = self.needs.operations.and(Operations::HELD);
        if let Some(number) = self.canary_rule(Domain::File, held, EVERYONE) {
            self.add(canary.held, Role::Itself, number, id)?;
        }
        let folder = self.index.entry(canary.folder).or_default();
        folder.operations |= RuleList::FOLDER;
        Ok(())
    }

    fn canary_rule(&mut self, domain: Domain, operations: Operations, scope: u64) -> Option<u32> {
        let effect = match self.modes.of(domain) {
            Mode::Off => return None,
            Mode::Audit => Effect::WouldDeny,
            Mode::Enforce => Effect::Deny,
        };
        let rule = Rule {
            scope,
            operations: operations.0,
            effect: effect as u32,
            last_port: u16::MAX,
            tenant: tenants::CANARY,
            ..Rule::default()
        };
        (!operations.is_empty()).then(|| self.push(rule, Origin::Canary))
    }

    /// What the fallback looks at more closely: the last components of the
    /// paths of rules.
    pub fn add_names<'a>(&mut self, paths: impl Iterator<Item = &'a std::path::Path>) {
        for path in paths {
            let name = path.as_os_str().as_encoded_bytes();
            let key = Key::path_name(name_hash(name));
            self.index.entry(key).or_default();
        }
    }

    fn set_flags(&mut self) {
        if self.index.values().any(|list| list.has(RuleList::SUBTREE)) {
            self.flags |= flag::SUBTREES;
        }
        if !self.networks.is_empty() {
            self.flags |= flag::NETWORKS;
        }
        if self.needs.operations.has(Operation::RawDevice) {
            self.flags |= flag::RAW_DEVICES;
        }
        let closed = |domain| self.modes.of(domain) == Mode::Enforce;
        if closed(Domain::File) || closed(Domain::Exec) {
            self.flags |= flag::FILES_CLOSED;
        }
        if closed(Domain::Network) {
            self.flags |= flag::NETWORK_CLOSED;
        }
    }

    /// The word that puts this image in force as a generation.
    pub fn active(&self, generation: u64) -> Active {
        let bits = self.index.len().max(1) * FILTER_BITS_PER_KEY;
        let log2 = bits.next_power_of_two().ilog2();
        let log2 = log2.clamp(FILTER_LOG2_MIN, FILTER_LOG2_MAX);
        Active::new(generation, log2, self.flags)
    }

    /// About so many bytes its maps take. What the kernel adds to an entry is
    /// of `kernel/bpf/hashtab.c` and `lpm_trie.c`: 48 bytes and a bucket of 16
    /// in a hash; 40 bytes in a trie, which has up to twice as many nodes.
    pub fn map_bytes(&self) -> u64 {
        let index = self.index.len().max(1);
        let list = size_of::<RuleList>();
        let hashed = index * (48 + size_of::<Key>() + list) + index.next_power_of_two() * 16;
        let trie = 2 * self.networks.len() * (40 + 16 + list);
        let rules = self.rules.len() * size_of::<Rule>();
        let filter = (1 << self.active(1).filter_log2()) / 8;
        (hashed + trie + rules + filter + size_of::<Subjects>()) as u64
    }

    /// The filter: a bit for every key that the programs look up by it.
    pub fn filter(&self, log2: u32) -> Vec<u64> {
        let mut words = vec![0; 1 << log2.saturating_sub(6)];
        for key in self.index.keys() {
            let bit = key.filter_bit(log2);
            if let Some(word) = usize::try_from(bit >> 6)
                .ok()
                .and_then(|at| words.get_mut(at))
            {
                *word |= 1_u64 << (bit & 63);
            }
        }
        words
    }

    /// The rule of the policy that a reference of an event means.
    pub fn origin(&self, reference: Reference) -> Option<Origin> {
        self.origins.get(reference.index() as usize).copied()
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
        part(&self.flags.to_le_bytes());
        for domain in Domain::ALL {
            part(&(self.modes.of(domain) as u64).to_le_bytes());
        }
        part(&(self.index.len() as u64).to_le_bytes());
        for (key, list) in &self.index {
            part(&key_bytes(key));
            part(&list_bytes(list));
        }
        part(&(self.networks.len() as u64).to_le_bytes());
        for ((address, prefix), list) in &self.networks {
            part(address);
            part(&[*prefix]);
            part(&list_bytes(list));
        }
        part(&(self.rules.len() as u64).to_le_bytes());
        for rule in &self.rules {
            part(&rule.scope.to_le_bytes());
            part(&rule.except.to_le_bytes());
            part(&rule.operations.to_le_bytes());
            part(&rule.effect.to_le_bytes());
            part(&rule.first_port.to_le_bytes());
            part(&rule.last_port.to_le_bytes());
            part(&[rule.protocol, rule.protocol_mask]);
            part(&rule.tenant.to_le_bytes());
        }
        for subject in &self.subjects.list {
            part(&key_bytes(&subject.program));
            part(&subject.cgroup.to_le_bytes());
            part(&subject.command.map(u64::to_le_bytes).concat());
            part(&subject.program_mask.to_le_bytes());
            part(&subject.command_mask.to_le_bytes());
            part(&subject.cgroup_mask.to_le_bytes());
            for number in [
                subject.cgroup_level,
                subject.first_uid,
                subject.last_uid,
                subject.mount_namespace,
                subject.mount_namespace_mask,
            ] {
                part(&number.to_le_bytes());
            }
        }
        hash.finalize().into()
    }
}

fn key_bytes(key: &Key) -> Vec<u8> {
    let halves = [key.a.to_le_bytes(), key.b.to_le_bytes()].concat();
    [
        halves,
        [key.c.to_le_bytes(), key.kind.to_le_bytes()].concat(),
    ]
    .concat()
}

fn list_bytes(list: &RuleList) -> Vec<u8> {
    let entries = list.entries.iter().map(|entry| entry.0);
    std::iter::once(list.operations)
        .chain(entries)
        .flat_map(u32::to_le_bytes)
        .collect()
}

/// Whether a network holds some IPv4 address.
fn holds_ipv4(network: Network) -> bool {
    let all = std::net::Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().octets();
    network.contains_bits(all, 96) || network.prefix() >= 96 && network.address()[..12] == all[..12]
}

/// Whether a network holds an address of this machine to which an
/// unspecified one leads.
fn unspecified_leads_into(network: Network) -> [Option<[u8; 16]>; 2] {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let holds = |address: [u8; 16]| network.contains_bits(address, 128);
    let ipv4 = holds(Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets());
    let ipv6 = holds(Ipv6Addr::LOCALHOST.octets());
    [
        (ipv4).then(|| Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().octets()),
        // `::` reaches `::1`, and `127.0.0.1` by a socket of both families.
        (ipv4 || ipv6).then(|| Ipv6Addr::UNSPECIFIED.octets()),
    ]
}

#[cfg(test)]
mod tests;
