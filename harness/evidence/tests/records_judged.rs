//! Records of drills, differs and of what a build is made of, spoilt one thing
//! at a time.

mod fixture;

use evidence::{Checklist, Verdict};
use fixture::{Fixture, ago};
use serde_json::{Value, json};

const TEXT: &str = r#"version = 1
id = "records"
title = "Drills and parts"
[subject.image]
what = "what is deployed"
file = "image"
[evidence.backups]
file = "backups.json"
about = ["image"]
[evidence.rollback]
file = "rollback.json"
about = ["image"]
[evidence.contract]
command = ["differ", "old.yaml", "new.yaml"]
[evidence.sbom]
file = "sbom.json"
about = ["image"]
[[item]]
id = "it"
area = "Service"
owner = "operations"
text = "All is well"
pass = "It is."
fail = "It is not."
[[item.predicate]]
evidence = "backups"
max_age = "1day"
about = ["image"]
backup = { every = "1h", restored_every = "30days", within = "10m", compared = 2 }
[[item.predicate]]
evidence = "rollback"
max_age = "30days"
about = ["image"]
rollback = { within = "5m" }
[[item.predicate]]
evidence = "contract"
max_age = "1day"
about = ["image"]
contract = { breaking = [1] }
[[item.predicate]]
evidence = "sbom"
max_age = "1day"
about = ["image"]
sbom = { licences = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"], at_least = 2 }
[[item.predicate]]
evidence = "sbom"
max_age = "1day"
about = ["image"]
advisories = { tool = "scanner", at_worst = "low" }
"#;

fn check(evidence: &str, at: &str, value: Value, expected: &str) {
    let mut fixture = Fixture::good(TEXT);
    let piece = fixture.pieces.get_mut(evidence).unwrap();
    let mut record: Value = serde_json::from_slice(&piece.bytes).unwrap();
    let place = record.pointer_mut(at);
    *place.unwrap_or_else(|| panic!("{evidence} has no {at}")) = value;
    piece.bytes = record.to_string().into_bytes();
    let decision = fixture.decide();
    let causes = decision.items[0].causes();
    let told: Vec<String> = causes.iter().map(|(_, cause)| cause.to_string()).collect();
    assert_eq!(told.join("; "), expected, "{evidence} {at}");
    let go = if expected.is_empty() {
        Verdict::Go
    } else {
        Verdict::NoGo
    };
    assert_eq!(decision.verdict, go);
}

#[test]
fn backups_are_judged_by_schedule_and_by_what_came_back() {
    let check = |at: &str, value: Value, expected: &str| check("backups", at, value, expected);
    check("/backups/2/bytes", json!(1), "");
    check(
        "/backups",
        json!([]),
        "failed: there is no backup; failed: what was restored is none of the backups",
    );
    check(
        "/backups/2/made",
        json!(ago(2).to_string()),
        "failed: the last backup is 2h old; there must be one every 1h",
    );
    check(
        "/backups/1/made",
        json!(ago(3).to_string()),
        "failed: after the backup of 2026-11-25T09:00:00Z there was none for 2h",
    );
    check(
        "/backups/2/verified",
        json!(false),
        "failed: the last backup was not verified",
    );
    check(
        "/backups/2/bytes",
        json!(0),
        "failed: the last backup is empty",
    );
    check(
        "/restores",
        json!([]),
        "inconclusive: no backup was ever restored",
    );
    check(
        "/restores/0/at",
        json!(ago(24 * 31).to_string()),
        "failed: the last restore was 1month 13h 26m 24s ago; there must be one every 30days",
    );
    check(
        "/restores/0/backup",
        json!(evidence::Digest::of(b"other")),
        "failed: what was restored is none of the backups",
    );
    check(
        "/restores/0/into",
        json!("a"),
        "failed: it was restored where it came from, into a",
    );
    check(
        "/restores/0/milliseconds",
        json!(601_000),
        "failed: the restore took 601 s; at most 10m is allowed",
    );
    check(
        "/restores/0/compared/1/restored",
        json!("6"),
        "failed: table 1 was 7, came back as 6",
    );
    check(
        "/restores/0/compared",
        json!([]),
        "inconclusive: 0 things were compared; 2 must be",
    );
    check(
        "/schema_version",
        json!(2),
        "unparsable: schema_version 2; expected 1",
    );
}

#[test]
fn a_rollback_is_judged_by_its_steps_its_time_and_what_serves_then() {
    let check = |at: &str, value: Value, expected: &str| check("rollback", at, value, expected);
    check("/healthy_after_milliseconds", json!(300_000), "");
    check(
        "/healthy_after_milliseconds",
        json!(301_000),
        "failed: it took 301 s; at most 5m is allowed",
    );
    check(
        "/healthy_after_milliseconds",
        json!(null),
        "failed: 1.9 did not become healthy",
    );
    check(
        "/serves",
        json!("2.0"),
        "failed: at the end 2.0 serves, not 1.9",
    );
    check(
        "/serves",
        json!(null),
        "inconclusive: nobody looked at what serves at the end",
    );
    check(
        "/steps/0/ok",
        json!(false),
        "failed: the step `switch` failed",
    );
    check("/steps", json!([]), "inconclusive: the drill had no steps");
    check(
        "/from",
        json!("1.9"),
        "failed: it went from 1.9 to the same",
    );
}

#[test]
fn a_differ_says_compatible_breaking_or_that_it_cannot_tell() {
    let check = |value: Value, expected: &str| check("contract", "/end", value, expected);
    check(json!({ "exited": 0 }), "");
    check(
        json!({ "exited": 1 }),
        "failed: the interface breaks: error: no such thing",
    );
    check(
        json!({ "exited": 2 }),
        "inconclusive: the differ could not tell, Exited(2): error: no such thing",
    );
    check(
        json!("timed-out"),
        "inconclusive: the differ could not tell, TimedOut: error: no such thing",
    );
}

#[test]
fn parts_have_versions_allowed_licences_and_nothing_known_against_them() {
    let check = |at: &str, value: Value, expected: &str| check("sbom", at, value, expected);
    let licences = "/components/0/licenses";
    for allowed in [
        "MIT OR GPL-3.0-only",
        "MIT AND Apache-2.0",
        "MIT/Apache-2.0",
    ] {
        check(licences, json!([{ "expression": allowed }]), "");
    }
    check(
        licences,
        json!([{ "license": { "id": "MIT" } }, { "license": { "id": "Apache-2.0" } }]),
        "",
    );
    check(
        licences,
        json!([{ "expression": "Apache-2.0 WITH LLVM-exception" }]),
        "",
    );
    for refused in [
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "NOASSERTION",
        "My own",
    ] {
        let told = format!("failed: licences that are not allowed: part 0 1.0 ({refused})");
        check(licences, json!([{ "license": { "name": refused } }]), &told);
    }
    check(
        licences,
        json!([{ "license": { "id": "MIT" } }, { "license": { "id": "GPL-2.0-only" } }]),
        "failed: licences that are not allowed: part 0 1.0 (GPL-2.0-only)",
    );
    check(licences, json!([]), "failed: without a licence: part 0 1.0");
    check(
        "/components/1/version",
        json!(""),
        "failed: without a version: part 1 ",
    );
    check("/components/0/type", json!("file"), "");
    check(
        "/components",
        json!([]),
        "inconclusive: 0 components; 2 must be there; \
         inconclusive: it has no components that one could know something against",
    );
    let known = |severity: &str, state: &str| json!([{ "id": "CVE-1", "ratings": [{ "severity": severity }], "analysis": { "state": state } }]);
    let at = "/vulnerabilities";
    check(at, known("low", "exploitable"), "");
    check(at, known("medium", "exploitable"), "failed: CVE-1");
    check(at, known("unknown", "in_triage"), "failed: CVE-1");
    check(at, known("critical", "not_affected"), "");
    check(at, json!([{ "id": "CVE-1" }]), "failed: CVE-1");
    check(
        at,
        json!(null),
        "inconclusive: nobody looked for advisories",
    );
    check(
        "/metadata/tools",
        json!({ "components": [{ "name": "other" }] }),
        "inconclusive: `scanner` is not among its tools",
    );
    check(
        "/metadata/tools",
        json!({ "components": [{ "name": "scanner" }] }),
        "",
    );
    let old = "unparsable: CycloneDX 1.2; expected CycloneDX of 1.4, 1.5, 1.6, 1.7";
    check("/specVersion", json!("1.2"), &format!("{old}; {old}"));
}

#[test]
fn a_claim_that_could_not_fail_is_refused() {
    let check = |from: &str, to: &str, expected: &str| {
        assert!(TEXT.contains(from), "{from}");
        let mistake = Checklist::parse("c.toml", &TEXT.replacen(from, to, 1));
        let told = mistake.map_or_else(|mistake| mistake.to_string(), |_| "accepted".into());
        assert!(told.contains(expected), "{told}\nlacks {expected}");
    };
    check("compared = 2", "compared = 0", "`compared` is 1 or more");
    check("breaking = [1]", "breaking = []", "always say the same");
    check(
        "breaking = [1]",
        "breaking = [0]",
        "both compatible and breaking",
    );
    check(
        "\"MIT\", ",
        "\"My own\", ",
        "`My own` is no licence that SPDX knows",
    );
    check("at_least = 2", "at_least = 0", "or always would");
    check(
        "contract = { breaking = [1] }",
        "rollback = { within = \"5m\" }",
        "only they",
    );
}
