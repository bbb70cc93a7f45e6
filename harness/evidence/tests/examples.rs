//! The worked examples, one for each kind of checklist: GO when all is shown,
//! and NO-GO for each piece of evidence that is not, naming the items.

mod fixture;

use std::collections::BTreeSet;

use evidence::{Verdict, evaluate::Status};
use fixture::{Fixture, ago, identity};

const EXAMPLES: [(&str, &str); 4] = [
    (
        "rollout",
        include_str!("../../../docs/checklists/rollout.toml"),
    ),
    (
        "service-readiness",
        include_str!("../../../docs/checklists/service-readiness.toml"),
    ),
    (
        "scorecard",
        include_str!("../../../docs/checklists/scorecard.toml"),
    ),
    (
        "deployment",
        include_str!("../../../docs/checklists/deployment.toml"),
    ),
];

#[test]
fn each_example_is_go_when_all_is_shown() {
    for (name, text) in EXAMPLES {
        let decision = Fixture::good(text).decide();
        assert_eq!(decision.verdict, Verdict::Go, "{name}: {decision:#?}");
    }
}

#[test]
fn each_example_is_no_go_for_each_piece_of_evidence_that_is_not_as_it_must_be() {
    type Spoil = fn(&mut Fixture, &str);
    let spoils: [(&str, Spoil); 4] = [
        ("missing", |fixture, name| drop(fixture.pieces.remove(name))),
        ("stale", |fixture, name| {
            fixture.pieces.get_mut(name).unwrap().made = ago(24 * 91);
        }),
        ("other-digest", |fixture, name| {
            let piece = fixture.pieces.get_mut(name).unwrap();
            for (subject, known) in &mut piece.about {
                *known = identity(subject, "another");
            }
        }),
        ("", |fixture, name| {
            fixture.pieces.get_mut(name).unwrap().bytes = b"{}".to_vec();
        }),
    ];
    let mut faults = 0;
    for (example, text) in EXAMPLES {
        let good = Fixture::good(text);
        for evidence in good.pieces.keys() {
            let items = good.checklist.items.iter();
            let resting: BTreeSet<&str> = items
                .filter(|item| item.predicates.iter().any(|one| one.evidence == *evidence))
                .map(|item| item.id.as_str())
                .collect();
            for (code, spoil) in spoils {
                // A signed statement is about what it says, not what the collector says.
                if code == "other-digest" && ["privacy", "executive"].contains(&evidence.as_str()) {
                    continue;
                }
                let mut spoilt = good.clone();
                spoil(&mut spoilt, evidence);
                let decision = spoilt.decide();
                let what = format!("{example}: {evidence} {code}");
                assert_eq!(decision.verdict, Verdict::NoGo, "{what}");
                let failed = decision
                    .items
                    .iter()
                    .filter(|item| item.status == Status::Fail);
                for item in failed.clone() {
                    let causes = item.causes();
                    let named = causes.iter().any(|(_, cause)| cause.code() == code);
                    assert!(named || code.is_empty(), "{what}: {causes:?}");
                }
                let failed: BTreeSet<&str> = failed.map(|item| item.id.as_str()).collect();
                assert_eq!(failed, resting, "{what}");
                faults += 1;
            }
        }
    }
    assert!(faults >= 25, "{faults}");
}

/// Promote, hold, or neither: what the metrics of a phase say.
#[test]
fn a_phase_is_promoted_rolled_back_or_left_open_by_its_metrics() {
    let check = |field: &str, value: serde_json::Value, code: &str| {
        let mut fixture = Fixture::good(EXAMPLES[0].1);
        let piece = fixture.pieces.get_mut("canary").unwrap();
        let mut metrics: serde_json::Value = serde_json::from_slice(&piece.bytes).unwrap();
        *metrics.pointer_mut(field).unwrap() = value;
        piece.bytes = metrics.to_string().into_bytes();
        let decision = fixture.decide();
        let item = decision
            .items
            .iter()
            .find(|item| item.id == "phase-2-canary")
            .unwrap();
        let causes: Vec<&str> = item
            .causes()
            .iter()
            .map(|(_, cause)| cause.code())
            .collect();
        assert_eq!(causes.join(" "), code, "{field}");
    };
    check("/hosts/0/cpu_percent", 4.9.into(), "");
    check("/hosts/0/cpu_percent", 5.into(), "failed");
    check("/hosts/0/memory_mb", 51.into(), "failed");
    check("/hosts/0/ring_buffer_drops", 1.into(), "failed");
    check("/application_errors_rise_percent", 0.1.into(), "failed");
    check("/samples", 999.into(), "inconclusive");
    check("/window_hours", 23.into(), "inconclusive");
    check(
        "/hosts",
        serde_json::json!([]),
        "inconclusive inconclusive inconclusive",
    );
    check(
        "/hosts/0/cpu_percent",
        serde_json::Value::Null,
        "inconclusive",
    );
}
