//! A replicated service with sign-offs, and a rollback that is really done.

use std::{
    fs,
    path::Path,
    time::{Instant, SystemTime},
};

use evidence::{Decision, Digest, Moment};
use serde_json::{Value, json};

use crate::{
    app::{App, Behaviour},
    gate::{KEY, TOKEN, decide_signed, failures},
    monitoring::{Monitoring, Monitors},
    nginx::{Nginx, Proxy},
    server::free_port,
};

const TEXT: &str = include_str!("../../../../docs/checklists/services/replicated-service.toml");
const RELEASE: &str = "release 2.0";

struct SetUp {
    replicas: [Behaviour; 2],
    /// Where the second replica is looked for, if not where it is.
    second_is_down: bool,
    is_second_measured: bool,
    interface: Option<&'static str>,
    /// What is put into place when the release is taken back.
    goes_back_to: &'static str,
    change_rollback: fn(&mut Value),
    change_sbom: fn(&mut Value),
    signers: &'static [u8],
}

impl Default for SetUp {
    fn default() -> Self {
        Self {
            replicas: [Behaviour::default(), Behaviour::default()],
            second_is_down: false,
            is_second_measured: true,
            interface: Some("{\"jobs\": []}\n"),
            goes_back_to: "1.9",
            change_rollback: |_| {},
            change_sbom: |_| {},
            signers: &[2, 3],
        }
    }
}

/// Take 2.0 back behind the proxy, and see what answers.
fn drill(folder: &Path, goes_back_to: &str) -> Value {
    let version = |version: &str| Behaviour {
        version: version.to_owned(),
        ..Behaviour::default()
    };
    let new = App::start(&version("2.0"), KEY);
    let old = App::start(&version(goes_back_to), KEY);
    let proxy = Proxy {
        asks_for_token: false,
        ..Proxy::default()
    };
    let before = Nginx::start(&proxy, folder, new.port, TOKEN);
    assert_eq!(before.version(folder), "2.0");
    let (started, clock) = (SystemTime::now(), Instant::now());
    drop(before);
    let after = Nginx::start(&proxy, folder, old.port, TOKEN);
    let serves = after.version(folder);
    let took = u64::try_from(clock.elapsed().as_millis()).unwrap();
    json!({
        "schema_version": 1, "started": Moment::at(started).to_string(), "from": "2.0", "to": "1.9",
        "steps": [{ "name": "stop the proxy", "ok": true }, { "name": "point it to 1.9", "ok": true }],
        "serves": serves, "healthy_after_milliseconds": took,
        "subjects": { "release": format!("sha256:{}", Digest::of(RELEASE.as_bytes())) },
    })
}

fn sbom() -> Value {
    let part = |name: &str, licence: &str| json!({ "type": "library", "name": name, "version": "1.0", "licenses": [{ "expression": licence }] });
    json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "vulnerabilities": [],
        "metadata": { "tools": { "components": [{ "type": "application", "name": "scanner" }] } },
        "components": [part("a", "MIT OR Apache-2.0"), part("b", "BSD-3-Clause")],
    })
}

fn decided(change: &dyn Fn(&mut SetUp)) -> Decision {
    let mut set_up = SetUp::default();
    change(&mut set_up);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("release.tar"), RELEASE).unwrap();
    fs::write(folder.join("interface-released.json"), "{\"jobs\": []}\n").unwrap();
    if let Some(interface) = set_up.interface {
        fs::write(folder.join("interface.json"), interface).unwrap();
    }
    let mut rollback = drill(folder, set_up.goes_back_to);
    (set_up.change_rollback)(&mut rollback);
    fs::write(folder.join("rollback.json"), rollback.to_string()).unwrap();
    let mut parts = sbom();
    (set_up.change_sbom)(&mut parts);
    fs::write(folder.join("sbom.json"), parts.to_string()).unwrap();
    let replicas = set_up.replicas.each_ref().map(|one| App::start(one, KEY));
    let second = if set_up.second_is_down {
        free_port()
    } else {
        replicas[1].port
    };
    let targets = [replicas[0].port, second];
    let measured = if set_up.is_second_measured {
        &targets[..]
    } else {
        &targets[..1]
    };
    let monitors = Monitors::start(&Monitoring::default(), folder, measured);
    let text = TEXT.replace(
        "localhost:9090",
        &format!("localhost:{}", monitors.prometheus),
    );
    decide_signed(folder, &text, set_up.signers)
}

#[test]
#[ignore = "needs servers: cargo xtask test --services"]
fn a_replicated_service_is_go_when_it_is_good_and_no_go_for_each_fault() {
    let good = decided(&|_| {});
    assert!(failures(&good).is_empty(), "{:#?}", failures(&good));
    let check = |fault: &str, change: &dyn Fn(&mut SetUp), item: &str, cause: &str| {
        let told = failures(&decided(change));
        assert_eq!(
            told.keys().collect::<Vec<_>>(),
            [item],
            "{fault}: {told:#?}"
        );
        assert!(told[item].contains(cause), "{fault}: {told:#?}");
    };
    check(
        "one fails",
        &|one| one.replicas[1].jobs_fail = true,
        "errors",
        "failed: jobs_failed_total",
    );
    check(
        "the interface breaks",
        &|one| one.interface = Some("{}\n"),
        "contract",
        "failed: the interface breaks",
    );
    check(
        "no interface",
        &|one| one.interface = None,
        "contract",
        "inconclusive: the differ could not tell",
    );
    check(
        "back to another release",
        &|one| one.goes_back_to = "1.8",
        "rollback",
        "at the end 1.8 serves, not 1.9",
    );
    check(
        "too slow",
        &|one| one.change_rollback = |record| record["healthy_after_milliseconds"] = 61_000.into(),
        "rollback",
        "it took 61 s; at most 1m is allowed",
    );
    check(
        "of another release",
        &|one| {
            one.change_rollback = |record| {
                record["subjects"]["release"] = json!(format!("sha256:{}", Digest::of(b"1.0")));
            };
        },
        "rollback",
        "other-digest",
    );
    check(
        "a licence that may not be",
        &|one| {
            one.change_sbom =
                |bom| bom["components"][1]["licenses"][0]["expression"] = "AGPL-3.0-only".into();
        },
        "parts",
        "b 1.0 (AGPL-3.0-only)",
    );
    check(
        "nobody looked",
        &|one| one.change_sbom = |bom| drop(bom.as_object_mut().unwrap().remove("vulnerabilities")),
        "advisories",
        "inconclusive: nobody looked",
    );
    check(
        "an advisory",
        &|one| {
            one.change_sbom = |bom| {
                bom["vulnerabilities"] =
                    json!([{ "id": "CVE-1", "ratings": [{ "severity": "high" }] }]);
            };
        },
        "advisories",
        "failed: CVE-1",
    );
}

/// A replica that is down, or that nobody measures, has no other metrics either.
#[test]
#[ignore = "needs servers: cargo xtask test --services"]
fn a_replica_that_is_down_is_no_go() {
    let told = failures(&decided(&|one| one.second_is_down = true));
    assert_eq!(
        told.keys().collect::<Vec<_>>(),
        ["errors", "replicas"],
        "{told:#?}"
    );
    assert!(told["replicas"].contains("failed: up{"), "{told:#?}");
    assert!(
        told["errors"].contains("inconclusive: 1 series"),
        "{told:#?}"
    );
}

#[test]
#[ignore = "needs servers: cargo xtask test --services"]
fn too_few_sign_offs_are_no_go() {
    for signers in [&[][..], &[2], &[3]] {
        let told = failures(&decided(&|one| one.signers = signers));
        let told = told.get("sign-offs").cloned().unwrap_or_default();
        assert!(
            told.contains("of the 2 that are needed as `release`"),
            "{signers:?}: {told}"
        );
    }
}
