//! One set-up at a time on each cache.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::progress::Stages;

/// Held while the cache's tools or the machine's packages change. The system
/// releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct SetupLock(#[expect(dead_code, reason = "held, not read")] File);

/// Takes the lock of this cache; says so before it waits for another set-up.
pub(super) fn acquire(cache: &Path, stages: &Stages) -> Result<SetupLock> {
    fs::create_dir_all(cache)
        .with_context(|| format!("cannot create the cache folder {}", cache.display()))?;
    let path = cache.join("setup.lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(SetupLock(file)),
        Err(TryLockError::WouldBlock) => {
            stages.note(&format!(
                "waiting for another set-up that holds {}",
                path.display()
            ));
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(SetupLock(file))
}
