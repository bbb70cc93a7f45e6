//! The shipped checklist: everything shown is GO, and each piece of evidence
//! spoilt in each way is NO-GO, naming the items that rest on it and the cause.

mod fixture;

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Decision, Verdict, bundle::verify, cause::Cause, evaluate::Status};
use fixture::{Fixture, Piece, ago, command_record, identity, predicates, trust};
use serde_json::{Value, json};

const TEXT: &str = include_str!("../../../docs/checklists/agent-release.toml");
/// What does not exist yet.
const NOT_YET: [&str; 3] = ["packages", "upgrade-guide", "reproducible-build"];

fn failing(decision: &Decision) -> BTreeSet<&str> {
    let items = decision.items.iter();
    items
        .filter(|item| item.status == Status::Fail)
        .map(|item| item.id.as_str())
        .collect()
}

/// The items that rest on this evidence.
fn resting_on<'a>(fixture: &'a Fixture, evidence: &str) -> BTreeSet<&'a str> {
    let items = fixture.checklist.items.iter();
    items
        .filter(|item| item.predicates.iter().any(|one| one.evidence == evidence))
        .map(|item| item.id.as_str())
        .collect()
}

/// NO-GO, by exactly these items, each of them for this cause.
fn expect(fixture: &Fixture, what: &str, items: &BTreeSet<&str>, evidence: &str, code: &str) {
    let decision = fixture.decide();
    assert_eq!(decision.verdict, Verdict::NoGo, "{what}");
    assert_eq!(&failing(&decision), items, "{what}");
    for item in decision
        .items
        .iter()
        .filter(|item| items.contains(&*item.id))
    {
        let causes = item.causes();
        let named = |(of, cause): &(&str, &Cause)| *of == evidence && cause.code() == code;
        assert!(causes.iter().any(named), "{what}: {}: {causes:?}", item.id);
    }
}

#[test]
fn when_all_is_shown_it_is_go() {
    let decision = Fixture::good(TEXT).decide();
    assert_eq!(failing(&decision), BTreeSet::new());
    assert_eq!(decision.verdict, Verdict::Go);
    assert!(decision.items.len() >= 18);
}

#[test]
fn no_item_is_without_evidence_or_rests_on_a_file_that_is_only_there() {
    let fixture = Fixture::good(TEXT);
    for item in &fixture.checklist.items {
        assert!(!item.predicates.is_empty(), "{}", item.id);
        assert!(item.not_applicable.is_none(), "{}", item.id);
    }
    let used: BTreeSet<&str> = fixture
        .checklist
        .items
        .iter()
        .flat_map(|item| item.predicates.iter().map(|one| one.evidence.as_str()))
        .collect();
    let known: BTreeSet<&str> = fixture.pieces.keys().map(String::as_str).collect();
    assert_eq!(used, known, "evidence that no item rests on");
}

#[test]
fn what_does_not_exist_yet_is_named_and_nothing_else() {
    let mut fixture = Fixture::good(TEXT);
    let written: Value = toml::from_str(TEXT).unwrap();
    for evidence in ["packages", "upgrade", "rebuild"] {
        let record = command_record(&written["evidence"][evidence]["command"], 2);
        fixture.pieces.get_mut(evidence).unwrap().bytes = record.into_bytes();
    }
    let decision = fixture.decide();
    assert_eq!(decision.verdict, Verdict::NoGo);
    assert_eq!(failing(&decision), BTreeSet::from(NOT_YET));
}

/// A way to spoil a piece of evidence, and the cause that must be named.
type Spoil = (
    &'static str,
    fn(&mut BTreeMap<String, Piece>, &str),
    &'static str,
);

const SPOILS: [Spoil; 8] = [
    (
        "removed",
        |pieces, name| drop(pieces.remove(name)),
        "missing",
    ),
    (
        "aged",
        |pieces, name| piece(pieces, name).made = ago(24 * 15),
        "stale",
    ),
    (
        "made tomorrow",
        |pieces, name| piece(pieces, name).made = ago(0).after(std::time::Duration::from_hours(24)),
        "from-the-future",
    ),
    (
        "of another build",
        |pieces, name| {
            let about = &mut piece(pieces, name).about;
            for (subject, known) in about.iter_mut() {
                *known = identity(subject, "another");
            }
        },
        "other-digest",
    ),
    (
        "of no known build",
        |pieces, name| piece(pieces, name).about.clear(),
        "unbound",
    ),
    (
        "cut in half",
        |pieces, name| {
            let bytes = &mut piece(pieces, name).bytes;
            bytes.truncate(bytes.len() / 2);
        },
        "unparsable",
    ),
    (
        "emptied",
        |pieces, name| piece(pieces, name).bytes.clear(),
        "unparsable",
    ),
    (
        "swapped with other evidence",
        |pieces, name| piece(pieces, name).bytes = b"{\"schema_version\":1}".to_vec(),
        "",
    ),
];

fn piece<'a>(pieces: &'a mut BTreeMap<String, Piece>, name: &str) -> &'a mut Piece {
    pieces.get_mut(name).unwrap()
}

#[test]
fn each_piece_of_evidence_spoilt_in_each_way_is_no_go_by_item_and_cause() {
    let good = Fixture::good(TEXT);
    for evidence in good.pieces.keys() {
        let items = resting_on(&good, evidence);
        for (how, spoil, code) in SPOILS {
            let mut spoilt = good.clone();
            spoil(&mut spoilt.pieces, evidence);
            let what = format!("{evidence} {how}");
            // Evidence that says itself what it is about stays about that.
            let says_itself = how == "of no known build" && evidence.as_str() != "checks";
            match code {
                "" => {
                    let decision = spoilt.decide();
                    assert_eq!(failing(&decision), items, "{what}");
                }
                _ if says_itself => {
                    let decision = spoilt.decide();
                    assert_eq!(failing(&decision), items, "{what}");
                    let causes = decision.items.iter().flat_map(|item| item.causes());
                    for (_, cause) in causes {
                        assert_eq!(cause.code(), "unbound", "{what}");
                    }
                }
                code => expect(&spoilt, &what, &items, evidence, code),
            }
        }
    }
}

/// A report that states another build itself is not believed, whatever the
/// collector says.
#[test]
fn a_report_that_names_another_build_is_refused_over_the_collectors_word() {
    let good = Fixture::good(TEXT);
    for (field, value) in [
        ("commit", json!("000000012345")),
        ("commit", json!(format!("{}-dirty", &fixture::COMMIT[..12]))),
        ("subjects", json!({ "agent": identity("agent", "another") })),
    ] {
        let mut spoilt = good.clone();
        let piece = piece(&mut spoilt.pieces, "cells");
        let mut report: Value = serde_json::from_slice(&piece.bytes).unwrap();
        report["run"][field] = value;
        piece.bytes = report.to_string().into_bytes();
        expect(
            &spoilt,
            field,
            &resting_on(&good, "cells"),
            "cells",
            "other-digest",
        );
    }
}

#[test]
fn each_cell_that_failed_was_skipped_or_is_gone_is_no_go_by_the_items_that_name_it() {
    let good = Fixture::good(TEXT);
    let written: Value = toml::from_str(TEXT).unwrap();
    for evidence in ["cells", "all-kernels"] {
        let report: Value = serde_json::from_slice(&good.pieces[evidence].bytes).unwrap();
        let cells = report["cells"].as_array().unwrap();
        // One kernel of each scenario and mode, so that it stays quick.
        let mut seen = BTreeSet::new();
        for (at, cell) in cells.iter().enumerate() {
            let scenario = cell["scenario"].as_str().unwrap();
            if !seen.insert((scenario, cell["boot_mode"].as_str())) {
                continue;
            }
            let naming: Vec<&Value> = predicates(&written, evidence)
                .into_iter()
                .filter(|one| {
                    one["e2e"]["scenarios"]
                        .as_array()
                        .unwrap()
                        .contains(&cell["scenario"])
                })
                .collect();
            assert!(!naming.is_empty(), "{scenario}");
            let items: BTreeSet<&str> = written["item"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|item| {
                    let own = item["predicate"].as_array().unwrap();
                    own.iter()
                        .any(|one| naming.contains(&one) && one["evidence"] == evidence)
                })
                .map(|item| item["id"].as_str().unwrap())
                .collect();
            for (outcome, code) in [
                ("failed", "failed"),
                ("skipped", "failed"),
                ("infra", "inconclusive"),
                ("not_run", "inconclusive"),
                ("gone", "inconclusive"),
            ] {
                let mut spoilt = good.clone();
                let mut altered = report.clone();
                let cells = altered["cells"].as_array_mut().unwrap();
                if outcome == "gone" {
                    cells.remove(at);
                    altered["totals"]["cells"] = json!(altered["cells"].as_array().unwrap().len());
                } else {
                    cells[at]["outcome"] = json!(outcome);
                    cells[at]["code"] = json!("not-denied");
                }
                piece(&mut spoilt.pieces, evidence).bytes = altered.to_string().into_bytes();
                expect(
                    &spoilt,
                    &format!("{scenario} {outcome}"),
                    &items,
                    evidence,
                    code,
                );
            }
        }
    }
}

#[test]
fn each_other_report_altered_is_no_go() {
    let good = Fixture::good(TEXT);
    let check = |evidence: &str, pointer: &str, value: Value, code: &str| {
        let mut spoilt = good.clone();
        let piece = piece(&mut spoilt.pieces, evidence);
        let mut report: Value = serde_json::from_slice(&piece.bytes).unwrap();
        *report
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("{pointer}")) = value;
        piece.bytes = report.to_string().into_bytes();
        let what = format!("{evidence} {pointer}");
        expect(&spoilt, &what, &resting_on(&good, evidence), evidence, code);
    };
    check("cells", "/run/interrupted", json!(true), "inconclusive");
    check("cells", "/totals/cells", json!(1), "unparsable");
    check("cells", "/schema_version", json!(2), "unparsable");
    check(
        "cost",
        "/kernels/0/operations/0/verdict",
        json!("exceeded"),
        "failed",
    );
    check(
        "cost",
        "/kernels/0/operations/1/verdict",
        json!("inconclusive"),
        "inconclusive",
    );
    check(
        "cost",
        "/kernels/0/operations/2/verdict",
        json!("unbounded"),
        "inconclusive",
    );
    check(
        "cost",
        "/kernels/0/operations/2/operation",
        json!("fork"),
        "inconclusive",
    );
    check(
        "cost",
        "/kernels/0/calibration/proven",
        json!(false),
        "inconclusive",
    );
    check("cost", "/kernels/0/kernel", json!("6.1"), "inconclusive");
    check("cost", "/agent", json!("null"), "failed");
    check("cost", "/rules", json!(10), "inconclusive");
    check("power-cuts", "/problems", json!(["lost"]), "failed");
    check("power-cuts", "/old", json!(0), "inconclusive");
    check("power-cuts", "/new", json!(0), "inconclusive");
    check("power-cuts", "/cuts", json!([]), "inconclusive");
    check("full", "/outcome/outcome", json!("failed"), "failed");
    check("full", "/outcome", json!(null), "inconclusive");
    check("full", "/files", json!(99_999), "inconclusive");
    check("full", "/networks", json!("many"), "inconclusive");
    for record in ["checks", "packages", "upgrade", "rebuild"] {
        check(record, "/end", json!({ "exited": 1 }), "failed");
        check(record, "/end", json!({ "signalled": 9 }), "failed");
        check(record, "/end", json!("timed-out"), "inconclusive");
        check(
            record,
            "/end",
            json!({ "not-started": "no such file" }),
            "inconclusive",
        );
        check(record, "/argv", json!(["true"]), "failed");
    }
    check("checks", "/stdout/text", json!("tests  FAILED"), "failed");
    check("checks", "/stdout/cut", json!(true), "inconclusive");
}

#[test]
fn a_cell_of_another_boot_mode_or_agent_stands_for_nothing() {
    let good = Fixture::good(TEXT);
    for (field, value) in [("boot_mode", "no-btf"), ("agent", "null")] {
        let mut spoilt = good.clone();
        let piece = piece(&mut spoilt.pieces, "cells");
        let mut report: Value = serde_json::from_slice(&piece.bytes).unwrap();
        for cell in report["cells"].as_array_mut().unwrap() {
            if cell["scenario"] == "denials-accounted" {
                cell[field] = json!(value);
            }
        }
        piece.bytes = report.to_string().into_bytes();
        let items = BTreeSet::from(["nothing-lost-silently"]);
        expect(&spoilt, field, &items, "cells", "inconclusive");
    }
}

#[test]
fn uncommitted_sources_are_never_released() {
    let mut fixture = Fixture::good(TEXT);
    let dirty: evidence::Identity = format!("git:{}-dirty", fixture::COMMIT).parse().unwrap();
    fixture.subjects.insert("commit".into(), dirty.clone());
    for piece in fixture.pieces.values_mut() {
        piece.about.insert("commit".into(), dirty.clone());
    }
    let decision = fixture.decide();
    assert_eq!(failing(&decision).len(), decision.items.len());
    let item = &decision.items[0];
    assert!(
        item.causes()
            .iter()
            .any(|(_, cause)| cause.code() == "uncommitted")
    );
}

#[test]
fn altered_blobs_do_not_even_get_judged() {
    let fixture = Fixture::good(TEXT);
    let files = fixture.files();
    for name in files.keys().filter(|name| name.starts_with("blobs/")) {
        let mut altered = files.clone();
        altered.get_mut(name).unwrap()[0] ^= 1;
        assert!(verify(&altered, &trust()).is_err(), "{name}");
    }
}
