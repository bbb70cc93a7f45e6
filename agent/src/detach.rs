//! Ending enforcement: every pin removed, every hook let go by the kernel.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use aegisbpf_abi::Active;
use aya::programs::{links::LinkError, loaded_links};
use thiserror::Error;

use crate::kernel::{
    facts, pins,
    policy_maps::{PolicyMaps, PolicyMapsError},
    programs,
};

/// How long the kernel may take to let go.
const PATIENCE: Duration = Duration::from_secs(10);
/// The kernel frees links behind our back and tells nobody, so it is asked.
const INTERVAL: Duration = Duration::from_millis(2);

/// Why enforcement may go on.
#[derive(Debug, Error)]
pub enum DetachError {
    /// There is nothing.
    #[error("nothing is attached")]
    Nothing,
    /// What is attached cannot be reached.
    #[error("cannot tell whether anything is attached: {0}")]
    Bpffs(String),
    /// The word cannot be taken from the programs.
    #[error(transparent)]
    Active(#[from] Box<PolicyMapsError>),
    /// A pin cannot be read or removed.
    #[error("cannot remove the pins: {0}")]
    Pins(#[from] io::Error),
    /// The kernel cannot be asked.
    #[error("cannot list the kernel's links: {0}")]
    Links(#[from] LinkError),
    /// Somebody else holds a link.
    #[error("the pins are gone, but the kernel still holds links {0:?}: another process has them")]
    Held(Vec<u32>),
}

/// Remove everything, and return when no hook of ours can deny any more.
pub fn detach() -> Result<(), DetachError> {
    if !pins::any()? {
        facts::bpffs().map_err(DetachError::Bpffs)?;
        return Err(DetachError::Nothing);
    }
    let mut ours = Vec::new();
    let mut silenced = Ok(());
    for folder in pins::folders()? {
        // One that cannot be read has nothing attached that we could name.
        let attached = programs::attached(&folder).unwrap_or_default();
        ours.extend(attached.iter().map(|attached| attached.link_id));
        // First the one step after which nothing is denied. The kernel frees
        // a link's id before it detaches the program, so a link that is gone
        // from its list can deny for a moment longer.
        let maps = PolicyMaps::new(folder);
        if maps.exist() {
            silenced = silenced.and(maps.activate(Active::NONE));
        }
    }
    pins::remove_all()?;
    // Reported only now: whatever is wrong with it, the hooks had to go.
    silenced.map_err(Box::new)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut held = Vec::new();
        for link in loaded_links() {
            match link {
                Ok(link) if ours.contains(&link.id()) => held.push(link.id()),
                Ok(_) => {}
                // It went away between being listed and being asked.
                Err(LinkError::SyscallError(error))
                    if error.io_error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        if held.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(DetachError::Held(held));
        }
        thread::sleep(INTERVAL);
    }
}
