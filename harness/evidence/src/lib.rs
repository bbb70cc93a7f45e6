//! Go-live evidence: a checklist says what must be shown, a bundle shows it, and
//! the decision is GO or NO-GO with the reason for each item.
//!
//! The core is pure: reading evidence, checking a bundle and deciding are
//! functions of bytes and a time. Only [`collect`] runs commands and asks
//! running services, and only it and [`bundle::folder`] touch files.
//!
//! | module | holds |
//! | --- | --- |
//! | [`checklist`] | what must be shown, as people write it |
//! | [`predicate`] | kinds of evidence, and what is asked of each |
//! | [`service`] | what is asked of running services, and what they answered |
//! | [`cause`] | why a claim does not stand |
//! | [`bundle`] | evidence in a folder, and whether it can be believed |
//! | [`sign`] | signed statements: in-toto in DSSE, by Ed25519 |
//! | [`trust`] | whose keys, in which roles |
//! | [`evaluate`] | the decision |
//! | [`rollout`] | phases: promote, hold or roll back |
//! | [`collect`] | from a checklist to a bundle |
//! | [`import`] | checklists as people write them, and back
//! | [`report`] | the decision for people: terminal, Markdown, one page of HTML |
//! | [`canonical`] | JSON with one text for each value |
//! | [`digest`], [`moment`] | digests, subjects; moments, ages |
//! | `written` | mistakes in files that people write |

pub mod bundle;
pub mod canonical;
pub mod cause;
pub mod checklist;
pub mod collect;
pub mod digest;
pub mod evaluate;
pub mod import;
pub mod moment;
pub mod predicate;
pub mod report;
pub mod rollout;
pub mod service;
pub mod sign;
pub mod trust;
mod written;

pub use bundle::Bundle;
pub use checklist::Checklist;
pub use digest::{Digest, Identity};
pub use evaluate::{Decision, Verdict, evaluate};
pub use moment::{Age, Moment};
pub use trust::Trust;
pub use written::Mistake;

/// A schema in docs/schema is that of the code; `UPDATE_SCHEMA=1` makes it so.
#[cfg(test)]
fn published(path: &str, schema: &schemars::Schema) {
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        known == text,
        "{path} is not that of the code: run with UPDATE_SCHEMA=1"
    );
}
