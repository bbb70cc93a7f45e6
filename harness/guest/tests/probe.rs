//! The probe executable, as the runner calls it.

#[path = "../src/executable.rs"]
mod executable;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use harness_proto::probe::{
    Attribute, CreateWay, Doer, ExecWay, KernelProbe, MapWay, MountProbe, NodeKind, OpenWay,
    SendWay, SocketWay,
};
use harness_proto::{
    Access, FloodedFile, NOOP_EXIT_STATUS, Probe, RunAs, Task, Transport, Verdict,
};
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

fn verdict_as(probe: &Probe, run_as: &RunAs) -> Verdict {
    let task = Task {
        probe: probe.clone(),
        run_as: run_as.clone(),
    };
    let output = call(&["run", &serde_json::to_string(&task).unwrap()]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn verdict(probe: &Probe) -> Verdict {
    verdict_as(probe, &RunAs::default())
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

fn create(path: String, by: CreateWay) -> Probe {
    Probe::Create { path, by }
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
    open_by(path, access, OpenWay::Openat)
}

fn open_by(path: String, access: Access, by: OpenWay) -> Probe {
    let cwd = None;
    Probe::Open {
        path,
        access,
        by,
        cwd,
    }
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
        by: OpenWay::Openat,
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
        by: ExecWay::Execve,
    };
    let executable =
        |name: &str, content: &[u8]| executable::make(Path::new(&folder.at(name)), content);
    executable("copy", &fs::read(EXECUTABLE).unwrap());
    fs::write(folder.at("plain"), "text").unwrap();
    executable("other", b"#!/bin/sh\nexit 0\n");
    executable("killed", b"#!/bin/sh\nkill -9 $$\n");
    allowed(&exec("copy"));
    denied(ENOENT, &exec("absent"));
    denied(EACCES, &exec("plain"));
    broken("not a copy of the probe", &exec("other"));
    assert_eq!(verdict(&exec("killed")), Verdict::Killed { signal: 9 });
}

#[test]
fn connecting_needs_a_listener_for_tcp_and_none_for_udp() {
    let connect = |transport, address| Probe::Connect {
        transport,
        address,
        by: SocketWay::Connect,
    };
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
    let exchange = false;
    allowed(&Probe::Rename { from, to, exchange });
    let (from, to) = (at("b"), at("c"));
    allowed(&Probe::Link {
        from: from.clone(),
        to: to.clone(),
    });
    denied(EEXIST, &Probe::Link { from, to });
    let (target, path) = (at("c"), at("d"));
    allowed(&Probe::Symlink { target, path });
    allowed(&open(at("d"), Access::Read));
    allowed(&create(at("e"), CreateWay::Openat));
    denied(EEXIST, &create(at("e"), CreateWay::Openat));
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
    match verdict(&Probe::Mount(MountProbe::Bind { from, to })) {
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
    check(
        &["run", r#"{"probe":{"open":{"path":"/x","typo":1}}}"#],
        2,
        "typo",
    );
    check(&["hold", "{}"], 2, "path");
    check(&["noop", "/script", "noop"], NOOP_EXIT_STATUS, "");
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

#[test]
fn a_file_is_opened_in_every_way_that_needs_no_privilege() {
    let folder = Folder::new().with("file", "xyz");
    for access in [
        Access::Read,
        Access::ReadWrite,
        Access::Write,
        Access::Append,
        Access::Create,
        Access::Truncate,
    ] {
        for by in [OpenWay::Openat, OpenWay::Openat2, OpenWay::ProcRoot] {
            allowed(&open_by(folder.at("file"), access, by));
        }
        if access != Access::Create {
            allowed(&open_by(folder.at("file"), access, OpenWay::Reopened));
        }
    }
    broken(
        "O_PATH",
        &open_by(folder.at("absent"), Access::Read, OpenWay::Reopened),
    );
    denied(
        ENOENT,
        &open_by(folder.at("absent"), Access::Read, OpenWay::Openat2),
    );
}

#[test]
fn a_file_is_changed_without_being_opened_for_writing() {
    let folder = Folder::new().with("file", "xyz");
    let path = || folder.at("file");
    let change = |attribute| Probe::Change {
        path: path(),
        attribute,
    };
    allowed(&Probe::Truncate { path: path() });
    assert_eq!(fs::metadata(path()).unwrap().len(), 1);
    allowed(&change(Attribute::Mode));
    allowed(&change(Attribute::ModeOfDescriptor));
    allowed(&change(Attribute::Times));
    for by in [MapWay::Mmap, MapWay::Mprotect] {
        allowed(&Probe::MapExec { path: path(), by });
    }
    let absent = folder.at("absent");
    denied(
        ENOENT,
        &Probe::Truncate {
            path: absent.clone(),
        },
    );
    broken(
        "open",
        &Probe::MapExec {
            path: absent,
            by: MapWay::Mmap,
        },
    );
}

#[test]
fn folders_and_nodes_are_made_and_removed() {
    let folder = Folder::new().with("a", "first").with("b", "second");
    let path = || folder.at("new");
    allowed(&Probe::Mkdir { path: path() });
    denied(EEXIST, &Probe::Mkdir { path: path() });
    allowed(&Probe::Rmdir { path: path() });
    let kind = NodeKind::Pipe;
    allowed(&Probe::Mknod { path: path(), kind });
    let (from, to, exchange) = (folder.at("a"), folder.at("b"), true);
    allowed(&Probe::Rename { from, to, exchange });
    assert_eq!(fs::read_to_string(folder.at("a")).unwrap(), "second");
}

#[test]
fn a_program_is_executed_in_every_way() {
    let folder = Folder::new();
    for by in [
        ExecWay::Execve,
        ExecWay::Descriptor,
        ExecWay::ProcFd,
        ExecWay::Memfd,
        ExecWay::Deleted,
    ] {
        let path = folder.at("copy");
        executable::make(Path::new(&path), &fs::read(EXECUTABLE).unwrap());
        allowed(&Probe::Exec { path, by });
    }
    assert!(
        !Path::new(&folder.at("copy")).exists(),
        "removed by the last"
    );
    let script = folder.at("script");
    executable::make(
        Path::new(&script),
        format!("#!{EXECUTABLE} noop\n").as_bytes(),
    );
    let by = ExecWay::Execve;
    allowed(&Probe::Exec { path: script, by });
}

#[test]
fn bytes_are_sent_and_addresses_taken_without_connecting() {
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = peer.local_addr().unwrap();
    for by in [SendWay::Sendto, SendWay::Sendmsg, SendWay::Sendmmsg] {
        allowed(&Probe::Send { address, by });
        peer.recv(&mut [0; 8]).unwrap();
    }
    let transport = Transport::Udp;
    match verdict(&Probe::Bind { transport, address }) {
        Verdict::Denied { .. } => {}
        other => panic!("the address is taken: {other:?}"),
    }
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    allowed(&Probe::Bind {
        transport: Transport::Tcp,
        address: any,
    });
    allowed(&Probe::Listen { address: Some(any) });
    allowed(&Probe::Listen { address: None });
    let taken = TcpListener::bind(any).unwrap();
    let address = Some(taken.local_addr().unwrap());
    broken("bind to", &Probe::Listen { address });
}

#[test]
fn whoever_does_the_work_says_the_verdict_once() {
    let folder = Folder::new().with("file", "x");
    for doer in [Doer::Itself, Doer::Child, Doer::Thread] {
        let run_as = RunAs {
            doer,
            ..RunAs::default()
        };
        let probe = open(folder.at("file"), Access::Read);
        assert_eq!(verdict_as(&probe, &run_as), Verdict::Allowed, "{doer:?}");
        let probe = open(folder.at("absent"), Access::Read);
        let errno = ENOENT;
        assert_eq!(verdict_as(&probe, &run_as), Verdict::Denied { errno });
    }
    let nowhere = RunAs {
        cgroup: Some("/no/such/group".into()),
        ..RunAs::default()
    };
    let probe = open(folder.at("file"), Access::Read);
    match verdict_as(&probe, &nowhere) {
        Verdict::Broken { message } => assert!(message.contains("no/such/group"), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_child_is_traced_and_looked_at() {
    // Whether this machine lets it is not the question here.
    for probe in [KernelProbe::PtraceTraceme, KernelProbe::ProcessVmRead] {
        match verdict(&Probe::Kernel(probe)) {
            Verdict::Allowed | Verdict::Denied { errno: EPERM } => {}
            other => panic!("{probe:?}: {other:?}"),
        }
    }
}

#[test]
fn every_way_to_open_that_makes_something_first_gets_to_the_file() {
    let folder = Folder::new().with("file", "content");
    let open = |name: &str, by| Probe::Open {
        path: folder.at(name),
        access: Access::Read,
        by,
        cwd: None,
    };
    for way in [
        OpenWay::AtFolder,
        OpenWay::ProcCwd,
        OpenWay::InRoot,
        OpenWay::RawName,
        OpenWay::Raced,
    ] {
        allowed(&open("file", way));
    }
    for way in [OpenWay::AtFolder, OpenWay::ProcCwd, OpenWay::InRoot] {
        denied(ENOENT, &open("absent", way));
    }
    broken("link", &open("absent", OpenWay::RawName));
    let left: Vec<_> = fs::read_dir(folder.0.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "what was made is gone: {left:?}");
}

#[test]
fn who_is_disguised_does_the_same_work() {
    let folder = Folder::new().with("file", "content");
    let probe = Probe::Open {
        path: folder.at("file"),
        access: Access::Read,
        by: OpenWay::Openat,
        cwd: None,
    };
    let run_as = RunAs {
        disguise: Some("another".into()),
        ..RunAs::default()
    };
    assert_eq!(verdict_as(&probe, &run_as), Verdict::Allowed);
}
