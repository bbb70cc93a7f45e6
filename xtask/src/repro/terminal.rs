//! This terminal, lent to a shell in a guest.

use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use tempfile::TempDir;

/// Listens for a machine's serial port. What comes from there is printed, what
/// is typed goes there; the terminal is raw from the first output on, so that
/// Ctrl-C means the guest, and as before when this is dropped.
pub(super) struct Terminal {
    socket: PathBuf,
    before: Arc<Mutex<Option<Termios>>>,
    _folder: TempDir,
}

/// The machine that is there now: one boots, another is restored from it.
type Peer = Arc<Mutex<Option<UnixStream>>>;

impl Terminal {
    pub(super) fn lend() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("shell.sock");
        let listener = UnixListener::bind(&socket)?;
        let before = Arc::new(Mutex::new(None));
        let peer = Peer::default();
        let of_peers = (Arc::clone(&before), Arc::clone(&peer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                print_all(stream, &of_peers.0, &of_peers.1);
            }
        });
        thread::spawn(move || type_all(&peer));
        Ok(Self {
            socket,
            before,
            _folder: folder,
        })
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = before.take() {
            // Nothing can be done about a terminal that has gone.
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &before);
        }
    }
}

/// Until this machine ends.
fn print_all(stream: UnixStream, before: &Mutex<Option<Termios>>, peer: &Peer) {
    let Ok(mut from) = stream.try_clone() else {
        return;
    };
    *peer.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        make_raw(before);
        let mut out = io::stdout().lock();
        if out
            .write_all(&bytes[..count])
            .and_then(|()| out.flush())
            .is_err()
        {
            return;
        }
    }
}

fn make_raw(before: &Mutex<Option<Termios>>) {
    let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
    if before.is_some() || !io::stdin().is_terminal() {
        return;
    }
    if let Ok(found) = tcgetattr(io::stdin()) {
        let mut raw = found.clone();
        cfmakeraw(&mut raw);
        if tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw).is_ok() {
            *before = Some(found);
        }
    }
}

/// Until there is no more; then the shell is told so.
fn type_all(peer: &Peer) {
    const END: u8 = 4;
    let mut bytes = [0; 1024];
    loop {
        let (typed, last) = match io::stdin().read(&mut bytes) {
            Ok(count @ 1..) => (&bytes[..count], false),
            _ => (&[END][..], true),
        };
        let mut peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peer) = peer.as_mut() {
            let _ = peer.write_all(typed);
        }
        if last {
            return;
        }
    }
}
