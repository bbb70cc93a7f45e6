//! A webhook-driven API with workers.

use std::{collections::BTreeMap, fs};

use evidence::Decision;

use crate::{
    app::{App, Behaviour},
    gate::{KEY, TOKEN, check, decide, failures},
    monitoring::{Monitoring, Monitors, RULES},
    nginx::{Nginx, Proxy},
    pki::Certificate,
    server::place,
};

const TEXT: &str = include_str!("../../../../docs/checklists/services/webhook-api.toml");

#[derive(Default)]
struct SetUp {
    proxy: Proxy,
    app: Behaviour,
    monitoring: Monitoring,
}

fn faulty(fault: &str, change: impl Fn(&mut SetUp), expected: Option<(&str, &str)>) {
    check(&decision(change), fault, expected);
}

fn all_failures(change: impl Fn(&mut SetUp)) -> BTreeMap<String, String> {
    failures(&decision(change))
}

/// Start all of it with a fault, decide, end it.
fn decision(change: impl Fn(&mut SetUp)) -> Decision {
    let mut set_up = SetUp::default();
    change(&mut set_up);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, text) in [("release.tar", "release"), ("token", TOKEN), ("key", KEY)] {
        fs::write(folder.join(name), text).unwrap();
    }
    let app = App::start(&set_up.app, KEY);
    let nginx = Nginx::start(&set_up.proxy, folder, app.port, TOKEN);
    let monitors = Monitors::start(&set_up.monitoring, folder, &[app.port]);
    let promtool = place("usr/bin/promtool");
    let text = TEXT
        .replace("localhost:8443", &format!("localhost:{}", nginx.tls_port))
        .replace("localhost:8080", &format!("localhost:{}", nginx.plain_port))
        .replace(
            "localhost:9090",
            &format!("localhost:{}", monitors.prometheus),
        )
        .replace(
            "localhost:9093",
            &format!("localhost:{}", monitors.alertmanager),
        )
        .replace("\"promtool\"", &format!("\"{}\"", promtool.display()))
        .replace("env = \"API_TOKEN\"", "file = \"token\"")
        .replace("env = \"WEBHOOK_KEY\"", "file = \"key\"");
    decide(folder, &text)
}

#[test]
#[ignore = "needs servers: cargo xtask test --services"]
fn a_good_webhook_api_is_go() {
    faulty("none", |_| {}, None);
}

#[test]
#[ignore = "needs servers: cargo xtask test --services"]
fn faults_of_the_proxy_are_no_go() {
    let check = |fault: &str, change: fn(&mut Proxy), item: &str, cause: &str| {
        faulty(
            fault,
            |set_up| change(&mut set_up.proxy),
            Some((item, cause)),
        );
    };
    check(
        "no token needed",
        |one| one.asks_for_token = false,
        "authentication",
        "failed: `anonymous` was answered with 200",
    );
    check(
        "any token will do",
        |one| one.takes_any_token = true,
        "authentication",
        "failed: `wrong-token` was answered with 200",
    );
    check(
        "no rate limit",
        |one| one.rate_limited = false,
        "rate-limit",
        "none of 100 answers to `flood` was 429",
    );
    check(
        "plaintext",
        |one| one.redirects = false,
        "tls",
        "answers with 404 without TLS",
    );
    check(
        "old TLS",
        |one| one.protocols = "TLSv1 TLSv1.1 TLSv1.2",
        "tls",
        "it speaks TLS 1.0; failed: it speaks TLS 1.1",
    );
    check(
        "certificate ends soon",
        |one| one.certificate = Certificate::EndsSoon,
        "tls",
        "14 must be left",
    );
    check(
        "no HSTS",
        |one| one.strict_transport = false,
        "production-headers",
        "no header strict-transport-security",
    );
}

/// Requests are not made at all over TLS that cannot be believed, so that what
/// rests on them is unknown, too.
#[test]
#[ignore = "needs servers: cargo xtask test --services"]
fn a_certificate_that_cannot_be_believed_is_no_go_for_all_that_is_asked() {
    for (kind, cause) in [
        (Certificate::Expired, "expired"),
        (Certificate::OfAnotherName, "not valid for name"),
        (Certificate::OfAStranger, "BadSignature"),
    ] {
        let told = all_failures(|set_up| set_up.proxy.certificate = kind);
        assert!(
            told["tls"].contains("failed: the certificate is not valid"),
            "{told:#?}"
        );
        assert!(told["tls"].contains(cause), "{kind:?}: {told:#?}");
        assert!(
            told["authentication"].starts_with("inconclusive"),
            "{told:#?}"
        );
        let items = [
            "authentication",
            "production-headers",
            "rate-limit",
            "tls",
            "webhooks",
        ];
        assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), items);
    }
}

#[test]
#[ignore = "needs servers: cargo xtask test --services"]
fn faults_of_the_service_are_no_go() {
    let check = |fault: &str, change: fn(&mut Behaviour), item: &str, cause: &str| {
        faulty(fault, |set_up| change(&mut set_up.app), Some((item, cause)));
    };
    check(
        "altered webhooks taken",
        |one| one.verifies_signatures = false,
        "webhooks",
        "`webhook-altered` was answered with 202",
    );
    check(
        "unsigned webhooks taken",
        |one| one.wants_signatures = false,
        "webhooks",
        "`webhook-unsigned` was answered with 202",
    );
    check(
        "stale webhooks taken",
        |one| one.refuses_stale = false,
        "webhooks",
        "`webhook-stale` was answered with 202",
    );
    check(
        "no webhooks taken",
        |one| one.takes_webhooks = false,
        "webhooks",
        "`webhook` was answered with 500, not 202",
    );
    check(
        "jobs fail",
        |one| one.jobs_fail = true,
        "errors",
        "failed: jobs_failed_total",
    );
    check(
        "nobody works",
        |one| one.works = false,
        "workers",
        "failed: jobs_queued",
    );
    check(
        "debugging is on",
        |one| one.debug = true,
        "production-headers",
        "the body has \"debug\"",
    );
}

#[test]
#[ignore = "needs servers: cargo xtask test --services"]
fn faults_of_the_monitoring_are_no_go() {
    let check = |fault: &str, change: fn(&mut Monitoring), item: &str, cause: &str| {
        faulty(
            fault,
            |set_up| change(&mut set_up.monitoring),
            Some((item, cause)),
        );
    };
    check(
        "a rule is missing",
        |one| {
            one.rules =
                "groups:\n- name: service\n  rules:\n  - alert: Watchdog\n    expr: vector(1)\n";
        },
        "alert-rules",
        "Prometheus has no alert rule `JobsFail`",
    );
    check(
        "a rule is no rule",
        |one| {
            one.checked_rules = Some(
                "groups:\n- name: service\n  rules:\n  - alert: JobsFail\n    expr: jobs_failed_total >\n",
            );
        },
        "alert-rules",
        "failed: it exited with",
    );
    check(
        "a rule cannot be evaluated",
        |one| one.rules = "groups:\n- name: service\n  rules:\n  - alert: Watchdog\n    expr: vector(1)\n  - alert: JobsFail\n    expr: up * on() group_left() (vector(1) or label_replace(vector(2), \"a\", \"b\", \"\", \"\"))\n",
        "alert-rules",
        "failed: the alert rule `JobsFail`: ",
    );
    check(
        "alerts go to nobody",
        |one| one.receiver = "nobody",
        "alert-routing",
        "`Watchdog` goes to nobody, not to pager",
    );
    check(
        "alerts are silenced",
        |one| one.silenced = true,
        "alert-routing",
        "`Watchdog` is suppressed",
    );
    check(
        "alerts do not arrive",
        |one| one.is_connected = false,
        "alert-routing",
        "no alert `Watchdog` has come",
    );
    assert!(RULES.contains("JobsFail"));
}

#[test]
#[ignore = "needs servers: cargo xtask test --services"]
fn a_service_without_metrics_is_no_go() {
    let told = all_failures(|set_up| set_up.app.has_metrics = false);
    assert_eq!(
        told.keys().map(String::as_str).collect::<Vec<_>>(),
        ["errors", "workers"]
    );
    assert!(
        told["errors"].contains("inconclusive: 0 series"),
        "{told:#?}"
    );
}
