use std::{collections::BTreeMap, time::Duration};

use super::{Decision, Status, Verdict, evaluate};
use crate::{
    bundle::{Bundle, Entry, Files, Manifest, verify},
    checklist::Checklist,
    collect,
    digest::{Digest, Identity},
    moment::Moment,
    sign::{Attestation, Envelope, Resource, SecretKey, Statement, Waiver},
    trust::Trust,
};

const TEXT: &str = r#"version = 1
id = "service"
title = "A service"
most_waivers = 1
[subject.image]
what = "what is deployed"
file = "image"
[evidence.tests]
file = "junit.xml"
[evidence.scan]
file = "scan.sarif"
[evidence.drill]
file = "drill.json"
[[item]]
id = "tests"
area = "Quality"
text = "Tests pass"
priority = "P0"
owner = "engineering"
pass = "They do."
fail = "They do not."
predicate = [{ evidence = "tests", max_age = "1day", about = ["image"], junit = { must_run = ["login*"] } }]
[[item]]
id = "scan"
area = "Security"
text = "Nothing <b>bold</b> was found"
priority = "P1"
owner = "security"
pass = "Nothing was."
fail = "Something was."
predicate = [{ evidence = "scan", max_age = "1day", about = ["image"], sarif = { tool = "scanner" } }]
[[item]]
id = "drill"
area = "Operations"
text = "A restore was tried"
owner = "operations"
pass = "It was."
fail = "It was not."
predicate = [{ evidence = "drill", max_age = "90days", about = ["image"], attestation = { role = "operations", states = "I restored the backup." } }]
[[item]]
id = "fleet"
area = "Operations"
text = "The fleet is large"
owner = "operations"
pass = "It is."
fail = "It is not."
not_applicable = "there is one machine"
"#;

const TESTS: &str = r#"<testsuite name="all" tests="2" failures="0">
<properties><property name="subject:image" value="SUBJECT"/></properties>
<testcase classname="api" name="login"/><testcase name="logout"><skipped/></testcase></testsuite>"#;
const SCAN: &str =
    r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"scanner"}},"results":[]}]}"#;

fn now() -> Moment {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn image() -> Identity {
    Identity::Sha256(Digest::of(b"image"))
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn trust() -> Trust {
    let people = [
        (1, "carol", "collector"),
        (2, "olga", "operations"),
        (3, "wanda", "waiver-approver"),
        (4, "walter", "waiver-approver"),
    ];
    let keys = people.map(|(seed, name, role)| {
        let public = key(seed).public();
        format!("[[key]]\nname = \"{name}\"\nroles = [\"{role}\"]\npublic = \"{public}\"\n")
    });
    let text = format!("version = 1\ndevelopment = true\n{}", keys.concat());
    Trust::parse("trust.toml", &text).unwrap()
}

fn attested(role: &str, states: &str, subject: &Identity, seed: u8) -> String {
    let claim = Attestation {
        role: role.into(),
        states: states.into(),
        at: now(),
    };
    let statement = Statement::new(vec![Resource::new("image", subject)], claim);
    let envelope = Envelope::seal(&statement, &[&key(seed)]).unwrap();
    String::from_utf8(envelope.to_bytes().unwrap()).unwrap()
}

fn good() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("tests", TESTS.replace("SUBJECT", &image().to_string())),
        ("scan", SCAN.to_owned()),
        (
            "drill",
            attested("operations", "I restored the backup.", &image(), 2),
        ),
    ])
}

fn bundle(evidence: &BTreeMap<&'static str, String>, waivers: &[Vec<u8>]) -> Bundle {
    let checklist = Checklist::parse("c.toml", TEXT).unwrap();
    let entries = evidence.iter().map(|(name, text)| {
        let entry = Entry {
            digest: Digest::of(text.as_bytes()),
            bytes: text.len() as u64,
            made: now(),
            about: BTreeMap::from([("image".to_owned(), image())]),
        };
        ((*name).to_owned(), entry)
    });
    let manifest = Manifest {
        schema_version: 1,
        checklist: checklist.digest,
        subjects: BTreeMap::from([("image".to_owned(), image())]),
        collected: now(),
        evidence: entries.collect(),
        missing: BTreeMap::new(),
        waivers: waivers.iter().map(|one| Digest::of(one)).collect(),
        sequence: 0,
        previous: None,
    };
    let mut blobs = vec![TEXT.as_bytes().to_vec()];
    blobs.extend(evidence.values().map(|text| text.clone().into_bytes()));
    blobs.extend(waivers.iter().cloned());
    let files: Files = collect::seal(&manifest, &blobs, &key(1)).unwrap();
    verify(&files, &trust()).unwrap()
}

fn decide(evidence: &BTreeMap<&'static str, String>, waivers: &[Vec<u8>]) -> Decision {
    let checklist = Checklist::parse("c.toml", TEXT).unwrap();
    evaluate(&checklist, &bundle(evidence, waivers), &trust(), now())
}

/// For the tests of reports: a failure, a waiver, something not applicable.
pub(crate) fn decision() -> Decision {
    let mut evidence = good();
    let failed = TESTS.replace("<skipped/>", "<failure/>");
    evidence.insert("tests", failed.replace("SUBJECT", &image().to_string()));
    evidence.insert("scan", "{}".into());
    decide(&evidence, &[waiver(|_| {}, &image(), &[3, 4])])
}

fn waiver(change: impl Fn(&mut Waiver), subject: &Identity, signed_by: &[u8]) -> Vec<u8> {
    let mut claim = Waiver {
        item: "scan".into(),
        author: "wanda".into(),
        owner: "security".into(),
        reason: "the scanner is broken".into(),
        compensating_control: "the old one was run by hand".into(),
        issued: now(),
        expires: now().after(Duration::from_hours(24 * 30)),
    };
    change(&mut claim);
    let statement = Statement::new(vec![Resource::new("image", subject)], claim);
    let keys: Vec<SecretKey> = signed_by.iter().map(|seed| key(*seed)).collect();
    let keys: Vec<&SecretKey> = keys.iter().collect();
    Envelope::seal(&statement, &keys)
        .unwrap()
        .to_bytes()
        .unwrap()
}

fn status(decision: &Decision, id: &str) -> Status {
    let mut items = decision.items.iter();
    items.find(|item| item.id == id).unwrap().status
}

#[test]
fn all_shown_is_go_and_what_does_not_apply_stands_with_its_reason() {
    let decision = decide(&good(), &[]);
    assert_eq!(decision.verdict, Verdict::Go, "{decision:#?}");
    assert_eq!(status(&decision, "fleet"), Status::NotApplicable);
    assert_eq!(decision.expiries.len(), 3);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn evidence_that_does_not_show_it_is_no_go_with_the_cause() {
    let other = Identity::Sha256(Digest::of(b"other"));
    let restored = "I restored the backup.";
    let sarif = |results: &str| SCAN.replace("\"results\":[]", results);
    let check = |name: &'static str, text: String, codes: &[&str]| {
        let mut evidence = good();
        evidence.insert(name, text.clone());
        let decision = decide(&evidence, &[]);
        let item = if name == "drill" {
            2
        } else {
            usize::from(name == "scan")
        };
        let found: Vec<&str> = decision.items[item]
            .causes()
            .iter()
            .map(|(_, cause)| cause.code())
            .collect();
        assert_eq!(found, codes, "{text}");
        let go = if codes.is_empty() {
            Verdict::Go
        } else {
            Verdict::NoGo
        };
        assert_eq!(decision.verdict, go, "{text}");
    };
    check(
        "tests",
        TESTS
            .replace("<skipped/>", "<failure/>")
            .replace("SUBJECT", &image().to_string()),
        &["failed"],
    );
    check(
        "tests",
        TESTS
            .replace("<skipped/>", "<error message='x'/>")
            .replace("SUBJECT", &image().to_string()),
        &["failed"],
    );
    check(
        "tests",
        TESTS.replace("SUBJECT", &other.to_string()),
        &["other-digest"],
    );
    check(
        "tests",
        TESTS.replace("SUBJECT", "sha256:0"),
        &["unparsable"],
    );
    check(
        "tests",
        "<testsuite><testcase name='login'/></testsuite>".into(),
        &[],
    );
    check(
        "tests",
        "<testsuite><testcase name='login'><skipped/></testcase><testcase name='b'/></testsuite>"
            .into(),
        &["failed"],
    );
    check(
        "tests",
        "<testsuite><testcase name='other'/></testsuite>".into(),
        &["inconclusive"],
    );
    check(
        "tests",
        "<testsuite failures='1'><testcase name='login'/></testsuite>".into(),
        &["inconclusive"],
    );
    check(
        "tests",
        "<testsuite/>".into(),
        &["inconclusive", "inconclusive"],
    );
    check(
        "tests",
        "<testsuite><testcase name='login'/>".into(),
        &["unparsable"],
    );
    check("tests", "<html/>".into(), &["unparsable"]);
    check("tests", "<!DOCTYPE a><testsuite/>".into(), &["unparsable"]);
    check("tests", String::new(), &["unparsable"]);
    check(
        "tests",
        "<testsuite timestamp='2026-11-23T12:00:00Z'><testcase name='login'/></testsuite>".into(),
        &["stale"],
    );
    check(
        "tests",
        "<testsuite timestamp='2026-11-27T12:00:00Z'><testcase name='login'/></testsuite>".into(),
        &["from-the-future"],
    );
    check(
        "scan",
        sarif("\"results\":[{\"ruleId\":\"a\",\"level\":\"error\"}]"),
        &["failed"],
    );
    check(
        "scan",
        sarif("\"results\":[{\"ruleId\":\"a\"}]"),
        &["failed"],
    );
    check(
        "scan",
        sarif("\"results\":[{\"ruleId\":\"a\",\"level\":\"note\"}]"),
        &[],
    );
    check(
        "scan",
        sarif("\"results\":[{\"ruleId\":\"a\",\"kind\":\"pass\"}]"),
        &[],
    );
    check(
        "scan",
        sarif("\"results\":[{\"suppressions\":[{\"kind\":\"external\"}]}]"),
        &[],
    );
    check(
        "scan",
        sarif("\"results\":[{\"suppressions\":[{\"status\":\"rejected\"}]}]"),
        &["failed"],
    );
    check(
        "scan",
        sarif("\"results\":[],\"invocations\":[{\"executionSuccessful\":false}]"),
        &["inconclusive"],
    );
    check("scan", sarif("\"columnKind\":\"x\""), &["inconclusive"]);
    check(
        "scan",
        SCAN.replace("scanner", "another"),
        &["inconclusive"],
    );
    check("scan", SCAN.replace("2.1.0", "2.0.0"), &["unparsable"]);
    check(
        "drill",
        attested("operations", "I did not.", &image(), 2),
        &["failed"],
    );
    check(
        "drill",
        attested("operations", restored, &other, 2),
        &["other-digest"],
    );
    check(
        "drill",
        attested("operations", restored, &image(), 1),
        &["untrusted"],
    );
    check(
        "drill",
        attested("collector", restored, &image(), 1),
        &["untrusted"],
    );
    check(
        "drill",
        attested("release", restored, &image(), 2),
        &["untrusted"],
    );
    check(
        "drill",
        attested("operations", restored, &image(), 9),
        &["untrusted"],
    );
    check("drill", "{}".into(), &["unparsable"]);
}

#[test]
fn a_waiver_helps_only_as_it_should() {
    let day = Duration::from_hours(24);
    let mut evidence = good();
    evidence.insert("scan", SCAN.replace("2.1.0", "2.0.0"));
    let check = |waiver: Vec<u8>, refused: &str| {
        let decision = decide(&evidence, &[waiver]);
        let found = decision.waivers[0].refused.join("; ");
        if refused.is_empty() {
            assert_eq!((decision.verdict, found.as_str()), (Verdict::Go, ""));
            assert_eq!(status(&decision, "scan"), Status::Waived);
        } else {
            assert_eq!(decision.verdict, Verdict::NoGo, "{refused}");
            assert!(found.contains(refused), "{found}");
        }
    };
    let other = Identity::Sha256(Digest::of(b"other"));
    check(waiver(|_| {}, &image(), &[3, 4]), "");
    check(waiver(|_| {}, &image(), &[3]), "nobody but its author");
    check(
        waiver(|_| {}, &image(), &[4]),
        "its author wanda did not sign it",
    );
    check(waiver(|_| {}, &image(), &[3, 2]), "nobody but its author");
    check(
        waiver(|_| {}, &image(), &[3, 9]),
        "which the trust file does not have",
    );
    check(waiver(|_| {}, &other, &[3, 4]), "it is for another image");
    check(
        waiver(|one| one.item = "tests".into(), &image(), &[3, 4]),
        "a P0 item cannot be waived",
    );
    check(
        waiver(|one| one.item = "gone".into(), &image(), &[3, 4]),
        "there is no item `gone`",
    );
    check(
        waiver(|one| one.reason = " ".into(), &image(), &[3, 4]),
        "it has no reason",
    );
    check(
        waiver(|one| one.owner = String::new(), &image(), &[3, 4]),
        "it has no owner",
    );
    check(
        waiver(
            |one| one.compensating_control = String::new(),
            &image(),
            &[3, 4],
        ),
        "it has no compensating control",
    );
    check(
        waiver(|one| one.expires = now().after(31 * day), &image(), &[3, 4]),
        "longer than 30 days",
    );
    check(
        waiver(|one| one.issued = now().after(day), &image(), &[3, 4]),
        "it begins at",
    );
    let before = |one: &mut Waiver, days: u64| {
        one.issued = "2026-11-01T12:00:00Z".parse().unwrap();
        one.expires = one.issued.after(u32::try_from(days).unwrap() * day);
    };
    check(
        waiver(|one| before(one, 24), &image(), &[3, 4]),
        "it expired at",
    );
    check(waiver(|one| before(one, 25), &image(), &[3, 4]), "");
}

#[test]
fn more_waivers_than_the_ceiling_help_nobody() {
    let mut evidence = good();
    evidence.insert("scan", "{}".into());
    evidence.insert("drill", "{}".into());
    let waivers = [
        waiver(|_| {}, &image(), &[3, 4]),
        waiver(|one| one.item = "drill".into(), &image(), &[3, 4]),
    ];
    let decision = decide(&evidence, &waivers);
    assert_eq!(decision.count(Status::Waived), 0);
    assert_eq!(decision.verdict, Verdict::NoGo);
    assert!(decision.waivers[0].refused[0].contains("the checklist allows 1"));
}

#[test]
fn a_waiver_of_what_passes_changes_nothing_and_counts_for_nothing() {
    let mut evidence = good();
    evidence.insert("drill", "{}".into());
    let waivers = [
        waiver(|_| {}, &image(), &[3, 4]),
        waiver(|one| one.item = "drill".into(), &image(), &[3, 4]),
    ];
    let decision = decide(&evidence, &waivers);
    assert_eq!(decision.verdict, Verdict::Go);
    assert_eq!(status(&decision, "scan"), Status::Pass);
}

#[test]
fn another_checklist_missing_sign_offs_and_a_bundle_of_tomorrow_are_objected_to() {
    let bundle = bundle(&good(), &[]);
    let other = Checklist::parse("c.toml", &TEXT.replace("A service", "Another")).unwrap();
    let decision = evaluate(&other, &bundle, &trust(), now());
    assert_eq!(decision.verdict, Verdict::NoGo);
    assert!(
        decision.objections[0]
            .to_string()
            .starts_with("other-checklist")
    );
    let own = Checklist::parse("c.toml", TEXT).unwrap();
    let mut strict = trust();
    strict.sign_offs.push(crate::trust::Threshold {
        role: "operations".into(),
        at_least: 1,
    });
    let decision = evaluate(&own, &bundle, &strict, now());
    assert_eq!(decision.verdict, Verdict::NoGo);
    assert!(
        decision.objections[0]
            .to_string()
            .starts_with("sign-offs: 0 of the 1")
    );
    let yesterday: Moment = "2026-11-24T12:00:00Z".parse().unwrap();
    let decision = evaluate(&own, &bundle, &trust(), yesterday);
    assert!(
        decision.objections[0]
            .to_string()
            .starts_with("from-the-future")
    );
}

/// Write it anew with `UPDATE_SCHEMA=1`.
#[test]
fn the_published_schema_takes_what_is_decided() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/schema/gate-decision.schema.json"
    );
    let schema = super::decision::schema();
    crate::published(path, &schema);
    let validator = jsonschema::validator_for(&serde_json::to_value(schema).unwrap()).unwrap();
    let value = serde_json::to_value(decision()).unwrap();
    assert!(
        validator.is_valid(&value),
        "{:?}",
        validator.iter_errors(&value).next()
    );
}
