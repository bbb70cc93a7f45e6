//! Real children of the test process, by `/bin/sh`.

use std::time::{Duration, Instant};

use harness_proto::{Exit, Transport};
use serde_json::json;

use super::{LineSearch, ProcessId, Supervisor};
use crate::listen::Listener;

fn shell(supervisor: &mut Supervisor, script: &str) -> ProcessId {
    let argv = ["/bin/sh", "-c", script].map(str::to_owned);
    supervisor.spawn(&argv).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn end_of(supervisor: &mut Supervisor, id: ProcessId) -> Option<Exit> {
    supervisor
        .wait(soon(), |all| all.process(id).exit())
        .unwrap()
}

#[test]
fn the_end_of_a_process_is_told_with_everything_it_said() {
    let check = |script, exit, stdout: &str, stderr: &str| {
        let mut supervisor = Supervisor::new();
        let id = shell(&mut supervisor, script);
        assert_eq!(end_of(&mut supervisor, id), Some(exit), "{script}");
        let output = supervisor.take(id).into_output();
        assert_eq!(output.stdout.tail(99).1, stdout.as_bytes(), "{script}");
        assert_eq!(output.stderr.tail(99).1, stderr.as_bytes(), "{script}");
    };
    check("exit 0", Exit::Status(0), "", "");
    check(
        "echo out; echo err >&2; exit 7",
        Exit::Status(7),
        "out\n",
        "err\n",
    );
    check("kill -TERM $$", Exit::Signal(15), "", "");
}

#[test]
fn more_output_than_a_pipe_holds_does_not_block_anybody() {
    let mut supervisor = Supervisor::new();
    let noisy = shell(
        &mut supervisor,
        "head -c 3000000 /dev/zero; head -c 200000 /dev/zero >&2",
    );
    let quiet = shell(&mut supervisor, "exit 3");
    assert_eq!(end_of(&mut supervisor, quiet), Some(Exit::Status(3)));
    assert_eq!(end_of(&mut supervisor, noisy), Some(Exit::Status(0)));
    let output = supervisor.take(noisy).into_output();
    assert_eq!(
        (output.stdout.end(), output.stderr.end()),
        (3_000_000, 200_000)
    );
}

#[test]
fn a_wait_ends_at_its_deadline() {
    let mut supervisor = Supervisor::new();
    let id = shell(&mut supervisor, "exec cat /dev/zero > /dev/null");
    let deadline = Instant::now() + Duration::from_millis(30);
    let end = supervisor.wait(deadline, |all| all.process(id).exit());
    assert_eq!(end.unwrap(), None);
    supervisor.process(id).signal(9).unwrap();
    assert_eq!(end_of(&mut supervisor, id), Some(Exit::Signal(9)));
    assert!(supervisor.process(id).signal(9).is_err());
}

#[test]
fn killing_the_group_takes_the_children_with_it() {
    let mut supervisor = Supervisor::new();
    // The inner shell holds the pipe: silence means that it is gone as well.
    let id = shell(
        &mut supervisor,
        "sh -c 'echo; exec cat /dev/zero >/dev/null' & wait",
    );
    let started = |all: &Supervisor| (all.process(id).output().stdout.end() > 0).then_some(());
    assert_eq!(supervisor.wait(soon(), started).unwrap(), Some(()));
    supervisor.process(id).kill_group().unwrap();
    let silent = |all: &Supervisor| all.process(id).is_silent().then_some(());
    assert_eq!(supervisor.wait(soon(), silent).unwrap(), Some(()));
}

#[test]
fn lines_are_found_as_they_come() {
    let mut supervisor = Supervisor::new();
    let id = shell(
        &mut supervisor,
        r#"for i in 1 2 3; do echo "{\"type\":\"x\",\"i\":$i}"; done; exec cat /dev/zero >/dev/null"#,
    );
    let mut search = LineSearch::from(0, json!({"type": "x"}));
    let found = supervisor.wait(soon(), |all| {
        let count = search.advance(&all.process(id).output().stdout).unwrap();
        (count == 3).then_some(())
    });
    assert_eq!(found.unwrap(), Some(()));
    assert_eq!(search.into_last(), Some(json!({"type": "x", "i": 3})));
    supervisor.process(id).kill_group().unwrap();
    end_of(&mut supervisor, id);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let argv = ["/nowhere/agent".to_owned(), "run".to_owned()];
    let error = Supervisor::new().spawn(&argv);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("/nowhere/agent run")
    );
}

#[test]
fn a_listener_takes_its_peers_while_something_else_is_waited_for() {
    let mut supervisor = Supervisor::new();
    let listener = Listener::bind(Transport::Tcp, "127.0.0.1:0".parse().unwrap()).unwrap();
    let Listener::Tcp(socket) = &listener else {
        unreachable!("bound as TCP")
    };
    let address = socket.local_addr().unwrap();
    supervisor.listen(listener);
    let peer = std::net::TcpStream::connect(address).unwrap();
    // Accepted and closed: the peer reads the end of the stream.
    rustix::io::ioctl_fionbio(&peer, true).unwrap();
    let closed = supervisor.wait(soon(), |_| std::io::Read::read(&mut &peer, &mut [0]).ok());
    assert_eq!(closed.unwrap(), Some(0));
}
