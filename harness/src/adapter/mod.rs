//! How an agent is configured, started and asked. Everything that differs
//! between agents is behind [`Adapter`]; all of it is data or pure.
//!
//! | module | holds |
//! | --- | --- |
//! | `aegisbpf`, `null` | the reference agent, and no agent at all |
//! | [`declared`] | an agent that a folder describes |
//! | [`vocabulary`] | what an agent's lines can say |

mod aegisbpf;
pub mod declared;
mod null;
pub mod vocabulary;

use harness_proto::{Blank, Decided, Exit};
use scenarios::{
    Mode, Rule,
    schema::{Degraded, Errno, Ring},
};
use serde::Serialize;
use serde_json::Value;

pub use aegisbpf::AegisBpf;
pub use declared::{AdapterError, Declared};
pub use null::Null;
pub use vocabulary::Vocabulary;

use crate::ability::Ability;

/// One kind of agent.
pub trait Adapter: Send + Sync {
    /// Its name in cells and reports; a part of file names.
    fn name(&self) -> &str;
    /// What it does while a scenario is tried.
    fn role(&self) -> Role {
        Role::Judged
    }
    /// What it denies has one of these.
    fn errnos(&self) -> &[Errno] {
        &[Errno::EPERM]
    }
    /// What its events can be held against of what a scenario asks of them, and
    /// the names of the fields that cannot; nothing if it has no such events.
    fn tells(&self, matches: &Value) -> Option<(Value, Vec<String>)> {
        Some((matches.clone(), Vec::new()))
    }
    /// LSMs that are active besides those of the boot mode.
    fn lsms(&self) -> &[String] {
        &[]
    }
    /// Where its executable is in the guest, if it has one.
    fn executable(&self) -> Option<&str>;
    /// Whether it has such a thing.
    fn can(&self, ability: Ability) -> bool;
    /// Where its policy is in the guest.
    fn policy_path(&self) -> &str;
    /// The rules in its own language. No rules make a valid policy that denies
    /// nothing.
    fn policy(&self, rules: &Rules<'_>) -> PolicyFile;
    /// The command that runs it in the foreground, writing JSON lines. `degrade`
    /// may be audited where it cannot be enforced.
    fn start(&self, mode: Mode, degrade: &[Degraded]) -> Vec<String>;
    /// What is added to that command for it to test itself so often while it runs,
    /// or never.
    fn canary_every(&self, _: Option<&str>) -> Vec<String> {
        Vec::new()
    }
    /// The command that brings the policy file into force and prints a JSON
    /// object, or only says what it would do. What is not confirmed within the time
    /// given is taken back.
    fn apply(&self, _dry_run: bool, _confirm_within: Option<&str>) -> Option<Vec<String>> {
        None
    }
    /// What the line that says it is ready holds.
    fn ready(&self) -> Value;
    /// How it is told that its policy has changed, and what it answers.
    fn reload(&self) -> Reload;
    /// How it ends when it is asked to by `SIGTERM`.
    fn terminated(&self) -> Exit;
    /// The command that prints its health as one JSON object.
    fn health(&self) -> Vec<String>;
    /// The command that ends enforcement; the agent is not running then.
    fn detach(&self) -> Vec<String>;
    /// Where it accounts for the events of a channel, if it does.
    fn ledger(&self, ring: Ring) -> Option<Ledger>;
    /// Which of its lines say under which policy something was denied, if any do.
    fn decided(&self) -> Option<Decided> {
        None
    }
    /// What its lines and its health can say.
    fn vocabulary(&self) -> Vocabulary;
    /// The exit status with which it says that the kernel's verifier refused
    /// a program.
    fn verifier_exit(&self) -> Option<i32>;
}

/// What an agent does while a scenario is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is held against what the scenario says.
    Judged,
    /// It runs and has no rules: everything must be as it is without it.
    Idle,
    /// Nothing is started.
    Absent,
}

/// Rules in no agent's own language.
#[derive(Debug, Clone, Default)]
pub struct Rules<'a> {
    /// In the order of the scenario.
    pub rules: Vec<&'a Rule>,
    /// Programs that none of them holds for.
    pub never_deny: &'a [String],
}

/// A policy in an agent's own language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyFile {
    /// The whole text.
    pub content: String,
    /// What of it the guest writes over, and with what.
    pub blanks: Vec<Blank>,
}

/// Where an agent accounts for its events.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ledger {
    /// What each line of the channel holds.
    pub records: Value,
    /// The field of such a line that numbers it.
    pub number: String,
    /// What the line holds in which the agent sums up at its end.
    pub summary: Value,
    /// The field of the summary with how many lines it delivered.
    pub delivered: String,
    /// The field with how many there should have been.
    pub attempts: String,
    /// The field with how many of them were lost.
    pub lost: String,
}

/// How an agent takes another policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Reload {
    /// The signal that makes it look.
    pub signal: i32,
    /// What its answer holds in either case.
    pub answer: Value,
    /// What the answer holds as well when the policy is in force.
    pub applied: Value,
    /// What the answer holds as well when the old policy stays.
    pub refused: Value,
}
