//! Stopping a process as PID 1 does it. One test alone in its process: the
//! supervisor here takes the status of every child there is.

use harness_guest::execute::Executor;
use harness_guest::supervise::{Orphans, Supervisor};
use harness_proto::{Action, Observation};
use serde_json::json;

const SIGCONT: i32 = 18;
const SOON_MS: u64 = 30_000;

/// Answers each `SIGHUP` with a line; it stops only where it is told to.
const AGENT: &str = r#"
    trap 'echo "{\"type\":\"answer\"}"' HUP
    echo '{"type":"ready"}'
    while :; do head -c 1 /dev/zero > /dev/null; done
"#;

#[test]
fn a_stopped_process_is_known_to_be_stopped_and_goes_on_when_told() {
    let supervisor = Supervisor::with_orphans(Orphans::watch().unwrap());
    let mut executor = Executor::new(supervisor, "/nowhere/probe".into());
    let name = || "agent".to_owned();
    let ready = Observation::Spawned {
        ready: Some(json!({"type": "ready"})),
        exit: None,
    };
    let spawn = Action::Spawn {
        name: name(),
        argv: ["/bin/sh", "-c", AGENT].map(str::to_owned).to_vec(),
        ready: json!({"type": "ready"}),
        deadline_ms: SOON_MS,
    };
    let stop = Action::Stop {
        name: name(),
        deadline_ms: SOON_MS,
    };
    let signal = |signal| Action::Signal {
        name: name(),
        signal,
    };
    let answers = |count, deadline_ms| Action::AwaitLines {
        name: name(),
        matches: json!({"type": "answer"}),
        count,
        since_mark: false,
        deadline_ms,
    };
    let answered = |count: u64| Observation::Lines {
        count,
        last: (count > 0).then(|| json!({"type": "answer"})),
    };
    let mut check = |action: Action, expected| assert_eq!(executor.execute(&action), expected);
    check(spawn, ready);
    for round in 0..3 {
        check(stop.clone(), Observation::Done);
        check(signal(1), Observation::Done);
        // Nothing of it runs, so nothing comes.
        check(answers(round + 1, 50), answered(round));
        check(signal(SIGCONT), Observation::Done);
        check(answers(round + 1, SOON_MS), answered(round + 1));
    }
    check(signal(9), Observation::Done);
    let ended = executor.execute(&Action::AwaitExit {
        name: name(),
        deadline_ms: SOON_MS,
    });
    assert!(matches!(ended, Observation::Exited(Some(_))), "{ended:?}");
    // It cannot be stopped any more, and that is no silence.
    let broken = executor.execute(&stop);
    assert!(matches!(broken, Observation::Broken { .. }), "{broken:?}");
}
