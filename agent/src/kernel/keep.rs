//! What is pinned is held by this process as well: when the BPF file system is
//! unmounted, or pins are removed, nothing ends as long as it lives, and it can
//! pin everything again.

use aya::programs::links::{FdLink, PinnedLink};

use aegisbpf_abi::names::{policy_map, shared_map};

use super::{
    pins,
    programs::{Programs, ProgramsError},
};

/// Pinning takes a link, and loses it where it fails: this one stays.
const SPARE: usize = 1;

impl Programs {
    /// Hold every link that is pinned.
    pub fn hold(&mut self) -> Result<(), ProgramsError> {
        let folder = self.folder().clone();
        for hook in self.pinned_hooks()? {
            let held = self.held.entry(hook.clone()).or_default();
            while held.len() <= SPARE {
                let link = PinnedLink::from_pin(folder.link(&hook));
                let link = link.map_err(|source| ProgramsError::Link {
                    program: hook.clone(),
                    source,
                })?;
                held.push(FdLink::from(link));
            }
        }
        Ok(())
    }

    /// Pin again what was pinned and is not any more.
    pub fn pin_again(&mut self) -> Result<(), ProgramsError> {
        let folder = self.folder().clone();
        // Where that fails, pinning says why.
        let _ = folder.make();
        for (name, map) in self.object.maps() {
            let path = if policy_map::ALL.contains(&name) {
                folder.map(name)
            } else {
                pins::shared_map(name)
            };
            let pinned = policy_map::ALL.contains(&name) || shared_map::ALL.contains(&name);
            if pinned && !path.exists() {
                map.pin(&path)
                    .map_err(|source| ProgramsError::Pin { path, source })?;
            }
        }
        for (hook, held) in &mut self.held {
            let path = folder.link(hook);
            if !path.exists()
                && held.len() > SPARE
                && let Some(link) = held.pop()
            {
                let pinned = link.pin(&path);
                held.push(FdLink::from(
                    pinned.map_err(|source| ProgramsError::Pin { path, source })?,
                ));
            }
        }
        Ok(())
    }
}
