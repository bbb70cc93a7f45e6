//! No agent at all. It can everything, so that every scenario is tried; but
//! none of its commands is ever run, because
//! [`crate::expand::expand_without_agent`] starts nothing.

use harness_proto::Exit;
use scenarios::{
    Mode,
    schema::{Degraded, Ring},
};
use serde_json::{Value, json};

use super::{Adapter, Ledger, PolicyFile, Reload, Role, Rules, Vocabulary};
use crate::ability::Ability;

/// No agent at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Null;

impl Adapter for Null {
    fn name(&self) -> &'static str {
        "null"
    }

    fn role(&self) -> Role {
        Role::Absent
    }

    fn executable(&self) -> Option<&'static str> {
        None
    }

    fn can(&self, _: Ability) -> bool {
        true
    }

    fn policy_path(&self) -> &'static str {
        "/dev/null"
    }

    fn policy(&self, _: &Rules<'_>) -> PolicyFile {
        PolicyFile::default()
    }

    fn start(&self, _: Mode, _: &[Degraded]) -> Vec<String> {
        Vec::new()
    }

    fn ready(&self) -> Value {
        json!({})
    }

    fn reload(&self) -> Reload {
        Reload {
            signal: 0,
            answer: json!({}),
            applied: json!({}),
            refused: json!({}),
        }
    }

    fn terminated(&self) -> Exit {
        Exit::Status(0)
    }

    fn health(&self) -> Vec<String> {
        Vec::new()
    }

    fn detach(&self) -> Vec<String> {
        Vec::new()
    }

    fn ledger(&self, _: Ring) -> Option<Ledger> {
        None
    }

    /// It says nothing.
    fn vocabulary(&self) -> Vocabulary {
        Vocabulary {
            tag: "type",
            lines: &[],
            health: &[],
            applied: &[],
        }
    }

    fn verifier_exit(&self) -> Option<i32> {
        None
    }
}
