use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::Path,
};

use aegisbpf_abi::{
    Effect, NameHash,
    verdict::{Decision, Request, decide},
};
use proptest::prelude::*;

use super::*;
use crate::{policy::parse, resolve::Place};

const EVERY: u64 = EVERYONE;

fn policy(rules: &str) -> Policy {
    let text = format!("version: 1\nrules:\n{rules}");
    parse(Path::new("test.yaml"), &text).unwrap()
}

fn texts(numbers: impl Iterator<Item = usize>, rule: impl Fn(usize) -> String) -> String {
    numbers.map(rule).collect::<Vec<_>>().concat()
}

fn canary() -> CanaryObjects {
    CanaryObjects {
        file: [key(9_001), key(9_002)],
        folder: key(9_000),
        held: key(9_003),
        program: key(9_004),
        ..canary::names_only()
    }
}

fn key(inode: u64) -> Key {
    Key::object(inode, 1, 2)
}

/// A file in a folder, which is in the root.
fn file(inode: u64, folder: u64, name: &str) -> Resolved {
    Resolved {
        object: Some(key(inode)),
        places: BTreeSet::from([Place {
            folder: key(folder),
            key: key(folder).place(NameHash::of(name.as_bytes())),
        }]),
        ancestors: BTreeSet::from([key(folder), key(1)]),
        ..Resolved::default()
    }
}

fn objects(files: impl IntoIterator<Item = (usize, Resolved)>) -> Objects {
    Objects {
        files: files
            .into_iter()
            .map(|(rule, found)| (rule, vec![found]))
            .collect(),
        ..Objects::default()
    }
}

fn image_of(policy: &Policy, objects: &Objects, mode: Mode) -> Result<Image> {
    build(policy, objects, Modes::for_policy(policy, mode), &canary())
}

fn image(rules: &str, objects: &Objects) -> Image {
    image_of(&policy(rules), objects, Mode::Enforce).unwrap()
}

/// As the programs hold a list against an attempt.
fn weigh(image: &Image, list: Option<&RuleList>, request: Request, subjects: u64) -> Decision {
    let entries = list.map_or(&[][..], |list| &list.entries);
    (0..)
        .zip(entries)
        .take_while(|(_, entry)| !entry.is_none())
        .map(|(index, entry)| {
            let rule = &image.rules[entry.index() as usize];
            decide(index, *entry, rule, request, subjects)
        })
        .fold(Decision::NONE, Decision::or)
}

fn at(image: &Image, key: Key, operation: Operation) -> u32 {
    let request = Request::new(operation.alone());
    weigh(image, image.index.get(&key), request, EVERY).effect()
}

const DENIED: u32 = Effect::Deny as u32;
const NONE: u32 = Effect::None as u32;

#[test]
fn a_path_holds_for_the_object_and_for_the_place_and_the_folders_above_must_stay() {
    let found = objects([(0, file(30, 20, "secret"))]);
    let image = image(
        "- id: a\n  file: { path: /folder/secret, operations: [read] }\n",
        &found,
    );
    let place = key(20).place(NameHash::of(b"secret"));
    let check = |key, operation, effect| {
        assert_eq!(at(&image, key, operation), effect, "{key:?} {operation:?}");
    };
    check(key(30), Operation::Read, DENIED);
    check(place, Operation::Read, DENIED);
    check(place, Operation::Mount, DENIED);
    check(key(30), Operation::Write, NONE);
    check(key(20), Operation::Rename, DENIED);
    check(key(20), Operation::Delete, DENIED);
    check(key(20), Operation::Read, NONE);
    check(key(1), Operation::Rename, DENIED);
    assert!(image.index[&key(20)].has(RuleList::FOLDER));
    assert!(image.needs.guards);
}

#[test]
fn a_rule_that_only_reports_guards_nothing() {
    let found = objects([(0, file(30, 20, "secret"))]);
    let image = image(
        "- id: a\n  action: audit\n  file: { path: /folder/secret, operations: [read] }\n",
        &found,
    );
    assert_eq!(at(&image, key(30), Operation::Read), Effect::Audit as u32);
    assert_eq!(at(&image, key(20), Operation::Rename), NONE);
    assert!(!image.needs.guards);
}

#[test]
fn mounting_over_an_inode_is_no_way_round_a_rule_about_its_number() {
    let found = objects([]);
    let image = image("- id: a\n  file: { inode: 30, device: \"0:7\" }\n", &found);
    let number = Key::object(30, 0, 7).inode_number();
    assert_eq!(at(&image, number, Operation::Read), DENIED);
    assert_eq!(at(&image, number, Operation::Mount), NONE);
}

#[test]
fn every_ipv4_address_holds_none_of_ipv6() {
    let check = |network: &str, ipv4, ipv6| {
        let rule =
            format!("- id: a\n  network: {{ address: \"{network}\", operations: [bind] }}\n");
        let image = image(&rule, &objects([]));
        let of = |address: IpAddr| {
            let address = match address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            };
            at(&image, Key::address(address.octets()), Operation::Bind)
        };
        let found = ["0.0.0.0", "::"].map(|address| of(address.parse().unwrap()));
        assert_eq!(found, [ipv4, ipv6], "{network}");
    };
    check("10.0.0.1", DENIED, DENIED);
    check("10.0.0.0/8", DENIED, DENIED);
    check("fd00::1", NONE, DENIED);
    check("fd00::/8", NONE, DENIED);
    check("::ffff:10.0.0.0/104", DENIED, DENIED);
}

#[test]
fn a_missing_folder_must_not_be_made() {
    let missing = Place {
        folder: key(1),
        key: key(1).place(NameHash::of(b"missing")),
    };
    let found = objects([(
        0,
        Resolved {
            missing: BTreeSet::from([missing]),
            ancestors: BTreeSet::from([key(1)]),
            ..Resolved::default()
        },
    )]);
    let image = image("- id: a\n  file: { path: /missing/secret }\n", &found);
    assert_eq!(at(&image, missing.key, Operation::Create), DENIED);
    assert!(image.needs.missing_folders && image.index[&key(1)].has(RuleList::FOLDER));
}

#[test]
fn beneath_a_subtree_only_its_rules_hold() {
    let mut found = file(20, 1, "folder");
    found.roots = BTreeMap::from([(key(20), BTreeSet::from([key(1)]))]);
    let image = image(
        "- id: a\n  file: { subtree: /folder, operations: [read] }\n",
        &objects([(0, found)]),
    );
    let list = image.index.get(&key(20));
    let read = Request::new(Operation::Read.alone());
    assert!(weigh(&image, list, read.beneath(), EVERY).denies());
    // The guard of the folder itself is nothing for what is in it.
    let rename = Request::new(Operation::Rename.alone());
    assert!(!weigh(&image, list, rename.beneath(), EVERY).denies());
    assert!(list.unwrap().has(RuleList::SUBTREE));
    assert_eq!(image.flags & flag::SUBTREES, flag::SUBTREES);
}

#[test]
fn an_inner_subtree_carries_the_rules_of_the_outer_one() {
    let subtree = |inode, above| {
        let mut found = file(inode, 1, "x");
        found.roots = BTreeMap::from([(key(inode), BTreeSet::from([key(above)]))]);
        found
    };
    let image = image(
        "- id: outer\n  file: { subtree: /a, operations: [read] }\n\
         - id: inner\n  file: { subtree: /a/b, operations: [write] }\n",
        &objects([(0, subtree(20, 1)), (1, subtree(30, 20))]),
    );
    let beneath = |inode, operation: Operation| {
        let request = Request::new(operation.alone()).beneath();
        weigh(&image, image.index.get(&key(inode)), request, EVERY).denies()
    };
    assert!(beneath(30, Operation::Read) && beneath(30, Operation::Write));
    assert!(beneath(20, Operation::Read) && !beneath(20, Operation::Write));
}

#[test]
fn a_rule_that_revokes_speaks_of_older_descriptors() {
    let check = |held: &str, effect| {
        let found = objects([(0, file(30, 20, "s"))]);
        let rules =
            format!("- id: a\n  file: {{ path: /f/s, operations: [read] }}\n  held: {held}\n");
        let image = image(&rules, &found);
        assert_eq!(at(&image, key(30), Operation::HeldRead), effect, "{held}");
        assert_eq!(at(&image, key(30), Operation::HeldWrite), NONE, "{held}");
    };
    check("revoke", DENIED);
    check("keep", NONE);
}

#[test]
fn content_is_found_by_its_digest_and_what_is_unknown_may_be_any() {
    let image = image(
        &format!("- id: a\n  exec: {{ sha256: {} }}\n", "ab".repeat(32)),
        &Objects::default(),
    );
    assert_eq!(
        at(&image, Key::content([0xab; 32]), Operation::Exec),
        DENIED
    );
    assert_eq!(
        at(&image, Key::UNKNOWN_CONTENT, Operation::MmapExec),
        DENIED
    );
    assert_eq!(at(&image, Key::content([0xac; 32]), Operation::Exec), NONE);
    assert!(image.needs.contents && image.flags & flag::CONTENTS != 0);
}

#[test]
fn scope_and_exceptions_become_bits_and_nobody_is_excepted_by_none() {
    let rules = "- id: a\n  kernel: { operations: [bpf] }\n  scope: [{ uid: 7 }]\n  \
                 except: [{ uid: 8 }, { uid: 7 }]\n\
                 - id: b\n  kernel: { operations: [mount] }\n";
    let image = image(rules, &Objects::default());
    let (a, b) = (image.rules[0], image.rules[1]);
    assert_eq!((a.scope.count_ones(), a.except.count_ones()), (1, 2));
    assert_eq!(a.scope & a.except, a.scope);
    assert_eq!((b.scope, b.except), (EVERYONE, 0));
    let subject = image.subjects.list[a.scope.trailing_zeros() as usize];
    assert_eq!((subject.first_uid, subject.last_uid), (7, 7));
}

#[test]
fn programs_that_are_never_denied_anything_are_excepted_from_every_rule() {
    let found = Objects {
        never_deny: vec![key(50), key(51)],
        ..Objects::default()
    };
    let rules = "- id: a\n  kernel: { operations: [bpf] }\n\
                 - id: b\n  network: { address: 10.0.0.1 }\n";
    let image = image(rules, &found);
    for (rule, origin) in image.rules.iter().zip(&image.origins) {
        let excepted = match origin {
            Origin::Policy(_) => 2,
            Origin::Canary => 0,
        };
        assert_eq!(rule.except.count_ones(), excepted);
    }
}

#[test]
fn more_rules_about_one_object_than_fit_are_refused_by_name() {
    let rules = texts(0..=LIST_LENGTH, |number| {
        format!("- id: r{number}\n  file: {{ path: /f/s }}\n  scope: [{{ uid: {number} }}]\n")
    });
    let found = objects((0..=LIST_LENGTH).map(|rule| (rule, file(30, 20, "s"))));
    let error = image_of(&policy(&rules), &found, Mode::Enforce).unwrap_err();
    assert!(error.to_string().contains("rule \"r7\""), "{error}");
}

#[test]
fn more_subjects_than_there_are_bits_are_refused_by_name() {
    let rules = texts(0..=SUBJECTS, |number| {
        format!(
            "- id: r{number}\n  network: {{ address: 10.0.0.{number} }}\n  scope: [{{ uid: {number} }}]\n"
        )
    });
    let error = image_of(&policy(&rules), &Objects::default(), Mode::Enforce).unwrap_err();
    assert!(matches!(error, ImageError::Subjects { rule } if rule == "r63"));
}

#[test]
fn in_audit_nothing_denies() {
    let rules = "- id: a\n  action: kill\n  file: { path: /f/s }\n\
                 - id: b\n  network: { address: 10.0.0.1 }\n\
                 - id: c\n  action: audit\n  kernel: { operations: [bpf] }\n";
    let found = objects([(0, file(30, 20, "s"))]);
    let image = image_of(&policy(rules), &found, Mode::Audit).unwrap();
    let strongest = image.rules.iter().map(|rule| rule.effect).max();
    assert_eq!(strongest, Some(Effect::WouldDeny as u32));
    assert_eq!(image.flags & (flag::FILES_CLOSED | flag::NETWORK_CLOSED), 0);
}

#[test]
fn the_digest_depends_on_mode_objects_scope_and_action() {
    let base = "- id: a\n  file: { path: /f/s, operations: [read] }\n";
    let found = |inode| objects([(0, file(inode, 20, "s"))]);
    let digest = |rules: &str, objects: &Objects, mode| {
        image_of(&policy(rules), objects, mode).unwrap().digest()
    };
    let digests = BTreeSet::from([
        digest(base, &found(30), Mode::Enforce),
        digest(base, &found(31), Mode::Enforce),
        digest(base, &found(30), Mode::Audit),
        digest(
            &format!("{base}  action: kill\n"),
            &found(30),
            Mode::Enforce,
        ),
        digest(
            &format!("{base}  scope: [{{ uid: 1 }}]\n"),
            &found(30),
            Mode::Enforce,
        ),
        digest(
            &format!("{base}  except: [{{ uid: 1 }}]\n"),
            &found(30),
            Mode::Enforce,
        ),
        digest(
            &format!("{base}  held: revoke\n"),
            &found(30),
            Mode::Enforce,
        ),
    ]);
    assert_eq!(digests.len(), 7);
    assert!(digests.contains(&digest(base, &found(30), Mode::Enforce)));
}

#[test]
fn an_inode_with_rules_of_its_own_has_those_about_its_number_too() {
    let rules = "- id: number\n  file: { inode: 30, device: \"0:2\", operations: [write] }\n\
                 - id: path\n  file: { path: /f/s, operations: [read] }\n";
    let image = image(rules, &objects([(1, file(30, 20, "s"))]));
    assert_eq!(at(&image, key(30), Operation::Read), DENIED);
    assert_eq!(at(&image, key(30), Operation::Write), DENIED);
    assert_eq!(at(&image, key(20), Operation::Write), NONE);
}

#[test]
fn what_an_allow_list_holds_has_a_list_that_is_not_taken_for_none() {
    let rules = "- id: only\n  exec: { all-but: [/p] }\n\
                 - id: number\n  file: { inode: 30, device: \"0:2\" }\n";
    let image = image(rules, &objects([(0, file(50, 20, "p"))]));
    assert_ne!(image.index[&key(50)].operations, 0);
    assert_eq!(at(&image, key(50), Operation::Exec), NONE);
}

proptest! {
    #[test]
    fn every_key_has_its_bit_in_the_filter(inodes in prop::collection::btree_set(10_u64.., 1..50)) {
        let rules = texts(0..inodes.len(), |number| format!("- id: r{number}\n  file: {{ path: /f/{number} }}\n"));
        let files = inodes.iter().enumerate();
        let found = objects(files.map(|(rule, inode)| (rule, file(*inode, 2, &rule.to_string()))));
        let image = image(&rules, &found);
        let log2 = image.active(1).filter_log2();
        let filter = image.filter(log2);
        for key in image.index.keys() {
            let bit = key.filter_bit(log2);
            let word = filter[usize::try_from(bit >> 6).unwrap()];
            prop_assert!(word >> (bit & 63) & 1 == 1);
        }
    }

    /// An oracle that goes through the rules of the policy one by one.
    #[test]
    fn networks_decide_as_if_every_rule_were_asked(
        rules in prop::collection::vec((0_u8..4, 0_u8..4, 20_u8..=32, any::<bool>(), 0_u16..4), 1..7),
        peers in prop::collection::vec((0_u8..4, 0_u8..4, 0_u16..6, any::<bool>()), 20),
    ) {
        let mut text = String::new();
        let mut known = Vec::new();
        for (number, (third, fourth, prefix, tcp, first)) in rules.iter().enumerate() {
            let bits = u32::from_be_bytes([10, 0, *third, *fourth]);
            let mask = u32::MAX << (32 - u32::from(*prefix));
            let network = std::net::Ipv4Addr::from_bits(bits & mask);
            let protocol = if *tcp { "tcp" } else { "udp" };
            let line = format!(
                "- id: r{number}\n  network: {{ address: {network}/{prefix}, ports: {first}-4, protocol: {protocol} }}\n"
            );
            text += &line;
            known.push((bits & mask, mask, *first, *tcp));
        }
        let image = image(&text, &Objects::default());
        for (third, fourth, port, tcp) in peers {
            let bits = u32::from_be_bytes([10, 0, third, fourth]);
            let expected = known.iter().any(|(network, mask, first, of_tcp)| {
                bits & mask == *network && (*first..=4).contains(&port) && *of_tcp == tcp
            });
            let address = match IpAddr::from(std::net::Ipv4Addr::from_bits(bits)) {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            let request = Request::new(Operation::Connect.alone()).at(port, if tcp { 6 } else { 17 });
            let smallest = image
                .networks
                .iter()
                .filter(|((network, prefix), _)| {
                    Network::from_parts(*network, *prefix)
                        .is_some_and(|network| network.contains_bits(address, 128))
                })
                .max_by_key(|((_, prefix), _)| *prefix)
                .map(|(_, list)| list);
            let decision = weigh(&image, smallest, request, EVERY)
                .or(weigh(&image, image.index.get(&Key::address(address)), request, EVERY));
            prop_assert_eq!(decision.denies(), expected);
        }
    }
}

#[test]
fn rules_of_one_scope_count_for_one_tenant_and_the_canary_for_none_of_them() {
    let image = image(
        "- id: a\n  scope: [{ uid: 7 }]\n  network: { address: 192.0.2.7 }\n\
         - id: b\n  scope: [{ uid: 7 }]\n  network: { address: 192.0.2.8 }\n\
         - id: c\n  network: { address: 192.0.2.9 }\n",
        &Objects::default(),
    );
    let named = |rule: &Rule| crate::record::text(&image.tenants[&rule.tenant].name);
    let names: Vec<String> = image.rules.iter().map(named).collect();
    assert_eq!(names, ["uid 7", "uid 7", "everyone", "canary"]);
}

#[test]
fn one_scope_too_many_is_refused_by_name() {
    // Pairs of 47 users are 1,081 scopes.
    let pairs = (0..47).flat_map(|first| (first + 1..47).map(move |last| (first, last)));
    let pairs: Vec<(u32, u32)> = pairs.collect();
    let rules = |count| {
        texts(0..count, |number| {
            let (first, last) = pairs[number];
            let address = format!("10.0.{}.{}", number / 250, number % 250);
            format!(
                "- id: r{number}\n  scope: [{{ uid: {first} }}, {{ uid: {last} }}]\n  network: {{ \
                 address: {address} }}\n"
            )
        })
    };
    let compiled = |count| image_of(&policy(&rules(count)), &Objects::default(), Mode::Enforce);
    assert!(compiled(tenants::MOST).is_ok());
    let expected = ImageError::Tenants {
        rule: format!("r{}", tenants::MOST),
    };
    assert_eq!(compiled(tenants::MOST + 1).unwrap_err(), expected);
}
