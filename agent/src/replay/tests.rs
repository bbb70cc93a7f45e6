use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use aegisbpf_abi::{Key, Mode, NameHash, Operation, Operations};
use proptest::prelude::*;

use super::{
    attempt::{Cgroup, of_event},
    explain::Explanation,
    judge::Part,
    simulate::{Decided, Kind, Simulation},
    *,
};
use crate::{
    canary,
    image::{self, Image, Modes, Objects, ResolvedSubject},
    policy::{Policy, parse},
    resolve::{Place, Resolved},
};

fn key(inode: u64) -> Key {
    Key::object(inode, 0, 2)
}

/// `/f`, inode 20, holds `s`, inode 30.
fn secret() -> Resolved {
    Resolved {
        object: Some(key(30)),
        places: BTreeSet::from([Place {
            folder: key(20),
            key: key(20).place(NameHash::of(b"s")),
        }]),
        ancestors: BTreeSet::from([key(20), key(1)]),
        ..Resolved::default()
    }
}

fn folder() -> Resolved {
    Resolved {
        object: Some(key(20)),
        places: BTreeSet::from([Place {
            folder: key(1),
            key: key(1).place(NameHash::of(b"f")),
        }]),
        ancestors: BTreeSet::from([key(1)]),
        roots: BTreeMap::from([(key(20), BTreeSet::from([key(1)]))]),
        ..Resolved::default()
    }
}

/// A policy and its image; `/f/s`, `/f` and the program `/p`, inode 50, exist.
fn compiled(rules: &str) -> (Policy, Image) {
    use crate::policy::{FileObject, Programs, Target};
    let policy = parse(Path::new("p"), &format!("version: 1\nrules:\n{rules}")).unwrap();
    let mut objects = Objects::default();
    for (index, rule) in policy.rules.iter().enumerate() {
        let found = match &rule.target {
            Target::File {
                object: FileObject::Path(_),
                ..
            }
            | Target::Exec(Programs::Path(_)) => secret(),
            Target::File {
                object: FileObject::Subtree(_),
                ..
            }
            | Target::Exec(Programs::Subtree(_)) => folder(),
            Target::Exec(Programs::AllBut(_)) => Resolved {
                object: Some(key(50)),
                ..Resolved::default()
            },
            _ => Resolved::default(),
        };
        objects.files.insert(index, vec![found]);
        for subject in rule.scope.iter().chain(&rule.except) {
            let resolved = ResolvedSubject {
                program: subject.program.as_ref().map(|_| key(50)),
                cgroup: subject.cgroup.as_ref().map(|_| (70, 1)),
            };
            objects.subjects.insert(subject.clone(), resolved);
        }
    }
    let modes = Modes::for_policy(&policy, Mode::Enforce);
    let image = image::build(&policy, &objects, modes, &canary::names_only()).unwrap();
    (policy, image)
}

fn located(location: Location) -> What {
    What::File {
        object: Some(key(30)),
        location,
        content: None,
    }
}

fn in_folder() -> Location {
    Location::Known {
        place: key(20).place(NameHash::of(b"s")),
        above: BTreeSet::from([key(20), key(1)]),
    }
}

fn elsewhere(name: &str) -> What {
    What::File {
        object: Some(key(31)),
        location: somewhere(name),
        content: None,
    }
}

fn somewhere(name: &str) -> Location {
    Location::Somewhere {
        name: name.to_owned(),
        above: BTreeSet::new(),
    }
}

fn whole(uid: u32, program: u64, cgroup: u64) -> Who {
    Who {
        program: Some(key(program)),
        uid: Some(uid),
        not: BTreeSet::new(),
        mount_namespace: Some(1),
        cgroup: Cgroup::Path(vec![69, cgroup]),
    }
}

fn attempt(operation: Operation, what: What, who: Who) -> Attempt {
    Attempt {
        operations: vec![operation.alone()],
        what,
        who,
    }
}

/// Verdict and rule, or what is missing.
fn decided(rules: &str, attempt: &Attempt) -> Result<(Verdict, String), Vec<Missing>> {
    let (policy, image) = compiled(rules);
    let judgement = judge(&image, attempt);
    match Decided::of(&judgement, &image, &policy) {
        Some(decided) => Ok((decided.verdict, decided.rule.unwrap_or_default())),
        None => Err(judgement.missing.into_iter().collect()),
    }
}

const READ: &str = "- id: r\n  file: { path: /f/s, operations: [read] }\n";

#[test]
fn an_unknown_program_matters_only_to_rules_that_ask_for_it() {
    let someone = Who {
        uid: Some(7),
        cgroup: Cgroup::Own(70),
        ..Who::default()
    };
    let check = |more: &str, expected| {
        let attempt = attempt(Operation::Read, located(in_folder()), someone.clone());
        assert_eq!(
            decided(&format!("{READ}{more}"), &attempt),
            expected,
            "{more}"
        );
    };
    let denied = || Ok((Verdict::Denied, "r".to_owned()));
    let allowed = || Ok((Verdict::Allowed, String::new()));
    check("", denied());
    check("  scope: [{ program: /p }]\n", Err(vec![Missing::Program]));
    check("  except: [{ program: /p }]\n", Err(vec![Missing::Program]));
    check("  scope: [{ program: /p, uid: 8 }]\n", allowed());
    check("  except: [{ program: /p, uid: 8 }]\n", denied());
    check("  scope: [{ program: /p }, { uid: 7 }]\n", denied());
    check(
        "  scope: [{ mount-namespace: 1 }]\n",
        Err(vec![Missing::MountNamespace]),
    );
    check("  scope: [{ cgroup: /c }]\n", denied());
    // Another rule denies it anyway.
    let other = "- id: a\n  file: { path: /f/s }\n  scope: [{ program: /p }]\n";
    let attempt = attempt(Operation::Read, located(in_folder()), someone);
    assert_eq!(decided(&format!("{other}{READ}"), &attempt), denied());
}

#[test]
fn a_file_that_was_not_found_may_be_in_every_folder_of_a_rule() {
    let check = |rules: &str, what: What, expected: Result<Verdict, Vec<Missing>>| {
        let attempt = attempt(Operation::Read, what, whole(7, 51, 71));
        let found = decided(rules, &attempt).map(|(verdict, _)| verdict);
        assert_eq!(found, expected, "{rules}");
    };
    let subtree = "- id: r\n  file: { subtree: /f, operations: [read] }\n";
    let folder = || Err(vec![Missing::Folder]);
    check(subtree, located(in_folder()), Ok(Verdict::Denied));
    check(subtree, elsewhere("s"), folder());
    check(subtree, elsewhere("x"), folder());
    let beneath = Location::Somewhere {
        name: "gone".into(),
        above: BTreeSet::from([key(20)]),
    };
    check(subtree, located(beneath), Ok(Verdict::Denied));
    check(READ, elsewhere("s"), folder());
    check(READ, elsewhere("x"), Ok(Verdict::Allowed));
    check(READ, located(somewhere("x")), Ok(Verdict::Denied));
    check(
        "- id: r\n  kernel: { operations: [bpf] }\n",
        elsewhere("s"),
        Ok(Verdict::Allowed),
    );
}

#[test]
fn an_event_names_one_operation_and_the_others_of_the_call_are_not_known() {
    let writing = "- id: w\n  file: { path: /f/s, operations: [write] }\n";
    let mut event = attempt(Operation::Read, located(in_folder()), whole(7, 51, 71));
    event.operations = of_event(Operation::Read);
    assert_eq!(decided(writing, &event), Err(vec![Missing::Operations]));
    let both = "- id: w\n  file: { path: /f/s, operations: [read, write] }\n";
    assert_eq!(decided(both, &event), Ok((Verdict::Denied, "w".into())));
    for operation in Operation::ALL {
        assert!(of_event(operation).iter().all(|call| call.has(operation)));
    }
}

#[test]
fn an_unknown_protocol_matters_only_to_rules_that_name_one() {
    let peer = |protocol| What::Peer {
        address: std::net::Ipv4Addr::new(10, 0, 0, 7)
            .to_ipv6_mapped()
            .octets(),
        port: 80,
        protocol,
    };
    let check = |fields: &str, protocol, expected: Result<Verdict, Vec<Missing>>| {
        let rules = format!("- id: r\n  network: {{ address: 10.0.0.0/8{fields} }}\n");
        let attempt = attempt(Operation::Connect, peer(protocol), Who::default());
        let found = decided(&rules, &attempt).map(|(verdict, _)| verdict);
        assert_eq!(found, expected, "{fields}");
    };
    check("", None, Ok(Verdict::Denied));
    check(", ports: 81", None, Ok(Verdict::Allowed));
    check(", protocol: tcp", None, Err(vec![Missing::Protocol]));
    check(", protocol: tcp", Some(6), Ok(Verdict::Denied));
    check(", protocol: tcp", Some(17), Ok(Verdict::Allowed));
    check(", protocol: tcp, ports: 81", None, Ok(Verdict::Allowed));
}

#[test]
fn an_explanation_says_of_each_rule_why_it_does_not_apply() {
    let rules = "\
        - id: writing\n  file: { path: /f/s, operations: [write] }\n\
        - id: excepted\n  file: { path: /f/s }\n  except: [{ uid: 7 }]\n\
        - id: out\n  file: { path: /f/s }\n  scope: [{ uid: 8 }]\n\
        - id: program\n  file: { subtree: /f }\n  scope: [{ program: /p }]\n\
        - id: tree\n  action: audit\n  file: { subtree: /f }\n";
    let (policy, image) = compiled(rules);
    let someone = Who {
        uid: Some(7),
        ..Who::default()
    };
    let read = attempt(Operation::Read, located(in_folder()), someone);
    let explanation = Explanation::new(judge(&image, &read), &image, &policy);
    assert_eq!(explanation.rules[1].part, Part::Excepted);
    let text = explanation.to_string();
    let shown: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("    "))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    undecidable without: program
      rule "writing" names the object, and does not apply: it is about other operations
      rule "excepted" names the object, and does not apply: who tries is in its `except` or in `never-deny`
      rule "out" names the object, and does not apply: who tries is not in its `scope`
      rule "program" names a folder above, and may apply; not known: program
      rule "tree" names a folder above, and applies
    "#);
}

#[test]
fn a_simulation_counts_every_event_once_and_would_deny_may_be_killing() {
    let (policy, _) = compiled(READ);
    let decided = |verdict, rule: Option<&str>, would| Decided {
        verdict,
        rule: rule.map(str::to_owned),
        would,
    };
    let recorded = || decided(Verdict::Denied, Some("r"), true);
    let mut simulation = Simulation::new(&policy);
    let missing = BTreeSet::from([Missing::Program, Missing::Folder]);
    let events = [
        (recorded(), Ok(decided(Verdict::Killed, Some("r"), false))),
        (recorded(), Ok(decided(Verdict::Denied, Some("q"), false))),
        (recorded(), Ok(decided(Verdict::Allowed, None, false))),
        (recorded(), Ok(decided(Verdict::Allowed, None, false))),
        (recorded(), Err(missing)),
    ];
    let numbered = (1..).zip(events);
    simulation.sum_up(numbered.map(|(line, (was, is))| (was, is, line, "x".to_owned())));
    simulation.unreadable = 3;
    let changed = matches!(simulation.outcomes[0].kind, Kind::Changed { .. });
    assert!(changed, "what changes is first");
    insta::assert_snapshot!(simulation.to_string(), @r#"
           2  changed: would-deny by "r" → allowed
              such as line 3: x
           1  changed: would-deny by "r" → denied by "q"
              such as line 2: x
           1  undecidable: would-deny by "r"; the event does not tell: folder, program
              such as line 5: x
           1  unchanged: would-deny by "r"
              such as line 1: x
    5 events: 3 changed, 1 undecidable, 1 unchanged; 3 lines are no records
    "#);
}

fn rules() -> impl Strategy<Value = String> {
    let subject = prop_oneof![
        (0..3_u32).prop_map(|uid| format!("{{ uid: {uid} }}")),
        Just("{ program: /p }".to_owned()),
        Just("{ program: /p, uid: 1 }".to_owned()),
        Just("{ cgroup: /c }".to_owned()),
        Just("{ mount-namespace: 1 }".to_owned()),
    ];
    let file = |object: &'static str| {
        let operations = prop_oneof![
            Just("[read]"),
            Just("[write]"),
            Just("[read, write]"),
            Just("[rename, exec]")
        ];
        operations
            .prop_map(move |operations| format!("file: {{ {object}, operations: {operations} }}"))
    };
    let target = prop_oneof![
        file("path: /f/s"),
        file("subtree: /f"),
        file("inode: 30, device: \"0:2\""),
        file("inode: 31, device: \"0:2\""),
        Just("exec: { all-but: [/p] }".to_owned()),
        Just("exec: { path: /f/s }".to_owned()),
    ];
    let action = prop_oneof![Just("audit"), Just("deny"), Just("kill")];
    let rule = (
        target,
        action,
        prop::collection::vec(subject.clone(), 0..2),
        prop::collection::vec(subject, 0..2),
    );
    prop::collection::vec(rule, 1..4).prop_map(|rules| {
        let mut text = String::new();
        for (number, (target, action, scope, except)) in rules.iter().enumerate() {
            let _ = writeln!(text, "- id: r{number}\n  action: {action}\n  {target}");
            for (name, list) in [("scope", scope), ("except", except)] {
                if !list.is_empty() {
                    let _ = writeln!(text, "  {name}: [{}]", list.join(", "));
                }
            }
        }
        text
    })
}

/// A file of the oracle, and what the paths of the rules are to it.
#[derive(Debug, Clone, Copy)]
struct Case {
    object: u64,
    /// Folder and name.
    place: (u64, &'static str),
    /// Folders above.
    above: &'static [u64],
}

/// The file itself, what took its place, another link of it, its neighbour,
/// its folder, the program, and a file that has nothing to do with any.
const CASES: [Case; 7] = [
    Case {
        object: 30,
        place: (20, "s"),
        above: &[20, 1],
    },
    Case {
        object: 31,
        place: (20, "s"),
        above: &[20, 1],
    },
    Case {
        object: 30,
        place: (40, "t"),
        above: &[40, 1],
    },
    Case {
        object: 31,
        place: (20, "x"),
        above: &[20, 1],
    },
    Case {
        object: 20,
        place: (1, "f"),
        above: &[1],
    },
    Case {
        object: 50,
        place: (1, "p"),
        above: &[1],
    },
    Case {
        object: 32,
        place: (40, "s"),
        above: &[40, 1],
    },
];

/// Whether a rule applies, by what the documentation says of it.
fn applies(
    rule: &crate::policy::Rule,
    case: Case,
    operation: Operation,
    (uid, program, cgroup): (u32, u64, u64),
) -> bool {
    use crate::policy::{Action, FileObject, Programs, Target, model::Subject};
    let is = |subject: &Subject| {
        subject
            .uid
            .is_none_or(|(first, last)| first <= uid && uid <= last)
            && (subject.program.is_none() || program == 50)
            && (subject.cgroup.is_none() || cgroup == 70)
            && subject.mount_namespace.is_none_or(|number| number == 1)
    };
    let whose = (rule.scope.is_empty() || rule.scope.iter().any(is)) && !rule.except.iter().any(is);
    let is_secret = case.object == 30 || case.place == (20, "s");
    let is_folder = case.object == 20 || case.place == (1, "f");
    let (named, kept) = match &rule.target {
        Target::File {
            object: FileObject::Path(_),
            ..
        }
        | Target::Exec(Programs::Path(_)) => (is_secret, is_folder || case.object == 1),
        Target::File {
            object: FileObject::Subtree(_),
            ..
        } => (is_folder || case.above.contains(&20), case.object == 1),
        Target::File {
            object: FileObject::Inode { inode, .. },
            ..
        } => (case.object == *inode, false),
        Target::Exec(Programs::AllBut(_)) => (case.object != 50, false),
        _ => unreachable!("no such rule is made"),
    };
    let moved = kept && rule.action > Action::Audit && operation == Operation::Rename;
    whose && (moved || (named && rule.target.operations().has(operation)))
}

proptest! {
    /// The compiler and the verdict function against an oracle that goes
    /// through the rules one by one and knows nothing of lists, keys and bits.
    #[test]
    fn an_image_decides_as_the_rules_say(
        rules in rules(),
        who in (0..3_u32, 50..52_u64, 70..72_u64),
        case in prop::sample::select(CASES.to_vec()),
        operation in prop::sample::select(vec![
            Operation::Read, Operation::Write, Operation::Rename, Operation::Exec,
        ]),
    ) {
        let (policy, image) = compiled(&rules);
        let strongest = (0..)
            .zip(&policy.rules)
            .filter(|(_, rule)| applies(rule, case, operation, who))
            .max_by_key(|(number, rule)| (rule.action, std::cmp::Reverse(*number)));
        let expected = strongest.map(|(_, rule)| (rule.action, rule.id.clone()));
        let (folder, name) = case.place;
        let what = What::File {
            object: Some(key(case.object)),
            location: Location::Known {
                place: key(folder).place(NameHash::of(name.as_bytes())),
                above: case.above.iter().map(|inode| key(*inode)).collect(),
            },
            content: None,
        };
        let judgement = judge(&image, &attempt(operation, what, whole(who.0, who.1, who.2)));
        let found = Decided::of(&judgement, &image, &policy).expect("all is known");
        let verdict = match expected.as_ref().map(|(action, _)| action) {
            None => Verdict::Allowed,
            Some(crate::policy::Action::Audit) => Verdict::Audited,
            Some(crate::policy::Action::Deny) => Verdict::Denied,
            Some(crate::policy::Action::Kill) => Verdict::Killed,
        };
        prop_assert_eq!((found.verdict, found.rule), (verdict, expected.map(|(_, id)| id)), "{}", rules);
    }

    /// Whatever is hidden of an attempt, what is decided about the whole of it
    /// lies between the least and the most.
    #[test]
    fn hiding_facts_never_makes_a_wrong_answer(
        rules in rules(),
        (uid, program, cgroup) in (0..3_u32, 50..52_u64, 70..72_u64),
        hidden in 0..64_u32,
        (write, at_home) in (any::<bool>(), any::<bool>()),
    ) {
        let (_, image) = compiled(&rules);
        let mut who = whole(uid, program, cgroup);
        let operation = if write { Operation::Write } else { Operation::Read };
        let object = if at_home { key(30) } else { key(31) };
        let location = if at_home { in_folder() } else { Location::Known {
            place: key(40).place(NameHash::of(b"s")),
            above: BTreeSet::from([key(40), key(1)]),
        } };
        let file = |location| What::File { object: Some(object), location, content: None };
        let told = judge(&image, &attempt(operation, file(location.clone()), who.clone()));
        prop_assert_eq!(told.least, told.most);
        prop_assert!(told.missing.is_empty());
        if hidden & 1 != 0 {
            who.program = None;
            who.not = BTreeSet::from([key(if program == 50 { 51 } else { 50 })]);
        }
        if hidden & 2 != 0 { who.uid = None }
        if hidden & 4 != 0 { who.mount_namespace = None }
        if hidden & 8 != 0 { who.cgroup = Cgroup::Own(cgroup) }
        let location = if hidden & 16 == 0 { location } else { somewhere("s") };
        let mut less = attempt(operation, file(location), who);
        if hidden & 32 != 0 { less.operations = of_event(operation) }
        let judgement = judge(&image, &less);
        prop_assert!(judgement.least.effect() <= told.most.effect());
        prop_assert!(told.most.effect() <= judgement.most.effect());
        match judgement.decided() {
            Some(_) => prop_assert!(judgement.missing.is_empty()),
            None => prop_assert!(!judgement.missing.is_empty(), "undecidable for no reason"),
        }
        let all = less.operations.iter().fold(Operations::NONE, |all, one| all.with(*one));
        prop_assert!(all.has(operation));
    }
}
