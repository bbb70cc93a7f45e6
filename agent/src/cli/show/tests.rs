use std::path::Path;

use super::*;
use crate::{
    held::Descriptor,
    history::Operator,
    policy::{
        lint::{Finding, Severity},
        parse,
    },
};
use insta::assert_snapshot;

fn policy(rules: &str) -> Policy {
    parse(Path::new("p"), &format!("version: 1\n{rules}")).unwrap()
}

#[test]
fn a_difference_is_read_line_by_line() {
    let a = "{ id: a, exec: { path: /a } }";
    let b = "{ id: b, exec: { path: /b } }";
    let old = policy(&format!("rules: [{a}, {b}]"));
    let new = policy(&format!(
        "never-deny: [/x]\nrules: [{{ id: c, exec: {{ path: /c }} }}, {a}, {{ id: b, action: kill, exec: {{ path: /b }} }}]"
    ));
    assert_snapshot!(difference(&old, &new), @r#"
    - {"id":"b","action":"deny","exec":{"path":"/b"}}
    + {"id":"b","action":"kill","exec":{"path":"/b"}}
    + never-deny /x
    + {"id":"c","action":"deny","exec":{"path":"/c"}}
    "#);
    assert_eq!(difference(&old, &old), "");
    let swapped = policy(&format!("rules: [{b}, {a}]"));
    assert_eq!(
        difference(&old, &swapped),
        "the same rules in another order\n"
    );
}

fn descriptor(fd: u32, held: model::Held) -> Descriptor {
    Descriptor {
        pid: 4711,
        fd,
        command: "nginx".into(),
        rule: "tls-keys".into(),
        operations: vec!["read".into(), "write".into()],
        held,
    }
}

#[test]
fn answers_are_read_by_people() {
    let kept = Kept {
        policy: Hex([0xab; 32]),
        text: Hex([1; 32]),
        signer: None,
        signed: None,
    };
    let event = |event| Entry {
        sequence: 7,
        previous: Hex([0; 32]),
        time: 1_780_272_000,
        operator: Operator { uid: 0, pid: 42 },
        event,
    };
    let entries = [
        Event::Applied {
            policy: kept.clone(),
            live: true,
            confirm_by: Some(1_780_272_060),
        },
        Event::Confirmed,
        Event::RolledBack {
            policy: kept.clone(),
            reason: "not confirmed in time".into(),
        },
        Event::Refused {
            policy: Some(kept.policy),
            reason: "why\nnot".into(),
        },
        Event::Reset {
            reason: "asked for".into(),
        },
    ];
    let applied = Applied {
        policy: Some(kept.policy),
        generation: Some(3),
        warnings: vec![Finding {
            severity: Severity::Warning,
            rule: Some("a".into()),
            problem: "is odd".into(),
            advice: "look".into(),
        }],
        confirm_by: Some(1_780_272_060),
        rehearsal: None,
        held: Some(Held {
            found: 3,
            revoked: 1,
            unseen: 1,
            listed: vec![
                descriptor(7, model::Held::Keep),
                descriptor(8, model::Held::Revoke),
            ],
        }),
    };
    let state = State {
        current: Some(kept),
        ..State::default()
    };
    let answers = [
        Response::Applied(applied),
        Response::Applied(Applied {
            policy: Some(Hex([0xab; 32])),
            ..Applied::default()
        }),
        Response::Status(Box::new(state)),
        Response::History(entries.map(event).into()),
    ];
    let text: Vec<String> = answers.iter().map(|one| answer(one, false)).collect();
    assert_snapshot!(text.join("--\n"), @r#"
    warning: rule "a" is odd: look
    abababababababababababababababababababababababababababababababab  in force, generation 3
    3 open before a rule, 1 of them revoked:
         pid    fd  held    command           opened to   rule
        4711     7  keep    nginx             read,write  tls-keys
        4711     8  revoke  nginx             read,write  tls-keys
    and 1 more, not listed
    1 processes or descriptors could not be looked into
    taken back at 2026-06-01T00:01:00Z unless you run `aegisbpf policy confirm`
    --
    abababababababababababababababababababababababababababababababab  stored for the next start: no daemon runs
    --
    abababababababababababababababababababababababababababababababab
    --
       7  2026-06-01T00:00:00Z  uid 0 pid 42  applied abababababab to be confirmed by 2026-06-01T00:01:00Z
       7  2026-06-01T00:00:00Z  uid 0 pid 42  confirmed
       7  2026-06-01T00:00:00Z  uid 0 pid 42  rolled back to abababababab: not confirmed in time
       7  2026-06-01T00:00:00Z  uid 0 pid 42  refused abababababab: why not
       7  2026-06-01T00:00:00Z  uid 0 pid 42  reset: asked for
    "#);
}

#[test]
fn a_dry_run_says_what_was_checked_and_what_was_not() {
    let mut applied = Applied {
        policy: Some(Hex([0xab; 32])),
        rehearsal: Some(crate::control::Rehearsal {
            map_bytes: 70_000,
            hooks: vec!["file_open".into(), "mmap_file".into()],
            kernel_asked: true,
        }),
        ..Applied::default()
    };
    let asked = answer(&Response::Applied(applied.clone()), true);
    let digest = "ab".repeat(32);
    assert_snapshot!(asked.replace(&digest, "DIGEST"), @r"
    maps: about 69 KiB, beside those in force until the switch
    hooks: file_open mmap_file
    checked: lint, digest, signature, counter, limits, this kernel's objects and hooks; not the verifier and the canary
    DIGEST  would be applied
    ");
    if let Some(rehearsal) = &mut applied.rehearsal {
        rehearsal.kernel_asked = false;
    }
    let not_asked = answer(&Response::Applied(applied), true);
    assert!(not_asked.contains("no daemon runs, so not whether this kernel has the hooks"));
}
