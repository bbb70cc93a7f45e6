//! Whether an interface is compatible with the one before, by the differ of
//! one's choice: its exit code says compatible, breaking, or that the differ
//! itself failed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, Stated, command::CommandRecord, command::End};
use crate::cause::Cause;

/// What the differ's exit codes mean. Any other means that it could not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Whoever uses the interface notices nothing.
    #[serde(default = "zero")]
    compatible: Vec<i32>,
    /// Somebody's program breaks.
    breaking: Vec<i32>,
}

fn zero() -> Vec<i32> {
    vec![0]
}

impl Contract {
    pub(super) fn problem(&self) -> Option<String> {
        if self.breaking.is_empty() || self.compatible.is_empty() {
            return Some("no exit code of one kind, so it would always say the same".into());
        }
        let both = self
            .breaking
            .iter()
            .find(|code| self.compatible.contains(code))?;
        Some(format!(
            "the exit code {both} is both compatible and breaking"
        ))
    }

    pub(super) fn read(&self, bytes: &[u8], command: Option<&[String]>) -> Result<Reading, Cause> {
        let record = CommandRecord::read(bytes, command)?;
        let said = record.last_line();
        let cause = match &record.end {
            End::Exited(code) if self.compatible.contains(code) => None,
            End::Exited(code) if self.breaking.contains(code) => {
                Some(Cause::failed(format!("the interface breaks{said}")))
            }
            other => Some(Cause::inconclusive(format!(
                "the differ could not tell, {other:?}{said}"
            ))),
        };
        let stated = Stated {
            at: Some(record.started),
            ..Stated::default()
        };
        let shown = format!("`{}` found it compatible", record.argv.join(" "));
        Ok(Reading::of(stated, cause.into_iter().collect(), shown))
    }
}
