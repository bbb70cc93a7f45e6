//! Actions carried out on the test's own machine, with `/bin/sh` as agent.

use std::path::Path;

use harness_proto::probe::HeldOperation;
use harness_proto::{Access, Action, Exit, Hold, Observation, Probe, RunAs, Task, Verdict};
use serde_json::{Value, json};

use super::Executor;
use crate::supervise::Supervisor;

const SOON_MS: u64 = 20_000;

/// Says it is ready, then repeats what it is told by signals.
const AGENT: &str = r#"
    trap 'echo "{\"type\":\"policy\",\"result\":\"applied\"}"' HUP
    trap 'echo "{\"type\":\"stopped\"}"; exit 5' TERM
    echo starting
    echo '{"type":"ready","mode":"enforce"}'
    while :; do head -c 1 /dev/zero > /dev/null; done
"#;

fn executor() -> Executor {
    Executor::new(Supervisor::new(), "/nowhere/probe".into())
}

fn task() -> Task {
    Task {
        probe: Probe::Unlink { path: "/x".into() },
        run_as: RunAs::default(),
    }
}

fn spawn(script: &str, deadline_ms: u64) -> Action {
    Action::Spawn {
        name: "agent".into(),
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        ready: json!({"type": "ready"}),
        deadline_ms,
    }
}

fn run(script: &str, deadline_ms: u64) -> Action {
    Action::Run {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        deadline_ms,
    }
}

fn lines(matches: Value, count: u64, since_mark: bool) -> Action {
    Action::AwaitLines {
        name: "agent".into(),
        matches,
        count,
        since_mark,
        deadline_ms: SOON_MS,
    }
}

fn signal(signal: i32) -> Action {
    let name = "agent".into();
    Action::Signal { name, signal }
}

fn mark() -> Action {
    let name = "agent".into();
    Action::Mark { name }
}

fn await_exit(deadline_ms: u64) -> Action {
    let name = "agent".into();
    Action::AwaitExit { name, deadline_ms }
}

fn found(count: u64, last: Value) -> Observation {
    let last = Some(last);
    Observation::Lines { count, last }
}

fn broken(observation: &Observation) -> &str {
    match observation {
        Observation::Broken { message } => message,
        other => panic!("not broken: {other:?}"),
    }
}

#[test]
fn an_agent_is_started_watched_reloaded_and_stopped() {
    let mut executor = executor();
    let mut check = |action, expected| assert_eq!(executor.execute(&action), expected);
    let ready = json!({"type": "ready", "mode": "enforce"});
    let applied = json!({"type": "policy", "result": "applied"});
    check(
        spawn(AGENT, SOON_MS),
        Observation::Spawned {
            ready: Some(ready.clone()),
            exit: None,
        },
    );
    check(
        lines(json!({"type": "ready"}), 1, false),
        found(1, ready.clone()),
    );
    check(mark(), Observation::Done);
    let none = Observation::Lines {
        count: 0,
        last: None,
    };
    check(lines(json!({"type": "ready"}), 0, true), none);
    check(signal(1), Observation::Done);
    check(lines(json!({"type": "policy"}), 1, true), found(1, applied));
    check(await_exit(1), Observation::Exited(None));
    check(signal(15), Observation::Done);
    check(
        await_exit(SOON_MS),
        Observation::Exited(Some(Exit::Status(5))),
    );
    // It can say no more: waiting for a second line would be in vain.
    check(lines(json!({"type": "ready"}), 2, false), found(1, ready));
}

#[test]
fn a_process_that_takes_over_a_name_keeps_the_output_of_the_first() {
    let mut executor = executor();
    executor.execute(&spawn(
        "printf '{\"type\":\"ready\",\"n\":1}\ntorn'; exit 3",
        SOON_MS,
    ));
    executor.execute(&await_exit(SOON_MS));
    let second = executor.execute(&spawn("echo '{\"type\":\"ready\",\"n\":2}'", SOON_MS));
    let ready = json!({"type": "ready", "n": 2});
    let Observation::Spawned { ready: seen, .. } = second else {
        panic!("{second:?}")
    };
    assert_eq!(seen, Some(ready.clone()), "not the line of the first one");
    assert_eq!(
        executor.execute(&lines(json!({"type": "ready"}), 2, false)),
        found(2, ready)
    );
    executor.execute(&await_exit(SOON_MS));
    let third = Action::Spawn {
        name: "agent".into(),
        argv: vec!["/nowhere/agent".into()],
        ready: json!({}),
        deadline_ms: SOON_MS,
    };
    assert!(broken(&executor.execute(&third)).contains("/nowhere/agent"));
    let outputs = executor.outputs().unwrap();
    assert_eq!((outputs.len(), outputs[0].name), (1, "agent"));
    let text = outputs[0].output.stdout.tail(999).1;
    assert_eq!(
        String::from_utf8_lossy(text),
        "{\"type\":\"ready\",\"n\":1}\ntorn\n{\"type\":\"ready\",\"n\":2}\n"
    );
}

#[test]
fn an_agent_that_does_not_get_ready_is_told_apart_from_one_that_ends() {
    let check = |script, deadline_ms, exit| {
        let mut executor = executor();
        let expected = Observation::Spawned { ready: None, exit };
        assert_eq!(
            executor.execute(&spawn(script, deadline_ms)),
            expected,
            "{script}"
        );
        executor.execute(&signal(9));
    };
    check("echo no >&2; exit 3", SOON_MS, Some(Exit::Status(3)));
    check("kill -9 $$", SOON_MS, Some(Exit::Signal(9)));
    check("exec cat /dev/zero >/dev/null", 30, None);
}

#[test]
fn a_command_runs_to_its_end_or_to_its_deadline() {
    let check = |script, deadline_ms, exit, stdout: &str, stderr: &str| {
        let expected = Observation::Ran {
            exit,
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        assert_eq!(
            executor().execute(&run(script, deadline_ms)),
            expected,
            "{script}"
        );
    };
    check(
        "printf out; printf err >&2",
        SOON_MS,
        Some(Exit::Status(0)),
        "out",
        "err",
    );
    check(
        "printf '\\377'; exit 9",
        SOON_MS,
        Some(Exit::Status(9)),
        "\u{fffd}",
        "",
    );
    check("exec cat /dev/zero >/dev/null", 30, None, "", "");
}

#[test]
fn what_cannot_be_done_is_broken_and_says_why() {
    let check = |action: Action, part: &str| {
        let observation = executor().execute(&action);
        let message = broken(&observation);
        assert!(message.contains(part), "{message}");
    };
    check(mark(), "no process called agent");
    check(await_exit(SOON_MS), "no process called agent");
    check(lines(json!({}), 1, false), "no process called agent");
    let argv = vec!["/nowhere/tool".to_owned()];
    let deadline_ms = SOON_MS;
    check(Action::Run { argv, deadline_ms }, "/nowhere/tool");
    let (from, to) = ("/nowhere/a".into(), "/tmp/b".into());
    check(Action::Copy { from, to }, "/nowhere/a");
}

#[test]
fn a_name_cannot_be_taken_from_a_process_that_runs() {
    let mut executor = executor();
    executor.execute(&spawn(AGENT, SOON_MS));
    let second = executor.execute(&spawn(AGENT, SOON_MS));
    assert!(broken(&second).contains("still running"));
    assert!(broken(&executor.execute(&signal(4711))).contains("no signal 4711"));
    executor.execute(&signal(9));
    assert_eq!(
        executor.execute(&await_exit(SOON_MS)),
        Observation::Exited(Some(Exit::Signal(9)))
    );
    assert!(broken(&executor.execute(&signal(9))).contains("signal 9"));
}

#[test]
fn only_the_probe_itself_gives_a_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probe");
    let check = |script: &str, expected: &str| {
        let script = format!("#!/bin/sh\n{script}\n");
        crate::executable::make(&path, script.as_bytes());
        let mut executor = Executor::new(Supervisor::new(), path.clone());
        let Observation::Probed(verdict) = executor.execute(&Action::Probe(task())) else {
            panic!("not a verdict")
        };
        let verdict = match verdict {
            Verdict::Broken { message } => message,
            other => format!("{other:?}"),
        };
        assert!(verdict.contains(expected), "{verdict}");
    };
    check(r#"echo '"allowed"'"#, "Allowed");
    check(
        r#"[ "$2" = '{"probe":{"unlink":{"path":"/x"}}}' ] && echo '{"denied":{"errno":1}}'"#,
        "errno: 1",
    );
    check("kill -9 $$", "Killed { signal: 9 }");
    check(r#"echo '"allowed"'; exit 1"#, "ended with status 1");
    check("echo why >&2; exit 2", "why");
    check("echo allowed", "cannot be read");
    check("", "cannot be read");
    drop(folder);
    assert!(!Path::new(&path).exists());
    let gone = executor().execute(&Action::Probe(task()));
    assert!(format!("{gone:?}").contains("/nowhere/probe"));
}

#[test]
fn what_is_held_is_used_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probe");
    // Opens whatever it is told to, allows the first use and denies the rest.
    let script = "#!/bin/sh\necho '\"allowed\"'\nread a; echo '\"allowed\"'\nread b; echo \"{\\\"broken\\\":{\\\"message\\\":$b}}\"\nread c; kill -9 $$\n";
    crate::executable::make(&path, script.as_bytes());
    let mut executor = Executor::new(Supervisor::new(), path);
    let mut check = |action: &Action, expected: &str| {
        let observation = executor.execute(action);
        let Observation::Probed(verdict) = observation else {
            panic!("not a verdict: {observation:?}")
        };
        assert!(format!("{verdict:?}").contains(expected), "{verdict:?}");
    };
    let hold = Action::Hold {
        name: "secret".into(),
        hold: Hold {
            path: "/x".into(),
            access: Access::Read,
            run_as: RunAs::default(),
        },
    };
    let used = |operation| {
        let name = "secret".into();
        let probe = Probe::Held { name, operation };
        Action::Probe(Task { probe, ..task() })
    };
    check(&used(HeldOperation::Read), "nothing is held");
    for _ in 0..2 {
        check(&hold, "Allowed");
        check(&used(HeldOperation::Read), "Allowed");
        check(&used(HeldOperation::Truncate), "truncate");
    }
    check(&used(HeldOperation::Mode), "Killed { signal: 9 }");
    check(&used(HeldOperation::Read), "tell what holds secret");
}
