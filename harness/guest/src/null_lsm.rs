//! The work of the `null-lsm` executable: LSM programs that return 0 and do
//! nothing else, on exactly the hooks where another agent has its own. What they
//! cost is the floor that no agent with these hooks can get below.
//!
//! | module | holds |
//! | --- | --- |
//! | `functions` | the kernel's functions and their BTF ids |
//! | `traced` | the hooks that are attached to, where links do not tell |
//!
//! The hooks are those of the BPF links that the kernel lists, never a list of
//! the agent's. The programs are two instructions long and loaded by bpf(2)
//! itself: whatever a compiler or a library would add is not the floor.

mod functions;
mod traced;

use std::path::Path;

use harness_proto::count::LsmHooks;
use thiserror::Error;

use crate::attempt::AttemptError;
use crate::bpf::{self, LinkTarget, NullLink};
use functions::Functions;

/// The kernel calls the function of a hook this and the hook's name.
const PREFIX: &str = "bpf_lsm_";

/// Why hooks cannot be read or attached to.
#[derive(Debug, Error)]
pub enum HookError {
    /// bpf(2) or a file.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// The kernel's type information.
    #[error("/sys/kernel/btf/vmlinux: {0}")]
    Types(&'static str),
    /// A link to a function that is no hook.
    #[error("an LSM link leads to the BTF id {0}, which is no function called {PREFIX}…")]
    NoHook(u32),
    /// A hook that this kernel does not have.
    #[error("this kernel has no function {PREFIX}{0}")]
    Unknown(String),
    /// Several programs on one hook, on a kernel that does not tell which.
    #[error(
        "there are {links} LSM links, but {hooks} hooks are attached to: before 5.13, a kernel \
         does not tell which hook has several programs"
    )]
    Ambiguous {
        /// How many links.
        links: usize,
        /// How many hooks.
        hooks: usize,
    },
}

/// The hooks that have programs now, as the kernel itself says.
pub fn list() -> Result<LsmHooks, HookError> {
    let targets = bpf::link_targets()?;
    let of_hooks: Vec<Option<u32>> = targets
        .iter()
        .filter_map(|target| match target {
            LinkTarget::Lsm { function } => Some(*function),
            LinkTarget::Other => None,
        })
        .collect();
    let ids: Option<Vec<u32>> = of_hooks.iter().copied().collect();
    let mut hooks = match ids {
        Some(ids) => names(&ids)?,
        None => traced::hooks(Path::new(traced::ENABLED_FUNCTIONS))?,
    };
    if hooks.len() != of_hooks.len() {
        return Err(HookError::Ambiguous {
            links: of_hooks.len(),
            hooks: hooks.len(),
        });
    }
    hooks.sort();
    Ok(LsmHooks {
        hooks,
        other_links: u32::try_from(targets.len() - of_hooks.len()).unwrap_or(u32::MAX),
    })
}

/// Attach one program that does nothing for each of the hooks.
pub fn attach(hooks: &[String]) -> Result<Vec<NullLink>, HookError> {
    let functions = Functions::of_this_kernel()?;
    let mut links = Vec::new();
    for hook in hooks {
        let function = functions
            .id(&format!("{PREFIX}{hook}"))?
            .ok_or_else(|| HookError::Unknown(hook.clone()))?;
        links.push(bpf::attach_null(function)?);
    }
    Ok(links)
}

fn names(ids: &[u32]) -> Result<Vec<String>, HookError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let functions = Functions::of_this_kernel()?;
    ids.iter()
        .map(|&id| {
            functions
                .name(id)?
                .and_then(|name| name.strip_prefix(PREFIX))
                .map(str::to_owned)
                .ok_or(HookError::NoHook(id))
        })
        .collect()
}
