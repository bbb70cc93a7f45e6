//! The socket, on both sides. A message is its length (32 bits, big end first)
//! and so many bytes of JSON; a connection is one question and one answer.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::Duration,
};

use rustix::process::geteuid;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{Refusal, Request, Response};
use crate::{exit_code::ExitCode, history::Operator, policy::parse::MAX_BYTES};

/// Bytes of the longest message: a policy in which every second character
/// needs an escape.
const MAX_MESSAGE: u64 = MAX_BYTES * 2;
/// How long a question may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer may take: a hundred thousand rules are not read in a
/// moment.
const ANSWER: Duration = Duration::from_mins(5);

/// A question that waits for its answer.
#[derive(Debug)]
pub struct Question {
    /// Who asks, as the kernel says.
    pub by: Operator,
    /// What.
    pub request: Request,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Response>,
}

/// Make the socket; whoever holds the daemon's lock may remove an old one.
/// Only root and the daemon's own user are served.
pub fn listen(path: &Path) -> io::Result<mpsc::Receiver<Question>> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    let (sender, questions) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sender.clone()));
            } else {
                // Out of descriptors: others may be given back.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    Ok(questions)
}

async fn serve(mut stream: UnixStream, questions: mpsc::Sender<Question>) {
    let answer = match ask_daemon(&mut stream, &questions).await {
        Ok(answer) => answer,
        Err(error) => Response::Refused(Refusal::new(ExitCode::Usage, error)),
    };
    // Whoever asked may be gone.
    let _ = timeout(PATIENCE, send(&mut stream, &answer)).await;
}

async fn ask_daemon(
    stream: &mut UnixStream,
    questions: &mpsc::Sender<Question>,
) -> io::Result<Response> {
    let peer = stream.peer_cred()?;
    if peer.uid() != 0 && peer.uid() != geteuid().as_raw() {
        return Err(io::Error::other("only root may ask"));
    }
    let by = Operator {
        uid: peer.uid(),
        pid: peer
            .pid()
            .and_then(|pid| u32::try_from(pid).ok())
            .unwrap_or(0),
    };
    let request = timeout(PATIENCE, receive(stream)).await??;
    let (answer, answered) = oneshot::channel();
    let question = Question {
        by,
        request,
        answer,
    };
    let gone = |()| io::Error::other("the daemon is stopping");
    questions.send(question).await.map_err(|_| gone(()))?;
    answered.await.map_err(|_| gone(()))
}

/// Ask the daemon; `None` when none runs.
pub fn ask(path: &Path, request: &Request) -> io::Result<Option<Response>> {
    ask_within(ANSWER, path, request)
}

/// The same, not waiting longer than told.
pub fn ask_within(
    patience: Duration,
    path: &Path,
    request: &Request,
) -> io::Result<Option<Response>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        timeout(PATIENCE, send(&mut stream, request)).await??;
        timeout(patience, receive(&mut stream)).await?.map(Some)
    })
}

async fn send(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let length = u32::try_from(bytes.len()).map_err(|_| too_long())?;
    if u64::from(length) > MAX_MESSAGE {
        return Err(too_long());
    }
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&bytes).await
}

async fn receive<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<T> {
    let length = u64::from(stream.read_u32().await?);
    if length > MAX_MESSAGE {
        return Err(too_long());
    }
    // Grows with what comes, not with what is announced.
    let mut bytes = Vec::new();
    let read = stream.take(length).read_to_end(&mut bytes).await?;
    if read as u64 != length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&bytes)?)
}

fn too_long() -> io::Error {
    io::Error::other(format!("a message is longer than {MAX_MESSAGE} bytes"))
}

#[cfg(test)]
mod tests;
