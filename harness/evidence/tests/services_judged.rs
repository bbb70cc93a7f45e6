//! Records of running services, spoilt one thing at a time: what each makes of
//! its item.

mod fixture;

use evidence::{Checklist, Verdict};
use fixture::Fixture;
use serde_json::{Value, json};

const TEXT: &str = r#"version = 1
id = "running"
title = "A running service"
[subject.image]
what = "what is deployed"
file = "image"
[evidence.api]
http = { request = [
  { name = "anonymous", url = "https://api.example/" },
  { name = "known", url = "https://api.example/", secret_headers = { authorization = { env = "TOKEN", before = "Bearer " } }, keep_headers = ["Cache-Control"], keep_body = 100 },
  { name = "flood", url = "https://api.example/", times = 50 },
] }
[evidence.certificate]
tls = { address = "api.example:443", plaintext = ["api.example:80"] }
[evidence.errors]
prometheus = { url = "http://prometheus.example", query = "rate(errors[5m])", window = "1h" }
[evidence.alerts]
alerting = { prometheus = "http://prometheus.example", alertmanager = "http://alerts.example" }
[[item]]
id = "it"
area = "Service"
priority = "P0"
owner = "operations"
text = "The service runs well"
pass = "It does."
fail = "It does not."
[[item.predicate]]
evidence = "api"
max_age = "1day"
about = ["image"]
http = [
  { request = "anonymous", status = [401, 403] },
  { request = "known", status = [200], headers = { Cache-Control = "no-store" }, body_has = ["hello"], body_lacks = ["debug"] },
  { request = "flood", status = [401, 429], some_status = 429 },
]
[[item.predicate]]
evidence = "certificate"
max_age = "1day"
about = ["image"]
tls = { days_left = 30, minimum = "1.2", plaintext = "redirects" }
[[item.predicate]]
evidence = "errors"
max_age = "1day"
about = ["image"]
prometheus = { below = 0.5, min_samples = 3, min_series = 2 }
[[item.predicate]]
evidence = "alerts"
max_age = "1day"
about = ["image"]
alerting = { rules = ["HighErrors"], routed = [{ alert = "Watchdog", receiver = "pager", within = "5m" }] }
"#;

/// Put a value into the facts, and tell the causes.
fn told(evidence: &str, changes: &[(&str, Value)]) -> String {
    let mut fixture = Fixture::good(TEXT);
    let piece = fixture.pieces.get_mut(evidence).unwrap();
    let mut record: Value = serde_json::from_slice(&piece.bytes).unwrap();
    for (at, value) in changes {
        let at = record
            .pointer_mut(at)
            .unwrap_or_else(|| panic!("{evidence} has no {at}"));
        *at = value.clone();
    }
    piece.bytes = record.to_string().into_bytes();
    let decision = fixture.decide();
    let causes = decision.items[0].causes();
    let own = causes.iter().filter(|(name, _)| **name == *evidence);
    let told: Vec<String> = own.map(|(_, cause)| cause.to_string()).collect();
    let go = if causes.is_empty() {
        Verdict::Go
    } else {
        Verdict::NoGo
    };
    assert_eq!(decision.verdict, go);
    told.join("; ")
}

fn check(evidence: &str, at: &str, value: Value, expected: &str) {
    assert_eq!(told(evidence, &[(at, value)]), expected, "{evidence} {at}");
}

#[test]
fn answers_are_judged_by_status_headers_and_body() {
    let known = "/facts/known/0/answer/answered";
    let check = |at: &str, value: Value, expected: &str| check("api", at, value, expected);
    check("/facts/anonymous/0/answer/answered/status", json!(403), "");
    check(
        "/facts/anonymous/0/answer/answered/status",
        json!(200),
        "failed: `anonymous` was answered with 200, not 401 or 403",
    );
    check(
        "/facts/anonymous/0/answer",
        json!({ "nothing": "refused" }),
        "inconclusive: no answer to `anonymous`: refused",
    );
    check(
        "/facts/anonymous",
        json!([]),
        "inconclusive: no answer to `anonymous`",
    );
    check(
        "/facts",
        json!({}),
        "inconclusive: no answer to `anonymous`; inconclusive: no answer to `known`; inconclusive: no answer to `flood`",
    );
    check(
        &format!("{known}/headers"),
        json!({}),
        "failed: `known`: no header Cache-Control",
    );
    check(
        &format!("{known}/headers"),
        json!({ "cache-control": "public" }),
        "failed: `known`: Cache-Control is \"public\", without \"no-store\"",
    );
    let body = format!("{known}/body");
    check(
        &body,
        json!({ "text": "", "cut": false }),
        "failed: `known`: the body has no \"hello\"",
    );
    check(
        &body,
        json!({ "text": "hel", "cut": true }),
        "inconclusive: `known`: whether the body has \"hello\" is unknown: it was cut",
    );
    check(
        &body,
        json!({ "text": "hello", "cut": true }),
        "inconclusive: `known`: whether the body has \"debug\" is unknown: it was cut",
    );
    check(
        &body,
        json!({ "text": "hello debug", "cut": true }),
        "failed: `known`: the body has \"debug\"",
    );
    check(
        "/facts/flood/0",
        json!({ "times": 50, "answer": { "answered": { "status": 401, "headers": {}, "body": { "text": "", "cut": false } } } }),
        "failed: none of 50 answers to `flood` was 429",
    );
    check(
        "/asked/request/0/url",
        json!("https://other.example/"),
        "failed: the record is of another question than the checklist's",
    );
    check(
        "/schema_version",
        json!(2),
        "unparsable: schema_version 2; expected 1",
    );
    check(
        "/facts",
        json!(1),
        "unparsable: invalid type: integer `1`, expected a map at line 1 column 369",
    );
}

#[test]
fn certificates_and_versions_are_judged_at_the_moment_of_the_decision() {
    let check = |at: &str, value: Value, expected: &str| check("certificate", at, value, expected);
    check("/facts/verified", json!("yes"), "");
    check(
        "/facts/verified",
        json!({ "no": "expired" }),
        "failed: the certificate is not valid: expired",
    );
    check(
        "/facts/verified",
        json!({ "unseen": "refused" }),
        "inconclusive: no certificate was seen: refused",
    );
    check(
        "/facts/chain",
        json!([]),
        "unparsable: a valid chain without a certificate",
    );
    check(
        "/facts/chain/0",
        json!("AAAA"),
        "unparsable: a certificate: Parsing Error: Der(UnexpectedTag { expected: Some(Tag(16)), actual: Tag(0) })",
    );
    check(
        "/facts/versions/1.1",
        json!("yes"),
        "failed: it speaks TLS 1.1",
    );
    check(
        "/facts/versions/1.0",
        json!({ "unsure": "timed out" }),
        "inconclusive: whether it speaks TLS 1.0 is unknown: timed out",
    );
    check(
        "/facts/versions",
        json!({ "1.3": "yes" }),
        "inconclusive: whether it speaks TLS 1.0 was not tried; \
         inconclusive: whether it speaks TLS 1.1 was not tried",
    );
    check("/facts/versions/1.2", json!({ "no": "alert 70" }), "");
    let none = told(
        "certificate",
        &[
            ("/facts/versions/1.2", json!({ "no": "alert 70" })),
            ("/facts/versions/1.3", json!({ "unsure": "timed out" })),
        ],
    );
    assert_eq!(
        none,
        "inconclusive: it was not seen to speak TLS 1.2 or newer"
    );
    let plain = "/facts/plaintext/api.example:80";
    check(plain, json!("ended"), "");
    check(
        plain,
        json!({ "answered": { "status": 301, "location": "https://api.example/" } }),
        "",
    );
    check(
        plain,
        json!({ "answered": { "status": 301, "location": "http://api.example/" } }),
        "failed: api.example:80 answers with 301 without TLS",
    );
    check(
        plain,
        json!({ "answered": { "status": 200, "location": null } }),
        "failed: api.example:80 answers with 200 without TLS",
    );
    check(
        plain,
        json!({ "unsure": "timed out" }),
        "inconclusive: whether api.example:80 answers without TLS is unknown: timed out",
    );
    check(
        "/facts/plaintext",
        json!({}),
        "inconclusive: api.example:80 was not tried",
    );
    let closed = TEXT.replace("\"redirects\"", "\"closed\"");
    let mut fixture = Fixture::good(&closed);
    let piece = fixture.pieces.get_mut("certificate").unwrap();
    let text = String::from_utf8(piece.bytes.clone()).unwrap();
    piece.bytes = text.replace("\"refused\"", "\"ended\"").into_bytes();
    let causes = format!("{:?}", fixture.decide().items[0].causes());
    assert!(
        causes.contains("api.example:80 is open, though it says nothing"),
        "{causes}"
    );
    // The certificate of the fixture ends with 2027.
    let long = TEXT.replace("days_left = 30", "days_left = 500");
    let causes = format!("{:?}", Fixture::good(&long).decide().items[0].causes());
    assert!(
        causes.contains("valid for 400 more days; 500 must be left"),
        "{causes}"
    );
}

#[test]
fn samples_are_judged_and_what_was_not_measured_is_no_pass() {
    let series = "/facts/series/series";
    let check = |at: &str, value: Value, expected: &str| check("errors", at, value, expected);
    check(&format!("{series}/1/samples/2/1"), json!("0.49"), "");
    check(
        &format!("{series}/1/samples/2/1"),
        json!("0.5"),
        "failed: {instance=\"1\"} is 0.5, every one below 0.5",
    );
    check(
        &format!("{series}/0/samples"),
        json!([[0, "0"], [1, "0"]]),
        "inconclusive: too few samples: 2 of {instance=\"0\"}; 3 must be there",
    );
    for odd in ["NaN", "+Inf", "many"] {
        check(
            &format!("{series}/0/samples/0/1"),
            json!(odd),
            "inconclusive: samples that are no numbers: {instance=\"0\"}",
        );
    }
    check(series, json!([]), "inconclusive: 0 series; 2 must be there");
    check(
        "/facts/series/warnings",
        json!(["a block is missing"]),
        "inconclusive: Prometheus warns: a block is missing",
    );
    check(
        "/facts",
        json!({ "refused": "parse error" }),
        "inconclusive: Prometheus refused the query: parse error",
    );
    check(
        "/asked/query",
        json!("vector(0)"),
        "failed: the record is of another question than the checklist's",
    );
}

#[test]
fn rules_must_be_evaluated_and_alerts_must_reach_somebody() {
    let check = |at: &str, value: Value, expected: &str| check("alerts", at, value, expected);
    check(
        "/facts/rules",
        json!([]),
        "failed: Prometheus has no alert rule `HighErrors`",
    );
    check(
        "/facts/rules/0",
        json!({ "name": "HighErrors", "health": "err", "last_error": "no such function" }),
        "failed: the alert rule `HighErrors`: no such function",
    );
    check(
        "/facts/rules/0/health",
        json!("unknown"),
        "inconclusive: the alert rule `HighErrors`: not evaluated yet",
    );
    check(
        "/facts/alerts",
        json!([]),
        "failed: no alert `Watchdog` has come to Alertmanager",
    );
    check(
        "/facts/alerts/0/receivers",
        json!(["nobody"]),
        "failed: `Watchdog` goes to nobody, not to pager",
    );
    check(
        "/facts/alerts/0/state",
        json!("suppressed"),
        "failed: `Watchdog` is suppressed, so nobody is told",
    );
    check(
        "/facts/alerts/0/updated",
        json!("2026-11-25T10:54:59Z"),
        "failed: `Watchdog` was last said 5m 1s before",
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_question_that_could_not_fail_or_would_publish_a_secret_is_refused() {
    let check = |from: &str, to: &str, expected: &str| {
        assert!(TEXT.contains(from), "{from}");
        let mistake = Checklist::parse("c.toml", &TEXT.replacen(from, to, 1));
        let told = mistake.map_or_else(|mistake| mistake.to_string(), |_| "accepted".into());
        assert!(told.contains(expected), "{told}\nlacks {expected}");
    };
    let name = "name = \"anonymous\"";
    check(
        name,
        "name = \"known\"",
        "two requests have the name `known`",
    );
    check(
        name,
        "name = \"other\"",
        "it has no request `anonymous`, only other, known, flood",
    );
    check("times = 50", "times = 0", "`times` is from 1 to 10000");
    check(
        "api.example/\" },",
        "user:x@api.example/\" },",
        "has a name or password in it",
    );
    check(
        "https://api",
        "ftp://api",
        "does not begin with http:// or https://",
    );
    check(
        name,
        "name = \"anonymous\", headers = { Authorization = \"x\" }",
        "belongs into `secret_headers`",
    );
    check(
        "{ env = \"TOKEN\", before",
        "{ before",
        "either `env` or `file`",
    );
    check(", keep_body = 100", "", "`known` has no `keep_body`");
    check(
        "keep_headers = [\"Cache-Control\"]",
        "keep_headers = []",
        "no `Cache-Control` in `keep_headers`",
    );
    check("status = [401, 403]", "status = []", "so it could not pass");
    check(
        "status = [401, 429]",
        "status = [401]",
        "`status` has no 429",
    );
    check(
        "address = \"api.example:443\"",
        "address = \"api.example\"",
        "is no host and port",
    );
    check(
        ", plaintext = [\"api.example:80\"]",
        "",
        "names no address in `plaintext`",
    );
    check(
        ", plaintext = \"redirects\"",
        "",
        "say what may be behind `plaintext`",
    );
    check("below = 0.5, ", "", "that there are data shows nothing");
    check(
        "min_samples = 3",
        "min_samples = 0",
        "without a sample there is nothing to judge",
    );
    check(
        "window = \"1h\"",
        "step = \"1m\"",
        "`step` is only for a `window`",
    );
    check(
        "window = \"1h\"",
        "window = \"1year\"",
        "make `step` longer",
    );
    check("query = \"rate(errors[5m])\"", "query = \" \"", "no query");
    check(
        "rules = [\"HighErrors\"], routed = [{ alert = \"Watchdog\", receiver = \"pager\", within = \"5m\" }]",
        "",
        "so it would always pass",
    );
    check(
        "tls = { days_left = 30",
        "junit = {}\n#",
        "it is evidence with `tls`, for the test `tls`",
    );
    check(
        "prometheus = { url",
        "file = \"x\"\n#",
        "it needs evidence with `prometheus`",
    );
    check(
        "[evidence.errors]\n",
        "[evidence.errors]\nfile = \"x\"\n",
        "say one of",
    );
    check(
        "[evidence.errors]\n",
        "[evidence.errors]\nabout = [\"image\"]\n",
        "only for `file`",
    );
}
