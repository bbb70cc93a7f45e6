use super::*;
use crate::{
    history::fake::{FakeDisk, Fault, Unsynced},
    policy::lint::Host,
    signature::{SecretKey, Statement, statement::key_id},
};
use sha2::{Digest as _, Sha256};

const ROOT: &str = "/lib/aegisbpf/history";
const OPERATOR: Operator = Operator { uid: 0, pid: 77 };
/// 2026-06-01.
const NOW: u64 = 1_780_272_000;

/// Says what is in force, and refuses on request.
#[derive(Debug, Default)]
struct FakeKernel {
    in_force: Option<Policy>,
    swaps: u64,
    refuses: bool,
}

impl Enforce for FakeKernel {
    fn enforce(&mut self, policy: Policy) -> Result<Applied, Refusal> {
        if self.refuses {
            return Err(Refusal::new(ExitCode::CannotEnforce, "no such hook"));
        }
        self.in_force = Some(policy);
        self.swaps += 1;
        Ok(Applied {
            generation: Some(self.swaps),
            ..Applied::default()
        })
    }

    fn rehearse(&mut self, _: &Policy) -> Result<Rehearsal, Refusal> {
        if self.refuses {
            return Err(Refusal::new(ExitCode::CannotEnforce, "no such hook"));
        }
        Ok(Rehearsal {
            map_bytes: 1,
            hooks: Vec::new(),
            kernel_asked: true,
        })
    }
}

type FakeWriter = Writer<FakeDisk, FakeKernel>;

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn writer(disk: &FakeDisk) -> FakeWriter {
    let public = Hex(key().public().to_bytes());
    let trust = format!(
        "[[key]]\nname = \"ops\"\npublic = \"{public}\"\n\
         not-before = 2026-01-01T00:00:00Z\nexpires = 2027-01-01T00:00:00Z\n"
    );
    let rules = Rules {
        host: Host::any(Path::new("/usr/sbin/aegisbpf")),
        trust: Trust::parse(&trust).unwrap(),
    };
    let history = History::open(disk.clone(), Path::new(ROOT)).unwrap();
    Writer::new(history, rules, FakeKernel::default())
}

fn text(id: &str) -> String {
    format!("version: 1\nrules: [{{ id: {id}, file: {{ path: /srv/{id} }} }}]\n")
}

fn offer(id: &str) -> Apply {
    Apply {
        text: text(id),
        name: "policy.yaml".into(),
        ..Apply::default()
    }
}

fn signed(id: &str, counter: u64) -> Apply {
    let mut apply = offer(id);
    let policy = policy::parse(Path::new("p"), &apply.text).unwrap();
    let statement = Statement {
        name: "production".into(),
        key: key_id(&key().public()),
        counter,
        not_before: NOW - 10,
        expires: NOW + 10,
        policy: Hex(policy::digest(&policy)),
        text: Hex(Sha256::digest(&apply.text).into()),
    };
    apply.signature = Some(key().sign(statement).unwrap().to_text());
    apply
}

fn ask_at(writer: &mut FakeWriter, at: u64, request: Request) -> Response {
    writer.answer(Asked { by: OPERATOR, at }, request)
}

fn ask(writer: &mut FakeWriter, request: Request) -> Response {
    ask_at(writer, NOW, request)
}

fn apply(writer: &mut FakeWriter, apply: Apply) -> Result<Applied, Refusal> {
    match ask(writer, Request::Apply(apply)) {
        Response::Applied(applied) => Ok(applied),
        Response::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

/// The id of the rule in force.
fn in_force(writer: &FakeWriter) -> &str {
    let policy = writer.enforcer.in_force.as_ref();
    policy.map_or("nothing", |policy| policy.rules[0].id.as_str())
}

fn events(writer: &FakeWriter) -> Vec<String> {
    let name = |entry: Entry| match entry.event {
        Event::Applied { live: true, .. } => "applied",
        Event::Applied { live: false, .. } => "stored",
        Event::Confirmed => "confirmed",
        Event::RolledBack { .. } => "rolled back",
        Event::Reset { .. } => "reset",
        Event::Refused { .. } => "refused",
    };
    let entries = writer.history.entries().unwrap();
    entries
        .into_iter()
        .map(|entry| name(entry).to_owned())
        .collect()
}

#[test]
fn an_applied_policy_is_in_force_and_in_the_history() {
    let mut writer = writer(&FakeDisk::new());
    let applied = apply(&mut writer, offer("a")).unwrap();
    assert_eq!((in_force(&writer), applied.generation), ("a", Some(1)));
    let Response::History(entries) = ask(&mut writer, Request::History) else {
        panic!("no history");
    };
    assert_eq!(
        (entries.len(), entries[0].operator, entries[0].time),
        (1, OPERATOR, NOW)
    );
    let of = None;
    assert_eq!(
        ask(&mut writer, Request::Text { of }),
        Response::Text(text("a"))
    );
}

#[test]
fn what_is_refused_changes_nothing_and_is_recorded() {
    let wrong = [
        (
            Apply {
                text: "version: 2\nrules: []\n".into(),
                ..offer("b")
            },
            "version 2",
        ),
        (
            Apply {
                text: "version: 1\nrules: [{ id: b, file: { subtree: /usr } }]".into(),
                ..offer("b")
            },
            "every dynamic program",
        ),
        (
            Apply {
                sha256: Some(Hex([1; 32])),
                ..offer("b")
            },
            "digest is",
        ),
        (
            Apply {
                signature: Some("{}".into()),
                ..offer("b")
            },
            "signature is refused",
        ),
        (
            Apply {
                signature: signed("c", 1).signature,
                ..offer("b")
            },
            "another text",
        ),
    ];
    let mut writer = writer(&FakeDisk::new());
    apply(&mut writer, offer("a")).unwrap();
    for (offered, part) in wrong {
        let dry_run = Apply {
            dry_run: true,
            ..offered.clone()
        };
        for offered in [dry_run, offered] {
            let refusal = apply(&mut writer, offered).unwrap_err();
            assert!(refusal.reason.contains(part), "{refusal:?}");
            assert_eq!(refusal.code, ExitCode::PolicyRefused);
        }
    }
    writer.enforcer.refuses = true;
    assert_eq!(
        apply(&mut writer, offer("b")).unwrap_err().code,
        ExitCode::CannotEnforce
    );
    assert_eq!(in_force(&writer), "a");
    assert_eq!(
        writer.history.state().current.as_ref().unwrap().text,
        Hex(Sha256::digest(text("a")).into())
    );
    let mut expected = vec!["refused"; 7];
    expected[0] = "applied";
    assert_eq!(events(&writer), expected);
}

#[test]
fn a_dry_run_changes_nothing_and_leaves_no_trace() {
    let mut writer = writer(&FakeDisk::new());
    let applied = apply(
        &mut writer,
        Apply {
            dry_run: true,
            ..offer("a")
        },
    )
    .unwrap();
    assert!(applied.policy.is_some() && applied.generation.is_none());
    assert!(applied.rehearsal.is_some());
    writer.enforcer.refuses = true;
    let dry_run = Apply {
        dry_run: true,
        ..offer("a")
    };
    let refusal = apply(&mut writer, dry_run).unwrap_err();
    assert_eq!(refusal.code, ExitCode::CannotEnforce);
    assert_eq!((in_force(&writer), events(&writer).len()), ("nothing", 0));
}

#[test]
fn when_the_record_cannot_be_written_the_old_policy_is_in_force_again() {
    let disk = FakeDisk::new();
    apply(&mut writer(&disk), offer("a")).unwrap();
    let steps = {
        let disk = disk.after_power_loss(Unsynced::Lost, Unsynced::Lost);
        let mut writer = writer(&disk);
        let before = disk.steps();
        apply(&mut writer, offer("b")).unwrap();
        disk.steps() - before
    };
    assert_eq!(steps, 8);
    for step in 0..steps {
        let mut disk = disk.after_power_loss(Unsynced::Lost, Unsynced::Lost);
        // The steps of opening come first, and are the same ones.
        let opening = {
            let disk = disk.after_power_loss(Unsynced::Lost, Unsynced::Lost);
            drop(writer(&disk));
            disk.steps()
        };
        disk.fault = Fault::Error(opening + step);
        let mut writer = writer(&disk);
        let asked = Asked {
            by: OPERATOR,
            at: NOW,
        };
        writer.start(asked, None).unwrap();
        let refusal = apply(&mut writer, offer("b")).unwrap_err();
        assert_eq!(refusal.code, ExitCode::Internal, "{refusal:?}");
        assert_eq!(in_force(&writer), "a", "step {step}");
    }
}

#[test]
fn an_unconfirmed_policy_is_taken_back_in_time_and_across_restarts() {
    let disk = FakeDisk::new();
    let mut first = writer(&disk);
    let unconfirmed = Apply {
        confirm_within: Some(60),
        ..offer("b")
    };
    let refusal = apply(&mut first, unconfirmed.clone()).unwrap_err();
    assert!(refusal.reason.contains("no stored policy to go back to"));
    apply(&mut first, offer("a")).unwrap();
    assert_eq!(
        apply(&mut first, unconfirmed).unwrap().confirm_by,
        Some(NOW + 60)
    );
    let at = |at| Asked { by: OPERATOR, at };
    assert_eq!(first.tick(at(NOW + 59)), Ok(None));
    // A restart before and one after the time.
    let mut second = writer(&disk);
    second.start(at(NOW + 59), None).unwrap();
    assert_eq!(in_force(&second), "b");
    let mut third = writer(&disk.after_power_loss(Unsynced::Lost, Unsynced::Lost));
    third.start(at(NOW + 60), None).unwrap();
    assert_eq!(in_force(&third), "a");
    let too_late = ask_at(&mut second, NOW + 60, Request::Confirm);
    assert!(matches!(too_late, Response::Refused(_)));
    assert!(second.tick(at(NOW + 60)).unwrap().is_some());
    assert_eq!(in_force(&second), "a");
    assert_eq!(second.tick(at(NOW + 61)), Ok(None));
    assert_eq!(events(&second).last().unwrap(), "rolled back");
}

#[test]
fn a_confirmed_policy_stays() {
    let mut writer = writer(&FakeDisk::new());
    apply(&mut writer, offer("a")).unwrap();
    apply(
        &mut writer,
        Apply {
            confirm_within: Some(60),
            ..offer("b")
        },
    )
    .unwrap();
    assert!(matches!(
        ask(&mut writer, Request::Confirm),
        Response::Done(_)
    ));
    assert!(matches!(
        ask(&mut writer, Request::Confirm),
        Response::Refused(_)
    ));
    assert_eq!(
        writer.tick(Asked {
            by: OPERATOR,
            at: NOW + 99
        }),
        Ok(None)
    );
    assert_eq!(in_force(&writer), "b");
}

#[test]
fn rollback_goes_to_any_policy_and_without_a_name_to_the_one_before() {
    let mut writer = writer(&FakeDisk::new());
    let digests: Vec<String> = ["a", "b", "c"]
        .map(|id| {
            apply(&mut writer, offer(id))
                .unwrap()
                .policy
                .unwrap()
                .to_string()
        })
        .into();
    ask(
        &mut writer,
        Request::Rollback {
            to: Some(digests[0][..12].to_owned()),
        },
    );
    assert_eq!(in_force(&writer), "a");
    ask(&mut writer, Request::Rollback { to: None });
    assert_eq!(in_force(&writer), "c");
    let unknown = ask(
        &mut writer,
        Request::Rollback {
            to: Some("00000000".into()),
        },
    );
    assert!(matches!(
        unknown,
        Response::Refused(Refusal {
            code: ExitCode::Unhealthy,
            ..
        })
    ));
    assert_eq!(in_force(&writer), "c");
}

#[test]
fn an_overtaken_signature_is_refused_even_after_a_rollback() {
    let mut writer = writer(&FakeDisk::new());
    writer.rules.trust.require_signature = true;
    assert!(
        apply(&mut writer, offer("a"))
            .unwrap_err()
            .reason
            .contains("must be")
    );
    apply(&mut writer, signed("a", 1)).unwrap();
    apply(&mut writer, signed("b", 2)).unwrap();
    let overtaken = |writer: &mut FakeWriter| {
        let refusal = apply(writer, signed("a", 1)).unwrap_err();
        refusal
            .reason
            .contains("its counter is 1, and 2 was applied")
    };
    assert!(overtaken(&mut writer));
    ask(&mut writer, Request::Rollback { to: None });
    assert_eq!(in_force(&writer), "a");
    assert!(overtaken(&mut writer));
}

#[test]
fn a_revoked_key_s_policy_is_not_gone_back_to() {
    let disk = FakeDisk::new();
    let mut writer = writer(&disk);
    apply(&mut writer, offer("unsigned")).unwrap();
    apply(&mut writer, signed("a", 1)).unwrap();
    apply(&mut writer, signed("b", 2)).unwrap();
    writer.rules.trust.require_signature = true;
    let back = Request::Rollback { to: None };
    assert!(matches!(
        ask_at(&mut writer, NOW + 1_000_000, back.clone()),
        Response::Done(_)
    ));
    writer.rules.trust = Trust::parse("require-signature = true").unwrap();
    assert!(matches!(ask(&mut writer, back), Response::Refused(_)));
    assert_eq!(in_force(&writer), "a");
}

#[test]
fn after_a_reset_the_next_start_takes_what_it_is_offered() {
    let disk = FakeDisk::new();
    let mut first = writer(&disk);
    apply(&mut first, offer("a")).unwrap();
    ask(&mut first, Request::Reset);
    let asked = Asked {
        by: OPERATOR,
        at: NOW,
    };
    let mut second = writer(&disk);
    assert_eq!(
        second.start(asked, None).unwrap_err().reason,
        "no policy is stored"
    );
    second.start(asked, Some(&offer("b"))).unwrap();
    let swaps = second.enforcer.swaps;
    second.start(asked, Some(&offer("b"))).unwrap();
    assert_eq!((in_force(&second), second.enforcer.swaps), ("b", swaps + 1));
    // The same text again is no news.
    assert_eq!(events(&second), ["applied", "reset", "applied"]);
}

#[test]
fn without_a_daemon_a_policy_waits_for_the_next_start() {
    let disk = FakeDisk::new();
    let online = writer(&disk);
    let mut offline = Writer::new(online.history, online.rules, NextStart);
    let asked = Asked {
        by: OPERATOR,
        at: NOW,
    };
    let Response::Applied(applied) = offline.answer(asked, Request::Apply(offer("a"))) else {
        panic!("refused");
    };
    assert_eq!(applied.generation, None);
    let mut next = writer(&disk);
    next.start(asked, None).unwrap();
    assert_eq!(
        (in_force(&next), events(&next)),
        ("a", vec!["stored".to_owned()])
    );
    assert!(disk.list(&Path::new(ROOT).join("policies")).unwrap().len() == 1);
}
