//! What the doctor found, for people and machines.

use std::fmt::Write as _;

use harness::accel::Accel;
use serde::Serialize;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Diagnosis {
    pub(super) checks: Vec<Check>,
    pub(super) accelerator: Accelerator,
}

/// One thing that was looked for.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: &'static str,
    status: Status,
    /// Version and place, or what is wanting.
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Ok,
    /// Not there, and other tasks need it.
    Missing,
    /// Not there, but not needed by all.
    Optional,
}

/// What machines would run with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub(super) enum Accelerator {
    Known { accel: Accel, reason: String },
    Unknown { reason: String },
}

impl Check {
    pub(super) fn found(name: &'static str, detail: String) -> Self {
        Self {
            name,
            status: Status::Ok,
            detail,
            remedy: None,
        }
    }

    pub(super) fn wanting(
        name: &'static str,
        status: Status,
        detail: String,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name,
            status,
            detail,
            remedy: Some(remedy.into()),
        }
    }
}

impl Diagnosis {
    /// Whether nothing is missing that is needed.
    pub(super) fn is_healthy(&self) -> bool {
        self.checks
            .iter()
            .all(|check| check.status != Status::Missing)
    }

    /// One line for each check, and one more for what to do.
    pub(super) fn table(&self) -> String {
        let mut rows: Vec<_> = self
            .checks
            .iter()
            .map(|check| {
                let word = match check.status {
                    Status::Ok => "ok",
                    Status::Missing => "MISSING",
                    Status::Optional => "not there",
                };
                (check.name, word, &*check.detail, check.remedy.as_deref())
            })
            .collect();
        let accelerator = match &self.accelerator {
            Accelerator::Known { accel, reason } => ("ok", format!("{accel}: {reason}")),
            Accelerator::Unknown { reason } => ("unknown", reason.clone()),
        };
        rows.push(("accelerator", accelerator.0, &accelerator.1, None));
        let width = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
        let mut table = String::new();
        for (name, word, detail, remedy) in rows {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{name:<width$}  {word:<9}  {detail}");
            if let Some(remedy) = remedy {
                let _ = writeln!(table, "{:<width$}  {:<9}  to mend it: {remedy}", "", "");
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis() -> Diagnosis {
        Diagnosis {
            checks: vec![
                Check::found("rustc", "1.95.0".into()),
                Check::wanting("QEMU", Status::Missing, "no QEMU".into(), "apt-get it"),
                Check::wanting("cargo-deny", Status::Optional, "none".into(), "install it"),
            ],
            accelerator: Accelerator::Known {
                accel: Accel::Tcg,
                reason: "there is no /dev/kvm".into(),
            },
        }
    }

    #[test]
    fn the_table_says_what_to_do() {
        insta::assert_snapshot!(diagnosis().table(), @r#"
rustc        ok         1.95.0
QEMU         MISSING    no QEMU
                        to mend it: apt-get it
cargo-deny   not there  none
                        to mend it: install it
accelerator  ok         tcg: there is no /dev/kvm
"#);
    }

    #[test]
    fn the_json_has_the_same() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&diagnosis()).unwrap(), @r#"
{
  "checks": [
    {
      "name": "rustc",
      "status": "ok",
      "detail": "1.95.0"
    },
    {
      "name": "QEMU",
      "status": "missing",
      "detail": "no QEMU",
      "remedy": "apt-get it"
    },
    {
      "name": "cargo-deny",
      "status": "optional",
      "detail": "none",
      "remedy": "install it"
    }
  ],
  "accelerator": {
    "status": "known",
    "accel": "tcg",
    "reason": "there is no /dev/kvm"
  }
}
"#);
    }

    #[test]
    fn only_what_is_needed_decides_about_health() {
        let mut diagnosis = diagnosis();
        assert!(!diagnosis.is_healthy());
        diagnosis.checks.remove(1);
        assert!(diagnosis.is_healthy());
    }
}
