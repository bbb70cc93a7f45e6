//! Prometheus and Alertmanager.

use std::{fs, path::Path};

use serde_json::Value;

use crate::server::{Server, free_port, program, program_with_share};

/// How it is set up; one thing may be wrong.
#[derive(Debug, Clone)]
pub(crate) struct Monitoring {
    pub(crate) rules: &'static str,
    /// The file that is checked, when it is another than the one that is
    /// loaded.
    pub(crate) checked_rules: Option<&'static str>,
    pub(crate) receiver: &'static str,
    /// Whether Prometheus knows Alertmanager.
    pub(crate) is_connected: bool,
    /// Whether somebody has silenced everything.
    pub(crate) silenced: bool,
}

pub(crate) const RULES: &str = "groups:\n- name: service\n  rules:\n  - alert: Watchdog\n    expr: vector(1)\n    labels: {severity: page}\n  - alert: JobsFail\n    expr: jobs_failed_total > 0\n    labels: {severity: page}\n";

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            rules: RULES,
            checked_rules: None,
            receiver: "pager",
            is_connected: true,
            silenced: false,
        }
    }
}

/// They run.
pub(crate) struct Monitors {
    pub(crate) prometheus: u16,
    pub(crate) alertmanager: u16,
    _servers: [Server; 2],
}

impl Monitors {
    /// Of services on these ports, as the job `api`. Ready when there are some
    /// samples, and alerts have come to where they come.
    pub(crate) fn start(set_up: &Monitoring, folder: &Path, targets: &[u16]) -> Self {
        let (prometheus, alertmanager) = (free_port(), free_port());
        fs::write(folder.join("loaded-alerts.yaml"), set_up.rules).unwrap();
        let checked = set_up.checked_rules.unwrap_or(set_up.rules);
        fs::write(folder.join("alerts.yaml"), checked).unwrap();
        let receiver = set_up.receiver;
        let config = folder.join("alertmanager.yml");
        fs::write(
            &config,
            format!("route:\n  receiver: {receiver}\n  group_wait: 100ms\nreceivers:\n- name: {receiver}\n"),
        )
        .unwrap();
        let mut command = program_with_share("usr/bin/prometheus-alertmanager");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.path={}",
                folder.join("alertmanager").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{alertmanager}"))
            .arg("--cluster.listen-address=");
        let mut alerts = Server::start(&mut command, folder, "alertmanager");
        alerts.wait_for_port(alertmanager);
        if set_up.silenced {
            silence(alertmanager);
        }
        let known = if set_up.is_connected {
            alertmanager
        } else {
            free_port()
        };
        let targets: Vec<String> = targets
            .iter()
            .map(|port| format!("'127.0.0.1:{port}'"))
            .collect();
        let config = folder.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}\n\
             rule_files: [loaded-alerts.yaml]\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{known}']}}]}}]}}\n\
             scrape_configs:\n- job_name: api\n  static_configs: [{{targets: [{}]}}]\n",
            targets.join(",")
        );
        fs::write(&config, text).unwrap();
        let mut command = program("usr/bin/prometheus");
        command
            // The first time, it does not yet know Alertmanager.
            .arg("--rules.alert.resend-delay=1s")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("prometheus").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{prometheus}"));
        let mut metrics = Server::start(&mut command, folder, "prometheus");
        metrics.wait_for_port(prometheus);
        let query = "min(count_over_time(up[1h])) >= 9";
        metrics.wait("samples", || {
            let url = format!("http://127.0.0.1:{prometheus}/api/v1/query");
            let url = format!(
                "{url}?query={}",
                query.replace(' ', "%20").replace('>', "%3E")
            );
            let answer = get(&url);
            answer["data"]["result"]
                .as_array()
                .is_some_and(|series| !series.is_empty())
        });
        if set_up.is_connected && set_up.rules.contains("Watchdog") {
            metrics.wait("alerts", || {
                let answer = get(&format!("http://127.0.0.1:{alertmanager}/api/v2/alerts"));
                answer.as_array().is_some_and(|alerts| {
                    alerts
                        .iter()
                        .any(|alert| alert["status"]["state"] != "unprocessed")
                })
            });
        }
        Self {
            prometheus,
            alertmanager,
            _servers: [alerts, metrics],
        }
    }
}

fn get(url: &str) -> Value {
    let text = ureq::get(url)
        .call()
        .and_then(|mut answer| answer.body_mut().read_to_string());
    text.ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

fn silence(alertmanager: u16) {
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
    let silence = serde_json::json!({
        "matchers": [{ "name": "alertname", "value": ".+", "isRegex": true }],
        "startsAt": now.to_rfc3339(), "endsAt": (now + chrono::Duration::hours(1)).to_rfc3339(),
        "createdBy": "somebody", "comment": "too loud",
    });
    let url = format!("http://127.0.0.1:{alertmanager}/api/v2/silences");
    let request = ureq::post(&url).header("content-type", "application/json");
    request.send(silence.to_string()).unwrap();
}
