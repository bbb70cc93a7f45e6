//! What a host cannot do without. The list is of names that hold on every
//! distribution we know; [`Host::here`] adds what they are on this one.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use aegisbpf_abi::{Operation, Operations};
use sha2::{Digest as _, Sha256};

use crate::paths;

const RUN: Operations = Operations::EXEC.with(Operation::Read.alone());
const READ: Operations = Operation::Read.alone();
const USE: Operations = READ.with(Operation::Write.alone());
const KEEP: Operations = USE
    .with(Operation::Create.alone())
    .with(Operation::Delete.alone())
    .with(Operation::Rename.alone());

/// Files that every process or the boot needs, between spaces, and what for. A
/// name also stands for the same beneath `/usr`.
const VITAL: [(&str, Operations, &str); 11] = [
    (
        "/lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1 /lib/ld-musl-x86_64.so.1 \
         /lib/ld-musl-aarch64.so.1 /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 \
         /lib/aarch64-linux-gnu/ld-linux-aarch64.so.1",
        RUN,
        "every dynamic program is started by it",
    ),
    (
        "/lib/x86_64-linux-gnu/libc.so.6 /lib/aarch64-linux-gnu/libc.so.6 /lib64/libc.so.6",
        RUN,
        "every dynamic program maps it",
    ),
    ("/etc/ld.so.cache", READ, "every dynamic program reads it"),
    ("/etc/passwd", READ, "nobody can log in without it"),
    (
        "/sbin/init /lib/systemd/systemd /lib/systemd/systemd-executor",
        RUN,
        "it is init",
    ),
    (
        "/bin/sh /bin/dash /bin/bash /bin/busybox",
        RUN,
        "the boot and the rescue console run it",
    ),
    ("/bin/mount", RUN, "the boot mounts with it"),
    ("/sbin/sulogin", RUN, "the rescue console needs it"),
    ("/dev/null", USE, "every service opens it"),
    ("/dev/console", USE, "init and the rescue console use it"),
    (
        "/proc/self",
        READ,
        "loaders, services and the agent read it",
    ),
];

/// Programs that are init, under one name or another.
pub(super) const INITS: [&str; 4] = [
    "/sbin/init",
    "/lib/systemd/systemd",
    "/usr/sbin/init",
    "/usr/lib/systemd/systemd",
];

/// A file that must stay usable.
#[derive(Debug, Clone)]
pub struct Vital {
    /// One of its names.
    pub path: PathBuf,
    /// What must go on being possible.
    pub operations: Operations,
    /// Why.
    pub why: &'static str,
    /// Whether only the agent needs it.
    pub agent_only: bool,
    /// Device and inode, where it was looked at.
    pub inode: Option<((u32, u32), u64)>,
    /// SHA-256 of its content, where it was looked at.
    pub sha256: Option<[u8; 32]>,
}

/// What is known of the host.
#[derive(Debug, Clone)]
pub struct Host {
    /// The agent's executable.
    pub agent: PathBuf,
    /// Programs that no rule denies anything, whatever the policy says.
    pub exempt: Vec<PathBuf>,
    /// What must stay usable.
    pub vital: Vec<Vital>,
}

impl Host {
    /// Any host, by names alone.
    pub fn any(agent: &Path) -> Self {
        let vital = |path: &Path, operations, why, agent_only| Vital {
            path: path.to_owned(),
            operations,
            why,
            agent_only,
            inode: None,
            sha256: None,
        };
        let mut all = Vec::new();
        for (path, operations, why) in VITAL.into_iter().flat_map(|(paths, operations, why)| {
            paths.split(' ').map(move |path| (path, operations, why))
        }) {
            all.push(vital(Path::new(path), operations, why, false));
            if operations == RUN {
                let beneath = format!("/usr{path}");
                all.push(vital(Path::new(&beneath), operations, why, false));
            }
        }
        all.push(vital(agent, RUN, "it is the agent", false));
        for folder in [paths::STATE, paths::RUNTIME, paths::PINS] {
            all.push(vital(
                Path::new(folder),
                KEEP,
                "the agent keeps its state there",
                true,
            ));
        }
        let policy = Path::new(paths::POLICY);
        all.push(vital(policy, READ, "the agent reads it", true));
        Self {
            agent: agent.to_owned(),
            exempt: INITS
                .iter()
                .map(PathBuf::from)
                .chain([agent.to_owned()])
                .collect(),
            vital: all,
        }
    }

    /// This host: where names lead to, and which files they are. Reads every
    /// one of them, for its digest.
    pub fn here() -> io::Result<Self> {
        let mut host = Self::any(&std::env::current_exe()?);
        let mut found = Vec::new();
        for vital in &host.vital {
            let Ok(path) = fs::canonicalize(&vital.path) else {
                continue;
            };
            let metadata = fs::metadata(&path)?;
            let device = metadata.dev();
            let device = (rustix::fs::major(device), rustix::fs::minor(device));
            let sha256 = metadata.is_file().then(|| fs::read(&path)).transpose()?;
            let sha256 = sha256.map(|content| Sha256::digest(content).into());
            found.push(Vital {
                path,
                inode: Some((device, metadata.ino())),
                sha256,
                ..vital.clone()
            });
        }
        host.vital.extend(found);
        let real = host
            .exempt
            .iter()
            .filter_map(|path| fs::canonicalize(path).ok());
        let real: Vec<PathBuf> = real.collect();
        host.exempt.extend(real);
        Ok(host)
    }
}
