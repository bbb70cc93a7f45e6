//! Simulated fleets, whose past is put into a real Prometheus: promoted, held
//! and rolled back as the criteria say.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use evidence::{
    Decision, Moment, Verdict,
    rollout::{Answer, Step, log},
};

use crate::{
    gate::decide,
    server::{Server, done, free_port, program},
};

const TEXT: &str = include_str!("../../../../docs/checklists/rollout.toml");

const METRICS: [(&str, &str); 5] = [
    ("aegisbpf:false_positive_percent", "0.001"),
    ("aegisbpf:cpu_percent", "1.5"),
    ("aegisbpf:memory_mb", "20"),
    ("aegisbpf:ring_buffer_drops", "0"),
    ("application:errors_rise_percent", "-0.1"),
];
/// Rings with the seconds that their phases last, and between samples.
const RINGS: [(&str, u64, u64); 6] = [
    ("shadow", 7 * 86_400, 900),
    ("test", 86_400, 300),
    ("canary", 86_400, 300),
    ("quarter", 86_400, 300),
    ("half", 2 * 86_400, 600),
    ("all", 14 * 86_400, 600),
];
const HOSTS: u64 = 3;

/// A sample: metric, ring, host, and how many samples before the last.
type Sample<'a> = (&'a str, &'a str, u64, u64);
/// What it is instead of the good value; nothing when there is none.
type Change = fn(Sample<'_>) -> Option<&'static str>;

/// The past of a fleet, as OpenMetrics.
fn past(until: u64, change: Change) -> String {
    let mut text = String::new();
    for (metric, _) in METRICS {
        let _ = writeln!(text, "# TYPE {metric} gauge");
        for (ring, seconds, step) in RINGS {
            for host in 0..HOSTS {
                for before in (0..=seconds / step).rev() {
                    if let Some(value) = change((metric, ring, host, before)) {
                        let at = until - before * step;
                        let _ = writeln!(
                            text,
                            "{metric}{{ring=\"{ring}\",host=\"{host}\"}} {value} {at}"
                        );
                    }
                }
            }
        }
    }
    text + "# EOF\n"
}

fn good((metric, ..): Sample<'_>) -> Option<&'static str> {
    METRICS
        .iter()
        .find(|(known, _)| *known == metric)
        .map(|(_, value)| *value)
}

struct Fleet {
    change: Change,
    is_measured: bool,
    validation: &'static str,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            change: good,
            is_measured: true,
            validation: "true",
        }
    }
}

fn decided(fleet: &Fleet) -> Decision {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("policy.yaml"), "policy").unwrap();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    // Long enough ago that Prometheus takes it for the past.
    let until = now - now % 3600 - 6 * 3600;
    let port = free_port();
    let _server = fleet
        .is_measured
        .then(|| prometheus(folder, port, &past(until, fleet.change)));
    let until = UNIX_EPOCH + std::time::Duration::from_secs(until);
    let window = format!("until = \"{}\", window = ", Moment::at(until));
    let text = TEXT
        .replace("localhost:9090", &format!("localhost:{port}"))
        .replace("window = ", &window)
        .replace(
            "\"aegisbpf\", \"policy\", \"lint\"",
            &format!("{:?}", fleet.validation),
        );
    decide(folder, &text)
}

/// One with this past.
fn prometheus(folder: &Path, port: u16, past: &str) -> Server {
    let (metrics, data) = (folder.join("metrics.om"), folder.join("prometheus"));
    fs::write(&metrics, past).unwrap();
    done(
        program("usr/bin/promtool")
            .args(["tsdb", "create-blocks-from", "--max-block-duration=360h"])
            .args(["openmetrics", "--quiet"])
            .args([&metrics, &data]),
    );
    let config = folder.join("prometheus.yml");
    fs::write(&config, "global: {}\n").unwrap();
    let mut command = program("usr/bin/prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg("--storage.tsdb.retention.time=10y")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let mut server = Server::start(&mut command, folder, "prometheus");
    let ready = format!("http://127.0.0.1:{port}/-/ready");
    server.wait("Prometheus", || ureq::get(&ready).call().is_ok());
    server
}

fn check(name: &str, fleet: &Fleet, at: &str, step: Step, cause: &str) -> Decision {
    let decision = decided(fleet);
    let rollout = decision.rollout.clone().unwrap();
    let told: BTreeMap<String, String> = decision
        .items
        .iter()
        .map(|item| (item.id.clone(), format!("{:?}", item.causes())))
        .collect();
    assert_eq!(
        (rollout.at.as_str(), rollout.step),
        (at, step),
        "{name}: {told:#?}"
    );
    assert!(told[at].contains(cause), "{name}: {told:#?}");
    let is_over = decision.verdict == Verdict::Go;
    assert_eq!(is_over, step == Step::Promote, "{name}");
    decision
}

#[test]
#[ignore = "needs servers: cargo xtask test --services"]
#[expect(clippy::too_many_lines, reason = "a table of faults")]
fn a_fleet_is_promoted_held_or_rolled_back_by_its_past() {
    let fleet = |change: Change| Fleet {
        change,
        ..Fleet::default()
    };
    let (canary, hold, back) = ("phase-3-canary", Step::Hold, Step::Rollback);
    let mut history = String::new();
    let first = check(
        "good",
        &Fleet::default(),
        "phase-7-after",
        Step::Promote,
        "",
    );
    history = log::append(&history, &first).unwrap();
    let cpu = fleet(|sample| match sample {
        ("aegisbpf:cpu_percent", "canary", 2, 100) => Some("7.5"),
        other => good(other),
    });
    let spike = check(
        "a spike of CPU on one host",
        &cpu,
        canary,
        back,
        "is 7.5, every one below 5",
    );
    history = log::append(&history, &spike).unwrap();
    let memory = fleet(|sample| match sample {
        ("aegisbpf:memory_mb", "canary", ..) => Some("64"),
        other => good(other),
    });
    check("memory", &memory, canary, back, "is 64, every one below 50");
    let drops = fleet(|sample| match sample {
        ("aegisbpf:ring_buffer_drops", "half", 0, 0) => Some("1"),
        other => good(other),
    });
    check(
        "drops in the last sample",
        &drops,
        "phase-5-half",
        back,
        "is 1, every one at most 0",
    );
    let errors = fleet(|sample| match sample {
        ("application:errors_rise_percent", "all", ..) => Some("0.5"),
        other => good(other),
    });
    check(
        "applications fail",
        &errors,
        "phase-6-all",
        back,
        "is 0.5, every one at most 0",
    );
    let denied = fleet(|sample| match sample {
        ("aegisbpf:false_positive_percent", "shadow", 1, 3) => Some("0.02"),
        other => good(other),
    });
    check(
        "false positives in shadow",
        &denied,
        "phase-1-shadow",
        hold,
        "is 0.02, every one below 0.01",
    );
    let silent = fleet(|sample| match sample {
        ("aegisbpf:cpu_percent", "quarter", ..) => None,
        other => good(other),
    });
    let missing = check(
        "no data",
        &silent,
        "phase-4-quarter",
        hold,
        "0 series; 2 must be there",
    );
    history = log::append(&history, &missing).unwrap();
    let alone = fleet(|sample| match sample {
        ("aegisbpf:cpu_percent", "canary", 1 | 2, _) => None,
        other => good(other),
    });
    check(
        "one host measured",
        &alone,
        canary,
        hold,
        "1 series; 2 must be there",
    );
    let gap = fleet(|sample| match sample {
        ("aegisbpf:memory_mb", "canary", 0, 50..=150) => None,
        other => good(other),
    });
    check("hours without data", &gap, canary, hold, "too few samples");
    let odd = fleet(|sample| match sample {
        ("aegisbpf:memory_mb", "canary", 0, 7) => Some("NaN"),
        other => good(other),
    });
    check(
        "no numbers",
        &odd,
        canary,
        hold,
        "samples that are no numbers",
    );
    let blind = Fleet {
        is_measured: false,
        ..Fleet::default()
    };
    check("no Prometheus", &blind, "phase-1-shadow", hold, "Missing");
    let unsound = Fleet {
        validation: "false",
        ..Fleet::default()
    };
    check(
        "a bad policy",
        &unsound,
        "phase-0-validation",
        hold,
        "it exited with 1",
    );

    let events = log::read(&history).unwrap();
    let told = events
        .iter()
        .map(|event| (event.phase.as_str(), event.answer, event.step));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("phase-7-after", Answer::Successful, Step::Promote),
            (canary, Answer::Failed, Step::Rollback),
            ("phase-4-quarter", Answer::Inconclusive, Step::Hold),
        ]
    );
}
