//! The reference agent of this project.

mod policy;
mod vocabulary;

use harness_proto::{Decided, Exit};
use scenarios::{
    Mode,
    schema::{Degraded, Ring},
};
use serde_json::{Value, json};

use super::{Adapter, Ledger, PolicyFile, Reload, Rules, Vocabulary};
use crate::ability::Ability;

/// The reference agent of this project.
#[derive(Debug, Clone, Copy, Default)]
pub struct AegisBpf;

const EXECUTABLE: &str = "/bin/aegisbpf";
const POLICY: &str = "/etc/aegisbpf/policy.yaml";
const SIGHUP: i32 = 1;

impl Adapter for AegisBpf {
    fn name(&self) -> &'static str {
        "aegisbpf"
    }

    fn executable(&self) -> Option<&'static str> {
        Some(EXECUTABLE)
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::File(_)
            | Ability::Exec
            | Ability::Network(_)
            | Ability::Kernel(_)
            | Ability::Object(_)
            | Ability::Scope(_)
            | Ability::Except
            | Ability::NeverDeny
            | Ability::AuditRule
            | Ability::KillRule
            | Ability::RevokeHeld
            | Ability::Account
            | Ability::Apply
            | Ability::RepeatCanary
            | Ability::Generations
            | Ability::Enforce
            | Ability::AuditMode
            | Ability::Degrade
            | Ability::Refuse
            | Ability::ReferencePolicy
            | Ability::KillProcess
            | Ability::PauseProcess
            | Ability::BpfLinks
            | Ability::Events
            | Ability::Health => true,
        }
    }

    fn policy_path(&self) -> &'static str {
        POLICY
    }

    fn policy(&self, rules: &Rules<'_>) -> PolicyFile {
        policy::write(rules)
    }

    fn start(&self, mode: Mode, degrade: &[Degraded]) -> Vec<String> {
        let mode = match mode {
            Mode::Enforce => "enforce",
            Mode::Audit => "audit",
        };
        let mut command = words(&[EXECUTABLE, "run", "--policy", POLICY, "--mode", mode]);
        let domains = degrade.iter().map(|domain| match domain {
            Degraded::File => "file",
            Degraded::Exec => "exec",
        });
        let domains = domains.collect::<Vec<_>>().join(",");
        if !domains.is_empty() {
            command.push(format!("--degrade={domains}=audit"));
        }
        command
    }

    fn canary_every(&self, every: Option<&str>) -> Vec<String> {
        words(&["--canary-every", every.unwrap_or("never")])
    }

    fn apply(&self, dry_run: bool, confirm_within: Option<&str>) -> Option<Vec<String>> {
        let mut argv = words(&[EXECUTABLE, "policy", "apply", POLICY, "--json"]);
        if dry_run {
            argv.push("--dry-run".into());
        }
        argv.extend(confirm_within.map(|time| format!("--confirm-within={time}")));
        Some(argv)
    }

    fn ready(&self) -> Value {
        json!({"type": "ready"})
    }

    fn reload(&self) -> Reload {
        Reload {
            signal: SIGHUP,
            answer: json!({"type": "policy"}),
            applied: json!({"result": "applied"}),
            refused: json!({"result": "refused"}),
        }
    }

    fn terminated(&self) -> Exit {
        Exit::Status(0)
    }

    fn health(&self) -> Vec<String> {
        words(&[EXECUTABLE, "health", "--json"])
    }

    fn detach(&self) -> Vec<String> {
        words(&[EXECUTABLE, "detach"])
    }

    fn ledger(&self, ring: Ring) -> Option<Ledger> {
        let ring = match ring {
            Ring::Denials => "denials",
            Ring::Audits => "audits",
        };
        Some(Ledger {
            records: json!({"ring": ring}),
            number: "seq".into(),
            summary: json!({"type": "stopped"}),
            delivered: format!("delivered_{ring}"),
            attempts: ring.into(),
            lost: format!("{ring}_lost"),
        })
    }

    fn decided(&self) -> Option<Decided> {
        Some(Decided {
            matches: json!({"type": "denial"}),
            generation: "generation".into(),
        })
    }

    fn vocabulary(&self) -> Vocabulary {
        vocabulary::VOCABULARY
    }

    fn verifier_exit(&self) -> Option<i32> {
        Some(7)
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::{Adapter, AegisBpf};
    use crate::adapter::vocabulary::check;
    use scenarios::{Scenario, Step, Tier, schema::Ring};
    use serde_json::{Value, json};

    fn merged(one: &Value, other: &Value) -> Value {
        let fields = |value: &Value| value.as_object().unwrap().clone();
        fields(one).into_iter().chain(fields(other)).collect()
    }

    #[test]
    fn what_is_asked_of_its_lines_here_is_in_its_vocabulary() {
        let reload = AegisBpf.reload();
        let mut asked = vec![
            AegisBpf.ready(),
            merged(&reload.answer, &reload.applied),
            merged(&reload.answer, &reload.refused),
        ];
        for ring in [Ring::Denials, Ring::Audits] {
            let ledger = AegisBpf.ledger(ring).unwrap();
            asked.push(merged(&ledger.records, &json!({ledger.number: 1})));
            let numbers = json!({ledger.delivered: 1, ledger.attempts: 1, ledger.lost: 0});
            asked.push(merged(&ledger.summary, &numbers));
        }
        let decided = AegisBpf.decided().unwrap();
        asked.push(merged(&decided.matches, &json!({decided.generation: 1})));
        for matches in asked {
            let scenario = Scenario {
                id: "x".into(),
                title: "t".into(),
                suite: scenarios::schema::Suite::default(),
                bypass: None,
                tier: Tier::Pr,
                needs: vec![],
                needs_absent: vec![],
                must_run: false,
                setup: vec![],
                rules: vec![],
                never_deny: vec![],
                steps: vec![Step::NoEvent { matches }],
            };
            assert_eq!(check(&scenario, &AegisBpf.vocabulary()), Ok(()));
        }
    }
}
