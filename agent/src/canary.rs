//! Proof that the hooks really decide: the agent does what a rule of its own
//! denies, through the same hooks, and looks at what happens. A program that
//! is attached and never called looks the same from outside as one that works;
//! this tells them apart.

use std::{
    fs,
    io::{self, Write as _},
    net::{Ipv4Addr, UdpSocket},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use aegisbpf_abi::Mode;
use aya::maps::MapError;
use thiserror::Error;

use crate::{
    image::{CanaryObjects, Modes},
    kernel::counters::Counters,
    paths,
    policy::Domain,
    resolve::{ResolveError, Resolver},
};

/// Name of the file that is opened.
pub const OPEN_NAME: &str = "canary-file";
/// Name of the program that is executed.
pub const EXEC_NAME: &str = "canary-program";
/// The peer: TEST-NET-1, which RFC 5737 keeps for documentation.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The discard port. A UDP socket is connected to it, which sends nothing.
const PORT: u16 = 9;
/// A script whose interpreter is the agent itself; see the hidden command.
const PROGRAM: &str = "#!/proc/self/exe canary\n";
const EPERM: i32 = 1;

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
    #[error("{domain}: the canary must be denied with EPERM, but {got}")]
    NotDenied {
        /// The domain.
        domain: Domain,
        /// What happened.
        got: String,
    },
    /// In audit, the canary was denied.
    #[error("{domain}: the canary must not be denied in audit, but was")]
    Denied {
        /// The domain.
        domain: Domain,
    },
    /// Nothing was counted: the program was not called.
    #[error("{domain}: the canary was not seen: the program is attached but not called")]
    NotSeen {
        /// The domain.
        domain: Domain,
    },
    /// The counters cannot be read.
    #[error("cannot read the counters: {0}")]
    Counters(#[from] MapError),
}

/// Make the files, if they are not there, and find their objects.
pub fn prepare(resolver: &Resolver) -> Result<CanaryObjects, CanaryError> {
    let open = file(OPEN_NAME, "canary\n", 0o600)?;
    let exec = file(EXEC_NAME, PROGRAM, 0o700)?;
    Ok(CanaryObjects {
        open: resolver.resolve(&open)?,
        exec: resolver.resolve(&exec)?,
        address: ADDRESS.to_ipv6_mapped().octets(),
    })
}

/// A file with this content. One that is there already may be denied to us by
/// the generation in force, so it is judged by its size and mode.
fn file(name: &str, content: &str, mode: u32) -> Result<PathBuf, CanaryError> {
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
            return Ok(path);
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
    made.write_all(content.as_bytes()).map_err(error)?;
    Ok(path)
}

/// Try every domain that has a mode.
pub fn run(modes: &Modes) -> Result<(), CanaryError> {
    for domain in Domain::ALL {
        let mode = modes.of(domain);
        if mode == Mode::Off {
            continue;
        }
        let before = Counters::read()?;
        let tried = attempt(domain);
        let after = Counters::read()?;
        let denied = tried.as_ref().err().and_then(io::Error::raw_os_error) == Some(EPERM);
        let seen = match mode {
            Mode::Enforce => after.denials > before.denials,
            Mode::Audit | Mode::Off => after.audits > before.audits,
        };
        match (mode, denied, seen) {
            (Mode::Enforce, false, _) => {
                let got = match tried {
                    Ok(()) => "it was allowed".to_owned(),
                    Err(error) => format!("it failed with {error}"),
                };
                return Err(CanaryError::NotDenied { domain, got });
            }
            (Mode::Audit, true, _) => return Err(CanaryError::Denied { domain }),
            (_, _, false) => return Err(CanaryError::NotSeen { domain }),
            _ => {}
        }
    }
    Ok(())
}

fn attempt(domain: Domain) -> io::Result<()> {
    let state = Path::new(paths::STATE);
    match domain {
        Domain::File => fs::File::open(state.join(OPEN_NAME)).map(drop),
        Domain::Exec => Command::new(state.join(EXEC_NAME))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map(drop),
        Domain::Network => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.connect((ADDRESS, PORT)),
    }
}
