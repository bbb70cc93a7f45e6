//! What the executable `agent-host` does for an agent that does not speak the
//! proving ground's lines itself: it runs the agent's own commands, says when
//! it is ready, and turns its log into events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where the guest finds the executable.
pub const AGENT_HOST_PATH: &str = "/bin/agent-host";

/// One start of an agent, as `agent-host run JSON` is told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hosted {
    /// Made first, with their parents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<String>,
    /// Run to their end before the daemon starts, in order; each must exit
    /// with 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Vec<String>>,
    /// The process that goes on, if the agent has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<Daemon>,
    /// Run once the daemon says that it is ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Vec<String>>,
    /// How another policy file comes into force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reloading>,
    /// Run when the agent is to stop, once the daemon has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<Vec<String>>,
    /// Which lines are events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventLines>,
}

/// A process that goes on, in the foreground.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Daemon {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// A line of its output that has this in it says that it is ready.
    pub ready: String,
    /// The number of the signal that makes it end.
    pub stop: i32,
}

/// How another policy file comes into force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reloading {
    /// By these commands, while the daemon goes on.
    Commands(Vec<Vec<String>>),
    /// By stopping everything and starting it anew.
    Restart,
}

/// Where lines come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineSource {
    /// The daemon's standard output and standard error.
    #[default]
    Daemon,
    /// The kernel's log.
    Kernel,
}

/// What makes a line an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventLines {
    /// Where the line is.
    #[serde(default)]
    pub from: LineSource,
    /// All of these are in it.
    pub contains: Vec<String>,
    /// What each such event holds.
    pub says: Map<String, Value>,
    /// Fields whose text is cut out of the line; a line that lacks one is no
    /// event.
    pub fields: BTreeMap<String, Cut>,
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cut {
    /// What stands before it, for the first time.
    pub after: String,
    /// What follows it.
    pub before: String,
}

impl EventLines {
    /// The event that a line tells of.
    pub fn event(&self, line: &str) -> Option<Value> {
        if !self.contains.iter().all(|text| line.contains(text)) {
            return None;
        }
        let mut event = self.says.clone();
        for (name, cut) in &self.fields {
            let (_, rest) = line.split_once(&cut.after)?;
            let (found, _) = rest.split_once(&cut.before)?;
            event.insert(name.clone(), found.into());
        }
        Some(event.into())
    }
}

#[cfg(test)]
mod tests {
    use super::EventLines;
    use serde_json::{Value, json};

    #[test]
    fn a_line_is_an_event_only_when_everything_is_in_it() {
        let lines: EventLines = serde_json::from_value(json!({
            "contains": ["type=SYSCALL", "key="],
            "says": {"type": "denial"},
            "fields": {"rule": {"after": "key=\"", "before": "\""}},
        }))
        .unwrap();
        let check = |line: &str, rule: Option<&str>| {
            let expected = rule.map(|rule| json!({"type": "denial", "rule": rule}));
            assert_eq!(lines.event(line), expected, "{line}");
        };
        check(
            "type=SYSCALL msg=audit(1:2): exit=3 key=\"secret\" x",
            Some("secret"),
        );
        check("type=SYSCALL msg=audit(1:2): key=(null)", None);
        check("type=CWD key=\"secret\"", None);
        check("type=SYSCALL key=\"cut off", None);
        let everything: EventLines =
            serde_json::from_value(json!({"contains": [], "says": {}, "fields": {}})).unwrap();
        assert_eq!(everything.event(""), Some(Value::Object(<_>::default())));
    }
}
