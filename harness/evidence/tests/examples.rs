//! The worked examples, one for each kind of checklist: GO when all is shown,
//! and NO-GO for each piece of evidence that is not, naming the items.

mod fixture;

use std::collections::BTreeSet;

use evidence::{Verdict, evaluate::Status};
use fixture::{Fixture, ago, identity};

const EXAMPLES: [(&str, &str); 7] = [
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
    (
        "webhook-api",
        include_str!("../../../docs/checklists/services/webhook-api.toml"),
    ),
    (
        "replicated-service",
        include_str!("../../../docs/checklists/services/replicated-service.toml"),
    ),
    (
        "daemon",
        include_str!("../../../docs/checklists/services/daemon.toml"),
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

/// Whoever follows the page copies them.
#[test]
fn what_the_page_shows_is_taken_as_it_stands() {
    const PAGE: &str = include_str!("../../../docs/gate.md");
    const FRAME: &str = "version = 1\nid = \"a\"\ntitle = \"A\"\n[subject.s]\nwhat = \"s\"\n\
        file = \"s\"\n[[item]]\nid = \"i\"\narea = \"A\"\npriority = \"P0\"\ntext = \"t\"\n\
        owner = \"o\"\npass = \"p\"\nfail = \"f\"\n";
    let mut shown = 0;
    for block in PAGE.split("```toml\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        // The trust file is no checklist; what is only a part goes into a whole.
        let text = match block {
            _ if block.contains("[[key]]") => continue,
            _ if block.starts_with("version") => block.to_owned(),
            _ => format!("{FRAME}{block}"),
        };
        let taken = evidence::Checklist::parse("gate.md", &text);
        assert!(taken.is_ok(), "{}\n{block}", taken.unwrap_err());
        shown += 1;
    }
    assert_eq!(shown, 3);
}

/// Promote, hold, or roll back: what the metrics of a phase say.
#[test]
fn a_phase_is_promoted_held_or_rolled_back_by_its_metrics() {
    use evidence::rollout::Step;
    let check = |evidence: &str, change: &dyn Fn(&mut serde_json::Value), at: &str, step: Step| {
        let mut fixture = Fixture::good(EXAMPLES[0].1);
        let piece = fixture.pieces.get_mut(evidence).unwrap();
        let mut record: serde_json::Value = serde_json::from_slice(&piece.bytes).unwrap();
        change(record.pointer_mut("/facts/series/series").unwrap());
        piece.bytes = record.to_string().into_bytes();
        let rollout = fixture.decide().rollout.unwrap();
        assert_eq!(
            (rollout.at.as_str(), rollout.step),
            (at, step),
            "{evidence}"
        );
    };
    let value = |text: &'static str| {
        move |series: &mut serde_json::Value| series[0]["samples"][7][1] = text.into()
    };
    let canary = "phase-3-canary";
    check("canary-cpu", &value("4.9"), "phase-7-after", Step::Promote);
    check("canary-cpu", &value("5"), canary, Step::Rollback);
    check("canary-memory", &value("51"), canary, Step::Rollback);
    check("canary-drops", &value("1"), canary, Step::Rollback);
    check("canary-errors", &value("0.1"), canary, Step::Rollback);
    check(
        "canary-false-positives",
        &value("0.01"),
        canary,
        Step::Rollback,
    );
    check("canary-cpu", &value("NaN"), canary, Step::Hold);
    check("shadow-cpu", &value("5"), "phase-1-shadow", Step::Hold);
    let shorten = |series: &mut serde_json::Value| {
        series[1]["samples"].as_array_mut().unwrap().truncate(249);
    };
    check("canary-cpu", &shorten, canary, Step::Hold);
    let one_host = |series: &mut serde_json::Value| series.as_array_mut().unwrap().truncate(1);
    check("canary-cpu", &one_host, canary, Step::Hold);
    let none = |series: &mut serde_json::Value| *series = serde_json::json!([]);
    check("all-cpu", &none, "phase-6-all", Step::Hold);
}
