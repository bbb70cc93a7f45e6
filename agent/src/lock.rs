//! One daemon at a time. The lock is the kernel's, so it ends with the
//! process however that ends.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use thiserror::Error;

use crate::paths;

/// Held as long as the daemon runs.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock is not ours.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody has it.
    #[error("another agent is running{}", pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Taken {
        /// Its process id, when it could be read.
        pid: Option<u32>,
    },
    /// The file cannot be used.
    #[error("cannot use the lock in /run/aegisbpf: {0}")]
    Io(#[from] io::Error),
}

impl Lock {
    /// Take the lock, or say who has it.
    pub fn take() -> Result<Self, LockError> {
        fs::create_dir_all(paths::RUNTIME)?;
        // Whoever can open the file can lock it, and so keep an agent from
        // starting.
        fs::set_permissions(paths::RUNTIME, Permissions::from_mode(0o700))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(Path::new(paths::RUNTIME).join("lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                return Err(LockError::Taken {
                    pid: text.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }

    /// The process id of the daemon that runs, if one does.
    pub fn holder() -> Result<Option<Option<u32>>, io::Error> {
        let path = Path::new(paths::RUNTIME).join("lock");
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                Ok(Some(text.trim().parse().ok()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
