//! What is wrong with a policy that is well formed. Pure: the policy and what
//! is known of the host go in, findings come out.
//!
//! | module | holds |
//! | --- | --- |
//! | [`host`] | what a host cannot do without |
//! | [`lockout`] | rules that would take it away: errors, never applied |
//! | [`reach`] | rules that nothing meets or that another one covers: warnings |

pub mod host;
mod lockout;
mod reach;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::model::{Action, Policy, Rule, Subject};
pub use host::{Host, Vital};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The policy is refused.
    Error,
    /// It is applied; somebody should look.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The rule's id; absent for the policy's own fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(to, "{severity}: ")?;
        if let Some(rule) = &self.rule {
            write!(to, "rule {rule:?} ")?;
        }
        write!(to, "{}: {}", self.problem, self.advice)
    }
}

/// Everything that is wrong, the worst first.
pub fn lint(policy: &Policy, host: &Host) -> Vec<Finding> {
    let mut findings = lockout::findings(policy, host);
    findings.extend(reach::findings(policy));
    findings.sort_by_key(|finding| finding.severity);
    findings
}

impl Rule {
    fn finding(&self, severity: Severity, problem: String, advice: impl Into<String>) -> Finding {
        Finding {
            severity,
            rule: Some(self.id.clone()),
            problem,
            advice: advice.into(),
        }
    }

    /// Whether it can deny something.
    fn denies(&self) -> bool {
        self.action > Action::Audit
    }
}

impl Subject {
    /// Whether whoever is `other` is this one too.
    fn covers(&self, other: &Self) -> bool {
        let same = |this: &Option<_>, other: &Option<_>| this.is_none() || this == other;
        let inside = match (&self.cgroup, &other.cgroup) {
            (None, _) => true,
            (Some(outer), Some(inner)) => inner.as_path().starts_with(outer.as_path()),
            (Some(_), None) => false,
        };
        let (first, last) = other.uid.unwrap_or((0, u32::MAX));
        let uid = self.uid.is_none_or(|uid| uid.0 <= first && last <= uid.1);
        let namespace =
            self.mount_namespace.is_none() || self.mount_namespace == other.mount_namespace;
        same(&self.program, &other.program) && inside && uid && namespace
    }
}

/// The subjects of a scope, with everyone for an empty one.
fn subjects(scope: &[Subject]) -> Vec<Subject> {
    if scope.is_empty() {
        vec![Subject::default()]
    } else {
        scope.to_vec()
    }
}

#[cfg(test)]
mod tests;
