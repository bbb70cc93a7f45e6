//! Proof that the hooks really decide: the agent does what a rule of its own
//! denies, through the same hooks, and looks at what happens. A program that
//! is attached and never called looks the same from outside as one that works;
//! this tells them apart.

mod attempts;

use std::{
    fs,
    io::{self, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use aegisbpf_abi::{Domain, Key, Mode, NameHash, Operation};
use aya::maps::MapError;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{
    image::Modes,
    kernel::{
        counters::CounterMap,
        hooks::{Attachment, Needs},
    },
    paths,
    resolve::{ResolveError, Resolver},
};
pub use attempts::as_child;

/// Name of the file that is opened.
pub const OPEN_NAME: &str = "canary-file";
/// Another name of it, which is removed: in audit that comes about, and a file made
/// anew would be none that the rules know.
const OTHER_NAME: &str = "canary-other-name";
/// Name of the program that is executed.
pub const EXEC_NAME: &str = "canary-program";
/// Name of the file that is read through a descriptor that was opened before.
const HELD_NAME: &str = "canary-held";
/// Name of the program that only its content gives away.
const CONTENT_NAME: &str = "canary-content";
/// Name of the place where nothing is.
const PLACE_NAME: &str = "canary-place";
/// The peer: TEST-NET-1, which RFC 5737 keeps for documentation.
pub const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The same by IPv6: RFC 3849.
const PEER_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// The local address: loopback, and nobody's.
const LOCAL: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 254);
/// Name of the task that tries what has no object.
pub const COMMAND: &str = "aegis-canary";
/// What its rules are called in messages.
pub const RULE: &str = "canary";
/// A script whose interpreter is the agent itself; see the hidden command.
const PROGRAM: &str = "#!/proc/self/exe canary\n";
/// The same, but no other file has this content.
const BY_CONTENT: &str = "#!/proc/self/exe canary\n# denied by its content\n";
const CONTENT: &str = "canary\n";
const EPERM: i32 = 1;

/// What the canary tries.
#[derive(Debug, Clone, Copy)]
pub struct CanaryObjects {
    /// A file that nobody else opens, and a place where nobody makes one.
    pub file: [Key; 2],
    /// Their folder.
    pub folder: Key,
    /// A file that nobody else reads.
    pub held: Key,
    /// A program that nobody else executes.
    pub program: Key,
    /// SHA-256 of another.
    pub content: [u8; 32],
    /// Addresses that nobody else uses.
    pub addresses: [[u8; 16]; 3],
}

/// Why the canary does not show that the mode holds.
#[derive(Debug, Error)]
pub enum CanaryError {
    /// Its files cannot be made.
    #[error("cannot prepare {}: {source}", path.display())]
    Prepare {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Its files cannot be found again.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// In enforce, what must be denied with EPERM was not.
    #[error("{}: the canary must be denied with EPERM, but {got}", operation.name())]
    NotDenied {
        /// What was tried.
        operation: Operation,
        /// What happened.
        got: String,
    },
    /// What is known by its content was not recognised.
    #[error(
        "{}: the canary's content was not recognised: the kernel must hash files with SHA-256 \
         (boot with ima_hash=sha256)",
        operation.name()
    )]
    NoDigest {
        /// What was tried.
        operation: Operation,
    },
    /// In audit, the canary was denied.
    #[error("{}: the canary must not be denied in audit, but was", operation.name())]
    Denied {
        /// What was tried.
        operation: Operation,
    },
    /// Nothing was counted: the program was not called.
    #[error("{}: the canary was not seen: the program is attached but not called", operation.name())]
    NotSeen {
        /// What was tried.
        operation: Operation,
    },
    /// The counters cannot be read.
    #[error("cannot read the counters: {0}")]
    Counters(#[from] MapError),
}

impl CanaryError {
    /// What was tried, when it is that which failed.
    pub const fn operation(&self) -> Option<Operation> {
        match self {
            Self::NotDenied { operation, .. }
            | Self::NoDigest { operation }
            | Self::Denied { operation }
            | Self::NotSeen { operation } => Some(*operation),
            Self::Prepare { .. } | Self::Resolve(_) | Self::Counters(_) => None,
        }
    }
}

/// Make the files, if they are not there.
pub fn prepare() -> Result<(), CanaryError> {
    file(OPEN_NAME, CONTENT, 0o600)?;
    file(HELD_NAME, CONTENT, 0o600)?;
    file(CONTENT_NAME, BY_CONTENT, 0o700)?;
    file(EXEC_NAME, PROGRAM, 0o700)?;
    let [path, other] = [OPEN_NAME, OTHER_NAME].map(|name| Path::new(paths::STATE).join(name));
    let inode = |path: &Path| fs::symlink_metadata(path).ok().map(|there| there.ino());
    if inode(&other) == inode(&path) {
        return Ok(());
    }
    // There is none, or it is of a file that was replaced.
    let _ = fs::remove_file(&other);
    fs::hard_link(&path, other).map_err(|source| CanaryError::Prepare { path, source })
}

/// Find their objects.
pub fn objects(resolver: &mut Resolver<'_>) -> Result<CanaryObjects, CanaryError> {
    let state = Path::new(paths::STATE);
    let needed = "it is the agent's own";
    let folder = resolver.existing(state, needed)?;
    Ok(CanaryObjects {
        file: [
            resolver.existing(&state.join(OPEN_NAME), needed)?,
            folder.place(NameHash::of(PLACE_NAME.as_bytes())),
        ],
        folder,
        held: resolver.existing(&state.join(HELD_NAME), needed)?,
        program: resolver.existing(&state.join(EXEC_NAME), needed)?,
        ..names_only()
    })
}

/// Objects for the fallback, which sees none.
pub fn names_only() -> CanaryObjects {
    CanaryObjects {
        file: [Key::default(); 2],
        folder: Key::default(),
        held: Key::default(),
        program: Key::default(),
        content: Sha256::digest(BY_CONTENT).into(),
        addresses: [PEER.to_ipv6_mapped(), LOCAL.to_ipv6_mapped(), PEER_IPV6]
            .map(|address| address.octets()),
    }
}

/// A file with this content. One that is there already may be denied to us by
/// the policy in force, so it is judged by its size and mode.
fn file(name: &str, content: &str, mode: u32) -> Result<(), CanaryError> {
    let path = Path::new(paths::STATE).join(name);
    let error = |source| CanaryError::Prepare {
        path: path.clone(),
        source,
    };
    fs::create_dir_all(paths::STATE).map_err(error)?;
    match fs::symlink_metadata(&path) {
        Ok(there)
            if there.is_file()
                && there.len() == content.len() as u64
                && there.permissions().mode() & 0o777 == mode =>
        {
            return Ok(());
        }
        Ok(_) => fs::remove_file(&path).map_err(error)?,
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => {}
        Err(other) => return Err(error(other)),
    }
    let mut made = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&path)
        .map_err(error)?;
    made.write_all(content.as_bytes()).map_err(error)
}

/// How it tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Usual,
    /// With the program that only its content gives away.
    Content,
    /// With a socket of that family.
    Ipv6,
}

/// Try every operation that the policy speaks of.
pub fn run(modes: &Modes, needs: &Needs, counters: &CounterMap) -> Result<(), CanaryError> {
    prepare()?;
    let exec = needs.operations.of(Domain::Exec);
    let by_content = exec.iter().filter(|_| needs.contents);
    let by_content = by_content.map(|one| (one, Way::Content));
    // Elsewhere both families ask the same hook.
    let network = needs.operations.of(Domain::Network);
    let by_ipv6 = network
        .iter()
        .filter(|_| needs.attachment == Attachment::Cgroup);
    let by_ipv6 = by_ipv6.map(|one| (one, Way::Ipv6));
    let tries = needs.operations.iter().map(|one| (one, Way::Usual));
    for (operation, way) in tries.chain(by_content).chain(by_ipv6) {
        let mode = modes.of(operation.domain());
        if mode == Mode::Off {
            continue;
        }
        let before = counters.read()?;
        let Some(tried) = attempts::attempt(operation, way) else {
            continue;
        };
        let after = counters.read()?;
        let denied = tried.as_ref().err().and_then(io::Error::raw_os_error) == Some(EPERM);
        let seen = match mode {
            Mode::Enforce => after.denials > before.denials,
            Mode::Audit | Mode::Off => after.audits > before.audits,
        };
        match (mode, denied, seen) {
            (_, false, false) if way == Way::Content => {
                return Err(CanaryError::NoDigest { operation });
            }
            (Mode::Enforce, false, _) => {
                let got = match tried {
                    Ok(()) => "it was allowed".to_owned(),
                    Err(error) => format!("it failed with {error}"),
                };
                return Err(CanaryError::NotDenied { operation, got });
            }
            (Mode::Audit, true, _) => return Err(CanaryError::Denied { operation }),
            (_, _, false) => return Err(CanaryError::NotSeen { operation }),
            _ => {}
        }
    }
    Ok(())
}
