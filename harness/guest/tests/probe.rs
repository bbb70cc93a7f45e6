//! The probe executable, as the runner calls it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use harness_proto::{Access, FloodedFile, NOOP_EXIT_STATUS, Probe, Transport, Verdict};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use tempfile::TempDir;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_probe");

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EACCES: i32 = 13;
const EEXIST: i32 = 17;
const EISDIR: i32 = 21;
const ECONNREFUSED: i32 = 111;

fn call(arguments: &[&str]) -> Output {
    Command::new(EXECUTABLE).args(arguments).output().unwrap()
}

fn verdict(probe: &Probe) -> Verdict {
    let output = call(&["run", &serde_json::to_string(probe).unwrap()]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn allowed(probe: &Probe) {
    assert_eq!(verdict(probe), Verdict::Allowed, "{probe:?}");
}

#[track_caller]
fn denied(errno: i32, probe: &Probe) {
    assert_eq!(verdict(probe), Verdict::Denied { errno }, "{probe:?}");
}

#[track_caller]
fn broken(part: &str, probe: &Probe) {
    match verdict(probe) {
        Verdict::Broken { message } => assert!(message.contains(part), "{message}"),
        other => panic!("{other:?}"),
    }
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn with(self, name: &str, content: &str) -> Self {
        fs::write(self.at(name), content).unwrap();
        self
    }
}

fn open(path: String, access: Access) -> Probe {
    let cwd = None;
    Probe::Open { path, access, cwd }
}

#[test]
fn opening_reads_a_byte_or_tells_the_errno() {
    let folder = Folder::new().with("file", "x").with("empty", "");
    allowed(&open(folder.at("file"), Access::Read));
    allowed(&open(folder.at("file"), Access::Write));
    allowed(&open(folder.at("empty"), Access::Read));
    denied(ENOENT, &open(folder.at("absent"), Access::Read));
    // A folder can be opened for reading, but not read.
    denied(EISDIR, &open(folder.at("."), Access::Read));
    denied(EISDIR, &open(folder.at("."), Access::Write));
}

#[test]
fn a_relative_path_is_opened_from_its_folder() {
    let folder = Folder::new().with("file", "x");
    let from = |cwd: String| Probe::Open {
        path: "file".into(),
        access: Access::Read,
        cwd: Some(cwd),
    };
    allowed(&from(folder.at(".")));
    broken("change to the folder", &from(folder.at("absent")));
}

#[test]
fn only_a_copy_of_the_probe_counts_as_executed() {
    let folder = Folder::new();
    let exec = |name: &str| Probe::Exec {
        path: folder.at(name),
    };
    let script = |name: &str, text: &str, mode| {
        fs::write(folder.at(name), text).unwrap();
        fs::set_permissions(folder.at(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::copy(EXECUTABLE, folder.at("copy")).unwrap();
    script("plain", "text", 0o644);
    script("other", "#!/bin/sh\nexit 0\n", 0o755);
    script("killed", "#!/bin/sh\nkill -9 $$\n", 0o755);
    allowed(&exec("copy"));
    denied(ENOENT, &exec("absent"));
    denied(EACCES, &exec("plain"));
    broken("not a copy of the probe", &exec("other"));
    assert_eq!(verdict(&exec("killed")), Verdict::Killed { signal: 9 });
}

#[test]
fn connecting_needs_a_listener_for_tcp_and_none_for_udp() {
    let connect = |transport, address| Probe::Connect { transport, address };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    allowed(&connect(Transport::Tcp, address));
    // An IPv6 socket that reaches the same listener.
    let mapped = SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), address.port());
    allowed(&connect(Transport::Tcp, mapped));
    // Bound, so that no other program listens there, but not listening.
    let silent = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&silent, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = getsockname(&silent).unwrap().try_into().unwrap();
    denied(ECONNREFUSED, &connect(Transport::Tcp, address));
    let bound = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    allowed(&connect(Transport::Udp, bound.local_addr().unwrap()));
}

#[test]
fn names_are_made_moved_and_removed() {
    let folder = Folder::new().with("a", "x");
    let at = |name: &str| folder.at(name);
    let (from, to) = (at("a"), at("b"));
    allowed(&Probe::Rename { from, to });
    let (from, to) = (at("b"), at("c"));
    allowed(&Probe::Link {
        from: from.clone(),
        to: to.clone(),
    });
    denied(EEXIST, &Probe::Link { from, to });
    let (target, path) = (at("c"), at("d"));
    allowed(&Probe::Symlink { target, path });
    allowed(&open(at("d"), Access::Read));
    allowed(&Probe::Create { path: at("e") });
    denied(EEXIST, &Probe::Create { path: at("e") });
    allowed(&Probe::Unlink { path: at("e") });
    denied(ENOENT, &Probe::Unlink { path: at("e") });
    assert!(Path::new(&at("c")).exists() && !Path::new(&at("a")).exists());
    symlink("/nowhere", at("f")).unwrap();
    denied(ENOENT, &open(at("f"), Access::Read));
}

#[test]
fn a_bind_mount_of_nothing_is_refused() {
    let folder = Folder::new();
    let (from, to) = (folder.at("absent"), folder.at("also-absent"));
    match verdict(&Probe::BindMount { from, to }) {
        // The second for those who may not mount at all.
        Verdict::Denied {
            errno: ENOENT | EPERM,
        } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_that_makes_no_sense_is_no_verdict() {
    let check = |arguments: &[&str], status, part: &str| {
        let output = call(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.stdout.is_empty() && stderr.contains(part),
            "{stderr}"
        );
    };
    check(&["noop"], NOOP_EXIT_STATUS, "");
    check(&[], 2, "usage");
    check(&["run"], 2, "usage");
    check(&["run", "{}"], 2, "probe");
    check(&["run", r#"{"open":{"path":"/x","typo":1}}"#], 2, "typo");
}

#[test]
fn the_runner_refuses_to_be_anything_but_init() {
    let output = Command::new(env!("CARGO_BIN_EXE_guest-runner"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("PID 1"));
}

#[test]
fn a_flood_has_the_verdict_of_every_one_of_its_parts() {
    let folder = Folder::new().with("file", "x");
    let flood = |name, times| Probe::Flood {
        open: FloodedFile {
            path: folder.at(name),
        },
        times,
    };
    allowed(&flood("file", 3000));
    denied(ENOENT, &flood("absent", 3000));
    broken("`times` is 0", &flood("file", 0));
}
