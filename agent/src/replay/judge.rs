//! The image held against an attempt, as the programs hold it, but for what is
//! not known of the attempt. Pure.

use std::collections::{BTreeMap, BTreeSet};

use aegisbpf_abi::{
    Domain, Key, NameHash, Operations, Reference, Role, Rule, RuleList,
    active::flag,
    key::Kind,
    rule::EVERYONE,
    verdict::{Decision, Request, decide, exempts},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::attempt::{Attempt, Known, Location, Missing, What};
use crate::{
    image::{Image, Origin},
    policy::Network,
};

/// What is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whatever is not known.
    pub least: Decision,
    /// Were everything that is not known as the rules want it.
    pub most: Decision,
    /// What would have to be known to tell the two apart.
    pub missing: BTreeSet<Missing>,
    /// Every rule that speaks of the object, and what becomes of it; by its
    /// index in the policy.
    pub considered: BTreeMap<usize, (Found, Part)>,
}

impl Judgement {
    /// The decision, if what is not known does not matter for it.
    pub fn decided(&self) -> Option<Decision> {
        (self.least.effect() == self.most.effect()).then_some(self.least)
    }
}

/// By what a rule was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// It names this file, address or content.
    Object,
    /// It names the place where the file is.
    Place,
    /// What it names is beneath this folder, which must stay where it is.
    Guard,
    /// It names a folder above.
    Subtree,
    /// It names a network around the address.
    Network,
    /// It speaks of everything in its domain.
    Domain,
}

/// What part a rule has in a decision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// It is about other operations.
    OtherOperation,
    /// It is about other ports.
    OtherPort,
    /// It is about another protocol.
    OtherProtocol,
    /// Its `scope` does not hold who tries.
    OutOfScope,
    /// Its `except`, or `never-deny`, holds who tries.
    Excepted,
    /// Its list of programs holds this one.
    Listed,
    /// It may apply: this is not known.
    Unknown(BTreeSet<Missing>),
    /// It applies.
    Applies,
}

/// A list that speaks of the attempt, or may.
struct Listed<'a> {
    list: &'a RuleList,
    found: Found,
    /// What is not known about whether it does.
    missing: Option<Missing>,
    /// Entries that leave the object alone.
    exempt: u64,
}

/// Hold an image against an attempt.
pub fn judge(image: &Image, attempt: &Attempt) -> Judgement {
    let who = attempt.who.subjects(&image.subjects);
    let lists = lists(image, attempt);
    let mut judgement = Judgement {
        least: Decision(u64::MAX),
        most: Decision::NONE,
        missing: BTreeSet::new(),
        considered: BTreeMap::new(),
    };
    let mut doubts = Vec::new();
    for operations in &attempt.operations {
        let mut least = Decision::NONE;
        for (listed, index, entry) in entries(&lists) {
            let Some(Origin::Policy(number)) = image.origin(entry) else {
                continue;
            };
            let weighed = Weighed {
                rule: image.rules[entry.index() as usize],
                listed,
                index,
                entry,
                who: &who,
                what: &attempt.what,
            };
            let (at_least, at_most) = weighed.bounds(*operations);
            least = least.or(at_least);
            judgement.most = judgement.most.or(at_most);
            let missing = weighed.missing();
            let part = match (at_least != Decision::NONE, at_most != Decision::NONE) {
                (true, _) => Part::Applies,
                (false, true) => Part::Unknown(missing.clone()),
                (false, false) => weighed.against(*operations),
            };
            if at_most > at_least {
                doubts.push((at_most, missing));
            }
            let found = if entry.is(Role::Guard) {
                Found::Guard
            } else {
                listed.found
            };
            let known = judgement.considered.entry(number);
            let known = known.or_insert_with(|| (found, part.clone()));
            if part > known.1 {
                *known = (found, part);
            }
        }
        if judgement.least != Decision(u64::MAX) && least.effect() != judgement.least.effect() {
            judgement.missing.insert(Missing::Operations);
        }
        judgement.least = judgement.least.min(least);
    }
    let least = judgement.least;
    let stronger = doubts.into_iter().filter(|(most, _)| *most > least);
    judgement
        .missing
        .extend(stronger.flat_map(|(_, missing)| missing));
    if judgement.decided().is_some() {
        judgement.missing.clear();
    }
    judgement
}

fn entries<'a>(lists: &'a [Listed<'a>]) -> impl Iterator<Item = (&'a Listed<'a>, u32, Reference)> {
    lists.iter().flat_map(|listed| {
        let entries = (0..).zip(listed.list.entries);
        entries
            .take_while(|(_, entry)| !entry.is_none())
            .filter(|(_, entry)| listed.found != Found::Subtree || entry.is(Role::Beneath))
            .map(move |(index, entry)| (listed, index, entry))
    })
}

/// One entry, held against the attempt.
struct Weighed<'a> {
    rule: Rule,
    listed: &'a Listed<'a>,
    index: u32,
    entry: Reference,
    who: &'a Known,
    what: &'a What,
}

impl Weighed<'_> {
    fn decide(&self, rule: &Rule, operations: Operations, subjects: u64) -> Decision {
        let mut request = Request::new(operations).exempt(self.listed.exempt);
        if self.listed.found == Found::Subtree {
            request = request.beneath();
        }
        if let What::Peer { port, protocol, .. } = self.what {
            request = request.at(*port, protocol.unwrap_or(rule.protocol));
        }
        decide(self.index, self.entry, rule, request, subjects)
    }

    /// What it decides at least and at most.
    fn bounds(&self, operations: Operations) -> (Decision, Decision) {
        let Known {
            surely, possibly, ..
        } = *self.who;
        let rule = self.rule;
        let most = Rule {
            except: rule.except & surely,
            ..rule
        };
        let most = self.decide(&most, operations, possibly);
        if self.listed.missing.is_some() || self.protocol_missing() {
            return (Decision::NONE, most);
        }
        let least = Rule {
            scope: rule.scope & surely,
            ..rule
        };
        (self.decide(&least, operations, possibly), most)
    }

    fn protocol_missing(&self) -> bool {
        let unknown = matches!(self.what, What::Peer { protocol: None, .. });
        unknown && self.rule.protocol_mask != 0
    }

    fn missing(&self) -> BTreeSet<Missing> {
        let protocol = self.protocol_missing().then_some(Missing::Protocol);
        let who = self.who.missing(self.rule.scope | self.rule.except);
        let missing = self.listed.missing.into_iter().chain(protocol).chain(who);
        missing.collect()
    }

    /// Why it does not apply: the first condition without which it would.
    fn against(&self, operations: Operations) -> Part {
        let rule = self.rule;
        let mut open = Rule {
            scope: EVERYONE,
            except: 0,
            first_port: 0,
            last_port: u16::MAX,
            protocol_mask: 0,
            ..rule
        };
        let Known {
            surely, possibly, ..
        } = *self.who;
        let applies = |open: &Rule| self.decide(open, operations, possibly) != Decision::NONE;
        if self.listed.exempt >> self.index & 1 == 1 {
            return Part::Listed;
        }
        if !applies(&open) {
            return Part::OtherOperation;
        }
        (open.first_port, open.last_port) = (rule.first_port, rule.last_port);
        if !applies(&open) {
            return Part::OtherPort;
        }
        open.protocol_mask = rule.protocol_mask;
        if !applies(&open) {
            return Part::OtherProtocol;
        }
        open.scope = rule.scope;
        if !applies(&open) {
            return Part::OutOfScope;
        }
        debug_assert!(rule.except & surely != 0, "nothing else is left");
        Part::Excepted
    }
}

/// The lists that speak of something, or may.
fn lists<'a>(image: &'a Image, attempt: &Attempt) -> Vec<Listed<'a>> {
    let what = &attempt.what;
    let executes = !attempt.all().and(Operations::EXEC).is_empty();
    let mut lists = Vec::new();
    let mut add = |key: Key, found, missing| {
        if let Some(list) = image.index.get(&key) {
            lists.push(Listed {
                list,
                found,
                missing,
                exempt: 0,
            });
        }
    };
    let of_kind = |kind: Kind| {
        image
            .index
            .keys()
            .filter(move |key| key.kind == kind as u32)
    };
    match what {
        What::Kernel => {}
        What::SomeFile => {
            let kinds = [Kind::Object, Kind::Place, Kind::Content];
            for key in kinds.into_iter().flat_map(of_kind) {
                add(*key, Found::Object, Some(Missing::Object));
            }
        }
        What::File {
            object,
            location,
            content,
        } => {
            if let Some(object) = object {
                add(key_of(image, *object), Found::Object, None);
            }
            match location {
                Location::Known { place, above } => {
                    add(*place, Found::Place, None);
                    for folder in above {
                        add(*folder, Found::Subtree, None);
                    }
                }
                Location::Somewhere { name, above } => {
                    let name = NameHash::of(name.as_bytes());
                    for folder in of_kind(Kind::Object) {
                        add(folder.place(name), Found::Place, Some(Missing::Folder));
                        let unknown = !above.contains(folder);
                        add(*folder, Found::Subtree, unknown.then_some(Missing::Folder));
                    }
                }
            }
            match content {
                _ if !executes => {}
                Some(digest) => add(Key::content(*digest), Found::Object, None),
                None => {
                    for key in of_kind(Kind::Content) {
                        add(*key, Found::Object, Some(Missing::Content));
                    }
                }
            }
        }
        What::Peer { address, .. } => add(Key::address(*address), Found::Object, None),
    }
    if let What::Peer { address, .. } = what {
        // Each network carries the rules of those around it; here all that
        // hold the address are looked at.
        let around = image.networks.iter().filter(|((network, prefix), _)| {
            Network::from_parts(*network, *prefix)
                .is_some_and(|network| network.contains_bits(*address, 128))
        });
        lists.extend(around.map(|(_, list)| Listed {
            list,
            found: Found::Network,
            missing: None,
            exempt: 0,
        }));
    }
    lists.extend(domains(image, attempt));
    lists
}

/// Under which key the programs look for an inode.
fn key_of(image: &Image, object: Key) -> Key {
    let list = image.index.get(&object);
    let number = image.flags & flag::INODE_NUMBERS != 0;
    if number && list.is_none_or(|list| list.operations == 0) {
        object.inode_number()
    } else {
        object
    }
}

/// The lists of whole domains.
fn domains<'a>(image: &'a Image, attempt: &Attempt) -> impl Iterator<Item = Listed<'a>> {
    let what = &attempt.what;
    let all = attempt.all();
    let object = match what {
        What::File { object, .. } => {
            object.and_then(|object| image.index.get(&key_of(image, object)))
        }
        _ => None,
    };
    let some_file = matches!(what, What::SomeFile);
    let whole = [
        (Domain::Exec, Operations::EXEC),
        (Domain::Kernel, Operations::KERNEL),
    ];
    let asked = move |(_, operations): &(_, Operations)| !operations.and(all).is_empty();
    whole
        .into_iter()
        .filter(asked)
        .filter_map(move |(domain, _)| {
            let list = image.index.get(&Key::domain(domain as u8))?;
            let known = object.map_or(&[][..], |object| &object.entries);
            let exempt = (0..).zip(list.entries).fold(0, |bits, (index, entry)| {
                let exempt = known.iter().any(|known| exempts(*known, entry));
                bits | u64::from(exempt) << index
            });
            Some(Listed {
                list,
                found: Found::Domain,
                missing: (some_file && domain == Domain::Exec).then_some(Missing::Object),
                exempt,
            })
        })
}
