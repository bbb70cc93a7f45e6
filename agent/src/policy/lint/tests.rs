use std::path::Path;

use super::*;
use crate::policy::{arbitrary, parse};
use proptest::prelude::*;

const AGENT: &str = "/usr/sbin/aegisbpf";

fn findings(text: &str) -> Vec<String> {
    let policy = parse(Path::new("p"), &format!("version: 1\n{text}")).unwrap();
    let findings = lint(&policy, &Host::any(Path::new(AGENT)));
    findings.iter().map(ToString::to_string).collect()
}

fn rule(text: &str) -> Vec<String> {
    findings(&format!("rules: [{{ id: r, {text} }}]"))
}

#[test]
fn rules_that_would_lock_out_the_host_are_errors() {
    let check = |rule_text: &str, part: &str| {
        let found = rule(rule_text);
        let first = found
            .first()
            .unwrap_or_else(|| panic!("{rule_text}: nothing was found"));
        assert!(
            first.starts_with("error: ") && first.contains(part),
            "{rule_text}: {first}"
        );
    };
    check(
        "file: { path: /lib64/ld-linux-x86-64.so.2, operations: [read] }",
        "every dynamic program",
    );
    check(
        "file: { path: /usr/lib/x86_64-linux-gnu/libc.so.6 }",
        "every dynamic program maps it",
    );
    check("file: { subtree: /usr }", "to root");
    check(
        "file: { subtree: /lib, operations: [mmap-exec] }",
        "to root",
    );
    check("file: { subtree: /dev }", "/dev/null");
    check("file: { subtree: /etc, operations: [read] }", "/etc/");
    check("exec: { path: /sbin/init }", "it is init");
    check("exec: { subtree: /bin }", "/bin/sh");
    check("exec: { path: /bin/sh }, action: kill", "rescue console");
    check(
        "exec: { path: /bin/sh }, scope: [ { uid: 0-10 } ]",
        "rescue console",
    );
    check(
        "exec: { path: /bin/sh }, except: [ { uid: 0, cgroup: /a } ]",
        "rescue console",
    );
    check("exec: { path: /usr/sbin/aegisbpf }", "it is the agent");
    check(
        "exec: { all-but: [/bin/true] }",
        "allows only some programs",
    );
    check(
        "network: { address: 0.0.0.0/0, operations: [listen] }",
        "no remote login",
    );
}

#[test]
fn narrower_rules_are_no_errors() {
    let check = |rule_text: &str| {
        let found = rule(rule_text);
        assert!(
            !found.iter().any(|found| found.starts_with("error")),
            "{rule_text}: {found:?}"
        );
    };
    check("file: { subtree: /usr, operations: [write, create, delete, rename] }");
    check("file: { subtree: /usr }, action: audit");
    check("file: { subtree: /usr }, except: [ { uid: 0-999 } ]");
    check("file: { subtree: /lib64x }");
    check("exec: { path: /bin/sh }, scope: [ { uid: 1-4294967295 } ]");
    check("exec: { all-but: [/bin/true] }, scope: [ { cgroup: /ci } ]");
    check("file: { subtree: /srv/secrets }");
    check("file: { subtree: /var/lib/aegisbpf }");
    check("kernel: { operations: [ptrace, module-load, kexec, bpf, mount] }");
    check("network: { address: 0.0.0.0/0, ports: 80, operations: [listen] }");
}

#[test]
fn the_agent_is_not_locked_out_where_nothing_exempts_it() {
    let mut host = Host::any(Path::new(AGENT));
    host.exempt.clear();
    let errors = |rule: &str| {
        let text = format!("version: 1\nrules: [{{ id: r, {rule} }}]");
        let policy = parse(Path::new("p"), &text).unwrap();
        let found = lint(&policy, &host);
        found
            .iter()
            .filter(|found| found.severity == Severity::Error)
            .count()
    };
    let except = |program| format!("except: [ {{ program: {program} }} ]");
    for target in [
        "file: { subtree: /var/lib/aegisbpf }",
        "file: { path: /var/lib/aegisbpf/current, operations: [rename] }",
        "file: { path: /etc/aegisbpf/policy.yaml, operations: [read] }",
        "kernel: { operations: [bpf] }",
    ] {
        assert_eq!(errors(target), 1, "{target}");
        assert_eq!(
            errors(&format!("{target}, {}", except(AGENT))),
            0,
            "{target}"
        );
        assert_eq!(
            errors(&format!("{target}, {}", except("/bin/x"))),
            1,
            "{target}"
        );
    }
    let mount = "kernel: { operations: [mount] }";
    assert_eq!(errors(mount), 1);
    assert_eq!(errors(&format!("{mount}, {}", except("/sbin/init"))), 0);
}

#[test]
fn files_of_this_host_are_known_by_inode_and_by_content() {
    let host = Host::here().unwrap();
    let sh = host
        .vital
        .iter()
        .find(|vital| vital.sha256.is_some())
        .unwrap();
    let ((major, minor), inode) = sh.inode.unwrap();
    let digest = crate::hex::encode(&sh.sha256.unwrap());
    for target in [
        format!("file: {{ inode: {inode}, device: '{major}:{minor}' }}"),
        format!("exec: {{ sha256: '{digest}' }}"),
    ] {
        let text = format!("version: 1\nrules: [{{ id: r, {target} }}]");
        let found = lint(&parse(Path::new("p"), &text).unwrap(), &host);
        assert_eq!(found[0].severity, Severity::Error, "{target}");
    }
}

#[test]
fn rules_that_never_decide_are_warned_of() {
    let check = |rules: &str, expected: &[&str]| {
        let found = findings(&format!("rules: [{rules}]"));
        assert_eq!(found.len(), expected.len(), "{rules}: {found:?}");
        for (found, part) in found.iter().zip(expected) {
            assert!(found.contains(part), "{found}");
        }
    };
    let one = "{ id: a, file: { path: /x } }";
    check(
        &format!("{one}, {{ id: b, file: {{ path: /x }} }}"),
        &["rule \"b\" never decides: rule \"a\""],
    );
    check(
        &format!("{one}, {{ id: b, exec: {{ path: /x }} }}"),
        &["rule \"b\""],
    );
    check(
        &format!("{one}, {{ id: b, action: kill, file: {{ path: /x }} }}"),
        &["rule \"a\" never decides: rule \"b\""],
    );
    check(
        &format!("{one}, {{ id: b, action: kill, file: {{ path: /x }}, scope: [ {{ uid: 1 }} ] }}"),
        &[],
    );
    check(&format!("{one}, {{ id: b, file: {{ path: /y }} }}"), &[]);
    check(
        &format!("{one}, {{ id: b, file: {{ path: /x }}, held: revoke }}"),
        &[],
    );
    check(
        "{ id: a, file: { subtree: /x } }, { id: b, file: { subtree: /x/y/z } }",
        &["\"b\""],
    );
    check(
        "{ id: a, file: { subtree: /x } }, { id: b, file: { path: /x/y } }",
        &[],
    );
    check(
        "{ id: a, network: { address: 10.0.0.0/8 } }, { id: b, network: { address: 10.1.1.1, ports: 1 } }",
        &["\"b\""],
    );
    check(
        "{ id: a, network: { address: '::/0' } }, { id: b, network: { address: 10.1.1.1 } }",
        &["\"b\""],
    );
    check(
        "{ id: a, network: { address: 10.0.0.0/8, protocol: tcp } }, { id: b, network: { address: 10.1.1.1 } }",
        &[],
    );
    check(
        "{ id: a, network: { address: 10.1.1.1, protocol: udp, operations: [listen] } }",
        &["UDP sockets do not listen"],
    );
    check(
        "{ id: a, file: { path: /x }, scope: [ { uid: 5 } ], except: [ { uid: 1-9 } ] }",
        &["met by nobody"],
    );
    check(
        "{ id: a, file: { path: /x }, except: [ { program: /bin/bash } ] }",
        &["does what it is told"],
    );
    check(
        "{ id: a, exec: { all-but: [/bin/true] }, scope: [ { cgroup: /a } ] }",
        &["no dynamic loader"],
    );
}

#[test]
fn findings_say_what_to_do() {
    let text = "never-deny: [/bin/sh]\nrules: [{ id: everything, file: { subtree: /usr } }]";
    insta::assert_snapshot!(findings(text).join("\n"), @r#"
    error: rule "everything" denies /usr/lib64/ld-linux-x86-64.so.2 to root, and every dynamic program is started by it: name a smaller object or fewer operations, give it a `scope`, or `except: [{ uid: 0 }]`
    warning: `never-deny` holds /bin/sh, which does what it is told: whoever can run it is denied nothing; name the program that needs it
    "#);
}

proptest! {
    /// Nothing panics, and audit alone never is an error.
    #[test]
    fn a_policy_that_only_reports_is_never_refused(mut policy in arbitrary::policy()) {
        for rule in &mut policy.rules {
            rule.action = Action::Audit;
        }
        let found = lint(&policy, &Host::any(Path::new(AGENT)));
        prop_assert!(found.iter().all(|found| found.severity == Severity::Warning));
    }
}
