//! The baseline for production that is published in `docs`.

use std::{fs, path::Path};

use aegisbpf::{
    policy::{
        self, Action, Policy,
        lint::{self, Host, Severity},
    },
    replay,
};
use aegisbpf_abi::Operation;

fn text() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/baseline-policy.yaml");
    fs::read_to_string(file).expect("the baseline")
}

fn parsed(text: &str) -> Policy {
    policy::parse(Path::new("baseline-policy.yaml"), text).expect("a policy")
}

fn findings(policy: &Policy) -> Vec<lint::Finding> {
    lint::lint(policy, &Host::any(Path::new("/usr/sbin/aegisbpf")))
}

#[test]
fn it_only_reports_and_nothing_is_wrong_with_it() {
    let policy = parsed(&text());
    let all = policy.rules.iter();
    assert!(all.clone().all(|rule| rule.action == Action::Audit));
    assert_eq!(findings(&policy), []);
}

#[test]
fn it_compiles_on_any_machine_and_asks_for_no_hook_that_5_10_lacks() {
    let image = replay::Host::here()
        .unwrap()
        .image(&parsed(&text()))
        .unwrap();
    let needs = image.needs;
    assert!(!needs.operations.has(Operation::UserNamespace) && !needs.contents);
    assert!(!needs.guards, "a rule that only reports holds no folder");
}

#[test]
fn each_rule_can_be_made_to_deny_without_locking_anybody_out() {
    let denying = parsed(&text().replace("    action: audit\n", ""));
    assert!(denying.rules.iter().all(|rule| rule.action == Action::Deny));
    let problems = findings(&denying);
    let mut errors = problems
        .iter()
        .filter(|one| one.severity == Severity::Error);
    assert_eq!(errors.next(), None);
}

#[test]
fn every_rule_has_a_reason_above_it() {
    let text = text();
    let mut reason = false;
    let mut unexplained = Vec::new();
    for line in text
        .lines()
        .skip_while(|line| !line.starts_with("rules:"))
        .skip(1)
    {
        match line.trim() {
            // A reason may be for several rules that follow each other.
            "" => reason = false,
            line if line.starts_with("# ---") => {}
            line if line.starts_with('#') => reason = true,
            line if line.starts_with("- id:") && !reason => unexplained.push(line.to_owned()),
            _ => {}
        }
    }
    assert_eq!(unexplained, [""; 0]);
}
