//! Any policy, for tests of laws.

use aegisbpf_abi::Operations;
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    model::{
        AbsolutePath, Action, FileObject, Held, Policy, Programs, Protocol, Rule, Subject, Target,
    },
    network::{Network, Ports},
};

/// A policy as the parser makes them.
pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    let rules = vec(
        (action(), target(), any::<bool>(), subjects(), subjects()),
        0..6,
    );
    (rules, vec(path(), 0..3), "\\PC{0,3}").prop_map(|(rules, never_deny, prefix)| Policy {
        rules: (0..)
            .zip(rules)
            .map(
                |(number, (action, target, revoke, scope, except)): (u32, _)| Rule {
                    id: format!("{prefix}{number}"),
                    action,
                    held: match &target {
                        Target::File { operations, .. } if revoke && operations.0 & 3 != 0 => {
                            Held::Revoke
                        }
                        _ => Held::Keep,
                    },
                    target,
                    scope,
                    except,
                },
            )
            .collect(),
        never_deny: sorted(never_deny),
    })
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list.dedup();
    list
}

fn action() -> impl Strategy<Value = Action> {
    select(vec![Action::Audit, Action::Deny, Action::Kill])
}

fn path() -> impl Strategy<Value = AbsolutePath> {
    vec("[^/\0]{1,4}", 1..4).prop_filter_map("a path", |names| {
        AbsolutePath::try_from(format!("/{}", names.join("/"))).ok()
    })
}

fn some_of(set: Operations) -> impl Strategy<Value = Operations> {
    any::<u32>().prop_filter_map("operations", move |bits| {
        let some = set.and(Operations(bits));
        (!some.is_empty()).then_some(some)
    })
}

fn target() -> impl Strategy<Value = Target> {
    let object = prop_oneof![
        path().prop_map(FileObject::Path),
        path().prop_map(FileObject::Subtree),
        any::<((u32, u32), u64)>().prop_map(|(device, inode)| FileObject::Inode { device, inode }),
    ];
    let programs = prop_oneof![
        path().prop_map(Programs::Path),
        path().prop_map(Programs::Subtree),
        any::<[u8; 32]>().prop_map(Programs::Sha256),
        vec(path(), 1..3).prop_map(|list| Programs::AllBut(sorted(list))),
    ];
    let sockets = Operations::PEER.with(Operations::LOCAL);
    let protocol = option::of(select(vec![Protocol::Tcp, Protocol::Udp]));
    let network = (network(), any::<(u16, u16)>(), protocol, some_of(sockets));
    prop_oneof![
        (object, some_of(Operations::FILE))
            .prop_map(|(object, operations)| Target::File { object, operations }),
        programs.prop_map(Target::Exec),
        network.prop_map(
            |(address, (one, other), protocol, operations)| Target::Network {
                address,
                ports: Ports {
                    first: one.min(other),
                    last: one.max(other)
                },
                protocol,
                operations,
            }
        ),
        some_of(Operations::KERNEL).prop_map(|operations| Target::Kernel { operations }),
    ]
}

fn network() -> impl Strategy<Value = Network> {
    let text = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
        (any::<u8>(), any::<u8>()).prop_map(|(one, other)| format!("{one}.{other}.0.0/16")),
    ];
    text.prop_filter_map("a network", |text| Network::try_from(text).ok())
}

fn subjects() -> impl Strategy<Value = Vec<Subject>> {
    let uid =
        option::of(any::<(u32, u32)>().prop_map(|(one, other)| (one.min(other), one.max(other))));
    let subject = (
        option::of(path()),
        option::of(path()),
        uid,
        option::of(any::<u32>()),
    );
    let subject =
        subject.prop_filter_map("a subject", |(program, cgroup, uid, mount_namespace)| {
            let subject = Subject {
                program,
                cgroup,
                uid,
                mount_namespace,
            };
            (subject != Subject::default()).then_some(subject)
        });
    vec(subject, 0..3).prop_map(sorted)
}
