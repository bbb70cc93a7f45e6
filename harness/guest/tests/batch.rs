//! Attempts in a row, by processes that stay.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use harness_guest::execute::Executor;
use harness_guest::supervise::Supervisor;
use harness_proto::probe::{CreateWay, OpenWay};
use harness_proto::{Access, Action, Attempt, Batch, Batched, Observation, Probe, RunAs};

const PROBE: &str = env!("CARGO_BIN_EXE_probe");

fn executor(probe: &str) -> Executor {
    Executor::new(Supervisor::new(), probe.into())
}

fn codes(executor: &mut Executor, attempts: &[(usize, Probe)]) -> Batched {
    let doers = [None, Some("other".to_owned())].map(|disguise| RunAs {
        disguise,
        ..RunAs::default()
    });
    let attempts = attempts.iter().map(|(by, probe)| Attempt {
        by: *by,
        probe: probe.clone(),
    });
    let batch = Batch {
        doers: doers.into(),
        attempts: attempts.collect(),
        deadline_ms: 20_000,
    };
    match executor.execute(&Action::Batch(Box::new(batch))) {
        Observation::Batched(batched) => batched,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_attempt_sees_what_the_ones_before_have_done_whoever_did_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file").to_string_lossy().into_owned();
    let create = || Probe::Create {
        path: path.clone(),
        by: CreateWay::default(),
    };
    let open = || Probe::Open {
        path: path.clone(),
        access: Access::Write,
        by: OpenWay::default(),
        cwd: None,
    };
    let unlink = || Probe::Unlink { path: path.clone() };
    let mut executor = executor(PROBE);
    for _ in 0..2 {
        let attempts = [
            (0, open()),
            (1, create()),
            (0, create()),
            (0, open()),
            (1, unlink()),
            (1, unlink()),
        ];
        assert_eq!(codes(&mut executor, &attempts).codes, [2, 0, 17, 0, 0, 2]);
    }
}

#[test]
fn a_doer_that_is_killed_is_told_apart_and_another_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("doer");
    fs::write(
        &script,
        "#!/bin/sh\nread line\necho '\"allowed\"'\nkill -9 $$\n",
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let probe = || Probe::Unlink { path: "/x".into() };
    let mut executor = executor(&script.to_string_lossy());
    let batched = codes(&mut executor, &[(0, probe()), (0, probe()), (0, probe())]);
    assert_eq!(batched.codes, [0, -9, 0]);
}

#[test]
fn what_cannot_be_tried_is_no_verdict() {
    let probe = Probe::MapExec {
        path: "/absent".into(),
        by: harness_proto::probe::MapWay::default(),
    };
    let batched = codes(&mut executor(PROBE), &[(0, probe)]);
    assert_eq!(batched.codes, [Batched::BROKEN]);
    assert!(batched.broken[&0].contains("/absent"));
}
