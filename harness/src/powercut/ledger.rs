//! Whether what is found after a cut follows from what was known before it.

use serde::Serialize;
use serde_json::Value;

use super::program::Which;

/// What a boot has found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The entries of the history, which the agent has checked as a chain.
    pub entries: Vec<Value>,
    /// Which files are denied: those of A, then those of B.
    pub denied: Vec<bool>,
}

/// What is known of a disk.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    entries: Vec<Value>,
    /// Policies that were acknowledged since, in order.
    acknowledged: Vec<Which>,
    /// The digests of A and B, once they were seen.
    digests: [Option<String>; 2],
}

/// Which policy outlived a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Survivor {
    /// The last one that was acknowledged.
    Old,
    /// The one that was being applied.
    New,
}

impl Ledger {
    /// A policy was acknowledged, with this answer.
    pub fn acknowledge(&mut self, which: Which, answer: &Value) -> Result<(), String> {
        let digest = answer.pointer("/applied/policy").and_then(Value::as_str);
        let digest = digest.ok_or_else(|| format!("the answer names no policy: {answer}"))?;
        self.learn(which, digest)?;
        self.acknowledged.push(which);
        Ok(())
    }

    /// How many were acknowledged in this boot.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.len() as u64
    }

    fn learn(&mut self, which: Which, digest: &str) -> Result<(), String> {
        let known = self.digests[which as usize].get_or_insert_with(|| digest.to_owned());
        if known == digest {
            Ok(())
        } else {
            Err(format!(
                "policy {which:?} had digest {known}, and now {digest}"
            ))
        }
    }

    /// Take in what the first boot finds: one policy, A.
    pub fn begin(&mut self, found: Found) -> Result<(), String> {
        let [entry] = &found.entries[..] else {
            return Err(format!("a new disk has {} entries", found.entries.len()));
        };
        let digest = applied(entry)?.to_owned();
        self.learn(Which::A, &digest)?;
        in_force(&found.denied, Which::A)?;
        self.entries = found.entries;
        Ok(())
    }

    /// Hold what the boot after a cut finds against what is known.
    pub fn survive(&mut self, found: Found) -> Result<Survivor, String> {
        let known = self.entries.len();
        let before = found.entries.get(..known);
        if before != Some(&self.entries[..]) {
            return Err(format!(
                "the history had {known} entries before the cut, and they are not what it begins with now: {} entries",
                found.entries.len()
            ));
        }
        let newer = &found.entries[known..];
        let acknowledged = self.acknowledged.len();
        let survivor = match newer.len().checked_sub(acknowledged) {
            Some(0) => Survivor::Old,
            Some(1) => Survivor::New,
            _ => {
                return Err(format!(
                    "{acknowledged} policies were acknowledged before the cut, and the history has {} of them",
                    newer.len()
                ));
            }
        };
        for (number, entry) in newer.iter().enumerate() {
            let which = Which::applied(number);
            self.learn(which, applied(entry)?)?;
        }
        let last = found.entries.last().map(applied).transpose()?;
        let is = |which: Which| last == self.digests[which as usize].as_deref();
        let current = if is(Which::A) { Which::A } else { Which::B };
        in_force(&found.denied, current)?;
        self.entries = found.entries;
        self.acknowledged.clear();
        Ok(survivor)
    }
}

/// The policy of an entry that says that one was applied.
fn applied(entry: &Value) -> Result<&str, String> {
    let digest = entry.pointer("/event/applied/policy");
    digest
        .and_then(Value::as_str)
        .ok_or_else(|| format!("an entry applies no policy: {entry}"))
}

/// Everything of a policy is denied, and nothing of the other.
fn in_force(denied: &[bool], which: Which) -> Result<(), String> {
    let (a, b) = denied.split_at(denied.len() / 2);
    let (own, others) = match which {
        Which::A => (a, b),
        Which::B => (b, a),
    };
    if own.iter().all(|denied| *denied) && !others.contains(&true) {
        Ok(())
    } else {
        Err(format!(
            "by the history {which:?} is in force; denied are, of A and B: {a:?} {b:?}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Ledger, Survivor};
    use crate::powercut::program::Which;
    use serde_json::{Value, json};

    fn entry(sequence: u64, policy: &str) -> Value {
        json!({"sequence": sequence, "event": {"applied": {"policy": policy}}})
    }

    fn found(policies: &str, denied: &str) -> Found {
        let entries = (1..).zip(policies.chars());
        Found {
            entries: entries
                .map(|(number, policy)| entry(number, &policy.to_string()))
                .collect(),
            denied: denied.chars().map(|one| one == 'x').collect(),
        }
    }

    /// After a first boot with two acknowledged policies.
    fn known() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.begin(found("a", "xx..")).unwrap();
        for which in [Which::B, Which::A] {
            let digest = if which == Which::A { "a" } else { "b" };
            let answer = json!({"applied": {"policy": digest}});
            ledger.acknowledge(which, &answer).unwrap();
        }
        ledger
    }

    #[test]
    fn only_the_old_or_the_new_policy_whole_with_everything_acknowledged_survives() {
        let check = |policies: &str, denied: &str, expected: Result<Survivor, &str>| match (
            known().survive(found(policies, denied)),
            expected,
        ) {
            (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
            (survivor, expected) => assert_eq!(survivor, expected.map_err(str::to_owned)),
        };
        check("aba", "xx..", Ok(Survivor::Old));
        check("abab", "..xx", Ok(Survivor::New));
        check("ab", "..xx", Err("2 policies were acknowledged"));
        check("ababa", "xx..", Err("2 policies were acknowledged"));
        check("aba", "..xx", Err("A is in force; denied are"));
        check("aba", "x...", Err("A is in force; denied are"));
        check("abab", "xxxx", Err("B is in force; denied are"));
        check("bba", "xx..", Err("not what it begins with"));
        check("", "xx..", Err("not what it begins with"));
        check("aab", "..xx", Err("policy B had digest b, and now a"));
    }
}
