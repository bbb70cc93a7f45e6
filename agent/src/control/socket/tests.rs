use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream as Client,
    thread,
};

use super::*;

/// A daemon that answers with its status until it is told to stop; then it
/// says who asked.
struct Daemon {
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<Vec<Operator>>,
}

impl Daemon {
    fn start(path: &Path) -> Self {
        let path = path.to_owned();
        let (stop, mut stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let mut asked = listen(&path).unwrap();
                ready.send(()).unwrap();
                let mut operators = Vec::new();
                loop {
                    tokio::select! {
                        Some(question) = asked.recv() => {
                            operators.push(question.by);
                            let status = Response::Status(Box::default());
                            let _ = question.answer.send(status);
                        }
                        _ = &mut stopped => return operators,
                    }
                }
            })
        });
        is_ready.recv().unwrap();
        Self { stop, thread }
    }

    fn stop(self) -> Vec<Operator> {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap()
    }
}

#[test]
fn a_question_is_answered_and_the_kernel_says_who_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    assert_eq!(ask(&path, &Request::Status).unwrap(), None);
    let daemon = Daemon::start(&path);
    let answer = ask(&path, &Request::Status).unwrap();
    assert_eq!(answer, Some(Response::Status(Box::default())));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let operators = daemon.stop();
    let uid = geteuid().as_raw();
    let pid = std::process::id();
    assert_eq!(operators, [Operator { uid, pid }]);
    // The socket of a daemon that is gone.
    assert_eq!(ask(&path, &Request::Status).unwrap(), None);
}

#[test]
fn a_message_that_is_too_long_or_no_question_is_answered_with_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let daemon = Daemon::start(&path);
    let check = |bytes: &[u8], part: &str| {
        let mut client = Client::connect(&path).unwrap();
        client.write_all(bytes).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        match serde_json::from_slice(&answer[4..]).unwrap() {
            Response::Refused(refusal) => assert!(refusal.reason.contains(part), "{refusal:?}"),
            other => panic!("{other:?}"),
        }
    };
    check(&u32::MAX.to_be_bytes(), "longer than");
    check(b"\0\0\0\x0212", "expected");
    check(b"\0\0\0\x07\"other\"", "unknown variant");
    check(b"\0\0\0\x09\"status\"", "unexpected end");
    ask(&path, &Request::Status).unwrap().unwrap();
    daemon.stop();
}
