use std::path::Path;

use harness_proto::Action;
use scenarios::Scenario;

use super::{expand, expand_idle};
use crate::{
    adapter::{AegisBpf, Null},
    expectation::Program,
};

fn scenario(steps: &str) -> Scenario {
    let text = format!(
        "id = \"x\"\ntitle = \"t\"\n[[setup]]\nfile = {{ path = \"/a\", content = \"c\" }}\n[[rule]]\nid = \"a\"\nfile = {{ path = \"/a\", operations = [\"read\", \"write\"] }}\n{steps}"
    );
    scenarios::catalogue::parse(Path::new("x.toml"), &text).unwrap()
}

const START: &str = "[[step]]\ndo = \"start\"\nmode = \"enforce\"\n";
const DENIED: &str = "[[step]]\ndo = \"probe\"\nprobe = { open = { path = \"/a\" } }\nexpect = { denied = \"EPERM\" }\n";
const KILL: &str = "[[step]]\ndo = \"kill\"\nsignal = \"SIGKILL\"\n";
const DETACH: &str = "[[step]]\ndo = \"detach\"\n";

/// One line for each action: phase, action, and what matters of it.
fn shown(program: &Program) -> String {
    let line = |planned: &crate::expectation::PlannedAction| {
        let phase = serde_json::to_value(planned.phase).unwrap();
        let what = match &planned.action {
            Action::WriteFile { path, content, .. } => format!("write {path} {content}"),
            Action::Spawn { name, argv, .. } => format!("spawn {name}: {}", argv.join(" ")),
            Action::Run { argv, .. } => format!("run {}", argv.join(" ")),
            Action::Signal { name, signal } => format!("signal {name} {signal}"),
            Action::AwaitExit { name, .. } => format!("await exit of {name}"),
            Action::AwaitLines { name, matches, .. } => format!("await {matches} of {name}"),
            Action::Mark { name } => format!("mark {name}"),
            other => serde_json::to_string(other).unwrap(),
        };
        let expected = serde_json::to_string(&planned.expectation).unwrap();
        format!("{:8} {what} -> {expected}", phase.as_str().unwrap())
    };
    program
        .actions
        .iter()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

fn expanded(steps: &str) -> String {
    shown(&expand(&scenario(steps), &AegisBpf).unwrap())
}

#[test]
fn a_denial_has_its_control_before_and_its_negative_after() {
    insta::assert_snapshot!(expanded(&format!("{START}{DENIED}")), @r#"
    setup    write /a c -> {"done":"harness"}
    control  {"probe":{"probe":{"open":{"path":"/a","access":"read"}}}} -> {"verdict":"allowed"}
    steps    write /etc/aegisbpf/policy.yaml {"version":1,"rules":[{"id":"a","file":{"operations":["read","write"],"path":"/a"}}]} -> {"done":"harness"}
    steps    spawn agent-1: /bin/aegisbpf run --policy /etc/aegisbpf/policy.yaml --mode enforce --canary-every never -> {"ready":{"verifier_exit":7}}
    steps    {"probe":{"probe":{"open":{"path":"/a","access":"read"}}}} -> {"verdict":{"denied":"EPERM"}}
    negative mark agent-1 -> {"done":"agent"}
    negative write /etc/aegisbpf/policy.yaml {"version":1,"rules":[]} -> {"done":"harness"}
    negative signal agent-1 1 -> {"done":"agent"}
    negative await {"type":"policy"} of agent-1 -> {"answer":{"result":"applied"}}
    negative {"probe":{"probe":{"open":{"path":"/a","access":"read"}}}} -> {"verdict":"allowed"}
    release  signal agent-1 15 -> {"done":"agent"}
    release  await exit of agent-1 -> {"ended":{"exit":{"status":0},"says":null}}
    release  run /bin/aegisbpf detach -> {"ran":{"exit":0,"prints":null,"says":"","otherwise":"agent-exit"}}
    release  "list-bpf-links" -> {"links":"none"}
    "#);
}

#[test]
fn a_killed_agent_is_started_again_to_remove_its_rules() {
    insta::assert_snapshot!(expanded(&format!("{START}{KILL}{DENIED}")), @r#"
    setup    write /a c -> {"done":"harness"}
    control  {"probe":{"probe":{"open":{"path":"/a","access":"read"}}}} -> {"verdict":"allowed"}
    steps    write /etc/aegisbpf/policy.yaml {"version":1,"rules":[{"id":"a","file":{"operations":["read","write"],"path":"/a"}}]} -> {"done":"harness"}
    steps    spawn agent-1: /bin/aegisbpf run --policy /etc/aegisbpf/policy.yaml --mode enforce --canary-every never -> {"ready":{"verifier_exit":7}}
    steps    signal agent-1 9 -> {"done":"agent"}
    steps    await exit of agent-1 -> {"ended":{"exit":{"signal":9},"says":null}}
    steps    {"probe":{"probe":{"open":{"path":"/a","access":"read"}}}} -> {"verdict":{"denied":"EPERM"}}
    negative write /etc/aegisbpf/policy.yaml {"version":1,"rules":[]} -> {"done":"harness"}
    negative spawn agent-2: /bin/aegisbpf run --policy /etc/aegisbpf/policy.yaml --mode enforce --canary-every never -> {"ready":{"verifier_exit":7}}
    negative {"probe":{"probe":{"open":{"path":"/a","access":"read"}}}} -> {"verdict":"allowed"}
    release  signal agent-2 15 -> {"done":"agent"}
    release  await exit of agent-2 -> {"ended":{"exit":{"status":0},"says":null}}
    release  run /bin/aegisbpf detach -> {"ran":{"exit":0,"prints":null,"says":"","otherwise":"agent-exit"}}
    release  "list-bpf-links" -> {"links":"none"}
    "#);
}

#[test]
fn a_cell_without_denials_has_no_teeth_and_no_more_starts() {
    let steps = format!("{START}[[step]]\ndo = \"kill\"\nsignal = \"SIGTERM\"\n{DETACH}");
    insta::assert_snapshot!(expanded(&steps), @r#"
    setup    write /a c -> {"done":"harness"}
    steps    write /etc/aegisbpf/policy.yaml {"version":1,"rules":[{"id":"a","file":{"operations":["read","write"],"path":"/a"}}]} -> {"done":"harness"}
    steps    spawn agent-1: /bin/aegisbpf run --policy /etc/aegisbpf/policy.yaml --mode enforce --canary-every never -> {"ready":{"verifier_exit":7}}
    steps    signal agent-1 15 -> {"done":"agent"}
    steps    await exit of agent-1 -> {"ended":{"exit":{"status":0},"says":null}}
    steps    run /bin/aegisbpf detach -> {"ran":{"exit":0,"prints":null,"says":"","otherwise":"agent-exit"}}
    release  "list-bpf-links" -> {"links":"none"}
    "#);
}

#[test]
fn a_refusal_leaves_nothing_to_release_but_that_is_shown() {
    let steps = "[[step]]\ndo = \"start\"\nmode = \"enforce\"\nexpect = { refused = { exit = 3, says = \"BPF LSM\" } }\n";
    insta::assert_snapshot!(expanded(steps), @r#"
    setup    write /a c -> {"done":"harness"}
    steps    write /etc/aegisbpf/policy.yaml {"version":1,"rules":[{"id":"a","file":{"operations":["read","write"],"path":"/a"}}]} -> {"done":"harness"}
    steps    spawn agent-1: /bin/aegisbpf run --policy /etc/aegisbpf/policy.yaml --mode enforce --canary-every never -> {"refused":{"exit":3,"says":"BPF LSM"}}
    release  "list-bpf-links" -> {"links":"none"}
    "#);
}

#[test]
fn a_probe_without_teeth_and_a_repeated_one_add_none() {
    let bare = format!("{START}{DENIED}no_teeth = \"repeats\"\n");
    assert!(!expanded(&bare).contains("control"));
    let twice = expanded(&format!("{START}{DENIED}{DENIED}"));
    assert_eq!(twice.matches("control").count(), 1);
    assert_eq!(twice.matches("{\"verdict\":\"allowed\"}").count(), 2);
}

#[test]
fn a_step_that_needs_a_running_agent_says_so() {
    let check = |steps: &str, problem: &str| {
        let error = expand(&scenario(steps), &AegisBpf).unwrap_err().to_string();
        assert_eq!(error, format!("scenario x, {problem}"));
    };
    let event = "[[step]]\ndo = \"event\"\nmatches = { type = \"denial\" }\n";
    check(event, "step 1: asks for events, but no agent runs");
    check(KILL, "step 1: kills, but no agent runs");
    check(
        "[[step]]\ndo = \"reload\"\n",
        "step 1: reloads, but no agent runs",
    );
    check(
        &format!("{START}{START}"),
        "step 2: starts the agent while it is running and expects it to get ready",
    );
}

#[test]
fn an_agent_is_stopped_for_a_flood_and_accounts_for_it_after_its_end() {
    let signal = |name| format!("[[step]]\ndo = \"signal\"\nsignal = \"{name}\"\n");
    let account =
        "[[step]]\ndo = \"accounting\"\nring = \"denials\"\nattempts = 5\nlost = \"some\"\n";
    let (stop, go_on) = (signal("SIGSTOP"), signal("SIGCONT"));
    let end = "[[step]]\ndo = \"kill\"\nsignal = \"SIGTERM\"\n";
    let program = expanded(&format!("{START}{stop}{go_on}{end}{account}"));
    let lines: Vec<&str> = program
        .lines()
        .filter(|line| !line.contains("write"))
        .collect();
    insta::assert_snapshot!(lines[1..6].join("\n"), @r#"
    steps    {"stop":{"name":"agent-1","deadline_ms":10000}} -> {"done":"agent"}
    steps    signal agent-1 18 -> {"done":"agent"}
    steps    signal agent-1 15 -> {"done":"agent"}
    steps    await exit of agent-1 -> {"ended":{"exit":{"status":0},"says":null}}
    steps    {"tally":{"names":["agent-1"],"matches":{"ring":"denials"},"number":"seq","summary":{"type":"stopped"},"deadline_ms":10000}} -> {"account":{"ledger":{"records":{"ring":"denials"},"number":"seq","summary":{"type":"stopped"},"delivered":"delivered_denials","attempts":"denials","lost":"denials_lost"},"processes":1,"attempts":5,"lost":"some"}}
    "#);
    let early = expand(&scenario(&format!("{START}{account}")), &AegisBpf);
    assert!(early.unwrap_err().problem.contains("none was ended"));
}

const DELETED: &str = "[[step]]\ndo = \"probe\"\nprobe = { unlink = { path = \"/a\" } }\nrun_as = { uid = 1 }\nexpect = { denied = \"EPERM\" }\nundo = [{ file = { path = \"/a\", content = \"c\" } }]\n";
const NONSENSE: &str = "[[step]]\ndo = \"probe\"\nprobe = { kernel = \"init-module\" }\nexpect = \"killed\"\ncontrol = { denied = \"ENOEXEC\" }\n";
const HOLD: &str = "[[step]]\ndo = \"hold\"\nname = \"h\"\npath = \"/a\"\n";
const HELD: &str = "[[step]]\ndo = \"probe\"\nprobe = { held = { name = \"h\", operation = \"read\" } }\nexpect = { denied = \"EPERM\" }\n";

#[test]
fn a_tooth_undoes_what_it_does_and_has_a_control_of_its_own() {
    let program = expanded(&format!("{START}{DELETED}{NONSENSE}"));
    let lines: Vec<&str> = program
        .lines()
        .filter(|line| line.contains("probe") || line.contains("write /a"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    setup    write /a c -> {"done":"harness"}
    control  {"probe":{"probe":{"unlink":{"path":"/a"}},"run_as":{"uid":1}}} -> {"verdict":"allowed"}
    control  write /a c -> {"done":"harness"}
    control  {"probe":{"probe":{"kernel":"init-module"}}} -> {"verdict":{"denied":"ENOEXEC"}}
    steps    {"probe":{"probe":{"unlink":{"path":"/a"}},"run_as":{"uid":1}}} -> {"verdict":{"denied":"EPERM"}}
    steps    {"probe":{"probe":{"kernel":"init-module"}}} -> {"verdict":"killed"}
    negative {"probe":{"probe":{"unlink":{"path":"/a"}},"run_as":{"uid":1}}} -> {"verdict":"allowed"}
    negative write /a c -> {"done":"harness"}
    negative {"probe":{"probe":{"kernel":"init-module"}}} -> {"verdict":{"denied":"ENOEXEC"}}
    "#);
}

#[test]
fn what_is_held_is_opened_for_the_control_and_for_the_steps() {
    let program = expanded(&format!("{HOLD}{START}{HELD}"));
    let lines: Vec<&str> = program
        .lines()
        .filter(|line| line.contains("probe") || line.contains("hold"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    control  {"hold":{"name":"h","hold":{"path":"/a","access":"read"}}} -> {"verdict":"allowed"}
    control  {"probe":{"probe":{"held":{"name":"h","operation":"read"}}}} -> {"verdict":"allowed"}
    steps    {"hold":{"name":"h","hold":{"path":"/a","access":"read"}}} -> {"verdict":"allowed"}
    steps    {"probe":{"probe":{"held":{"name":"h","operation":"read"}}}} -> {"verdict":{"denied":"EPERM"}}
    negative {"probe":{"probe":{"held":{"name":"h","operation":"read"}}}} -> {"verdict":"allowed"}
    "#);
}

#[test]
fn without_an_agent_the_teeth_come_twice_and_nothing_is_started() {
    let steps = format!("{START}{DELETED}{NONSENSE}{KILL}");
    let program = expand_idle(&scenario(&steps), &Null);
    insta::assert_snapshot!(shown(&program), @r#"
    setup    write /a c -> {"done":"harness"}
    control  {"probe":{"probe":{"unlink":{"path":"/a"}},"run_as":{"uid":1}}} -> {"verdict":"allowed"}
    control  write /a c -> {"done":"harness"}
    control  {"probe":{"probe":{"kernel":"init-module"}}} -> {"verdict":{"denied":"ENOEXEC"}}
    control  {"probe":{"probe":{"unlink":{"path":"/a"}},"run_as":{"uid":1}}} -> {"verdict":"allowed"}
    control  write /a c -> {"done":"harness"}
    control  {"probe":{"probe":{"kernel":"init-module"}}} -> {"verdict":{"denied":"ENOEXEC"}}
    steps    {"probe":{"probe":{"unlink":{"path":"/a"}},"run_as":{"uid":1}}} -> {"verdict":"allowed"}
    steps    write /a c -> {"done":"harness"}
    steps    {"probe":{"probe":{"kernel":"init-module"}}} -> {"verdict":{"denied":"ENOEXEC"}}
    "#);
}
