//! Rules that the running Prometheus evaluates, and alerts that reach somebody.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, Stated};
use crate::{
    cause::Cause,
    moment::Age,
    service::{
        Record,
        alerting::{AlertingAsked, AlertingFacts},
    },
};

/// What must be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertingExpected {
    /// Alert rules that are loaded and evaluated without an error.
    #[serde(default)]
    rules: Vec<String>,
    /// Alerts that have come to Alertmanager and go to somebody. One that
    /// always fires shows that the way is open.
    #[serde(default)]
    routed: Vec<Routed>,
}

/// An alert and whom it must reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Routed {
    /// Its name.
    alert: String,
    /// Whom it must reach.
    receiver: String,
    /// How long before the asking Prometheus may have said it last.
    within: Age,
}

impl AlertingExpected {
    pub(super) fn problem(&self) -> Option<String> {
        (self.rules.is_empty() && self.routed.is_empty())
            .then(|| "neither `rules` nor `routed`, so it would always pass".into())
    }

    pub(super) fn read(
        &self,
        bytes: &[u8],
        asked: Option<&AlertingAsked>,
    ) -> Result<Reading, Cause> {
        let record: Record<AlertingAsked, AlertingFacts> = Record::read(bytes, asked)?;
        let facts = &record.facts;
        let rules = self.rules.iter().filter_map(|name| rule_cause(name, facts));
        let routed = self.routed.iter().filter_map(|routed| {
            let mut own = facts
                .alerts
                .iter()
                .filter(|alert| alert.labels.get("alertname") == Some(&routed.alert));
            routed.cause(&mut own, record.started)
        });
        let causes = rules.chain(routed).collect();
        let stated = Stated {
            at: Some(record.started),
            ..Stated::default()
        };
        let shown = format!(
            "{} rules are evaluated, {} alerts reach whom they must",
            self.rules.len(),
            self.routed.len()
        );
        Ok(Reading::of(stated, causes, shown))
    }
}

fn rule_cause(name: &str, facts: &AlertingFacts) -> Option<Cause> {
    let mut own = facts
        .rules
        .iter()
        .filter(|rule| rule.name == name)
        .peekable();
    if own.peek().is_none() {
        return Some(Cause::failed(format!(
            "Prometheus has no alert rule `{name}`"
        )));
    }
    let unwell = own.find(|rule| rule.health != "ok")?;
    let error = unwell.last_error.as_deref().unwrap_or("not evaluated yet");
    let why = format!("the alert rule `{name}`: {error}");
    Some(if unwell.health == "err" {
        Cause::failed(why)
    } else {
        Cause::inconclusive(why)
    })
}

impl Routed {
    fn cause(
        &self,
        own: &mut dyn Iterator<Item = &'_ crate::service::alerting::Alert>,
        asked: crate::moment::Moment,
    ) -> Option<Cause> {
        let name = &self.alert;
        let mut problem = Cause::failed(format!("no alert `{name}` has come to Alertmanager"));
        for alert in own {
            let age = asked.since(alert.updated).unwrap_or_default();
            let receivers = alert.receivers.join(", ");
            if alert.state != "active" {
                let state = &alert.state;
                problem = Cause::failed(format!("`{name}` is {state}, so nobody is told"));
            } else if age > self.within.0 {
                let age = Age(age);
                problem = Cause::failed(format!("`{name}` was last said {age} before"));
            } else if !alert.receivers.contains(&self.receiver) {
                let receiver = &self.receiver;
                let why = format!("`{name}` goes to {receivers}, not to {receiver}");
                problem = Cause::failed(why);
            } else {
                return None;
            }
        }
        Some(problem)
    }
}
