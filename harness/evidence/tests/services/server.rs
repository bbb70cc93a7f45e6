//! A server that a test started: on loopback, in a folder of its own, and ended
//! by its number with the test.

use std::{
    collections::BTreeSet,
    fs,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// For a server to come up, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A process and what it said.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Start it; its output goes into a file of the folder.
    pub(crate) fn start(command: &mut Command, folder: &Path, name: &str) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = fs::File::create(&log).unwrap();
        let again = file.try_clone().unwrap();
        let command = command.stdin(Stdio::null()).stdout(file).stderr(again);
        // A group of its own, which is ended with it.
        let child = command.process_group(0).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log }
    }

    /// Wait until it does what it is for.
    pub(crate) fn wait(&mut self, what: &str, mut ready: impl FnMut() -> bool) {
        let started = Instant::now();
        while !ready() {
            let ended = self.child.try_wait().unwrap();
            let said = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(ended.is_none(), "{what}: it ended: {}", said());
            assert!(
                started.elapsed() < PATIENCE,
                "{what}: not in time: {}",
                said()
            );
            // There is no event for what another process does inside.
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn wait_for_port(&mut self, port: u16) {
        self.wait(&format!("port {port}"), || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
            let end = Instant::now() + Duration::from_secs(5);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
                thread::sleep(Duration::from_millis(10));
            }
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// A port that nobody has, and no other test was given.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// Where the servers of the distribution are.
pub(crate) fn prefix() -> PathBuf {
    let prefix = std::env::var_os("AEGISBPF_SERVERS");
    let prefix = prefix.expect("no servers to test with: run `cargo xtask test --services`");
    PathBuf::from(prefix)
}

/// A program of the servers, with the libraries that came with them.
pub(crate) fn program(path: &str) -> Command {
    let prefix = prefix();
    let whole = prefix.join(path);
    assert!(
        whole.is_file(),
        "there is no {}: run `cargo xtask test --services`",
        whole.display()
    );
    let mut command = Command::new("setpriv");
    // A test that is killed cannot end its servers.
    command.args(["--pdeathsig", "KILL", "--"]).arg(whole);
    command.env("LD_LIBRARY_PATH", libraries(&prefix));
    command
}

/// Where a program of the servers is.
pub(crate) fn place(path: &str) -> PathBuf {
    prefix().join(path)
}

/// A program that looks for files of its package below `/usr/share`, wherever
/// it is itself: those of the servers are laid over it, for nobody else.
pub(crate) fn program_with_share(path: &str) -> Command {
    const OVERLAY: &str =
        "mount -t overlay overlay -o lowerdir=\"$0:/usr/share\" /usr/share && exec \"$@\"";
    let mut command = Command::new("setpriv");
    command
        .args([
            "--pdeathsig",
            "KILL",
            "--",
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            OVERLAY,
        ])
        .arg(prefix().join("usr/share"))
        .arg(place(path))
        .env("LD_LIBRARY_PATH", libraries(&prefix()));
    command
}

pub(crate) fn libraries(prefix: &Path) -> PathBuf {
    let folder = prefix.join("usr/lib");
    let entries = fs::read_dir(&folder).unwrap().flatten();
    let mut multiarch =
        entries.filter(|entry| entry.file_name().to_string_lossy().ends_with("-linux-gnu"));
    multiarch.next().map_or(folder, |entry| entry.path())
}

/// Run to its end.
pub(crate) fn done(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}
