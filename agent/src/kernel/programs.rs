//! Loading, attaching and pinning the programs.
//!
//! The programs of one version share a folder of pins, named by their digest.
//! They are attached and stay attached while policies come and go in their
//! maps. Another version of the agent loads its own beside them.

use std::{collections::BTreeMap, fs::File, io, path::PathBuf};

use aegisbpf_abi::{ABI_VERSION, names};
use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader, Endianness,
    pin::PinError,
    programs::{
        CgroupAttachMode, CgroupSockAddr, Lsm, Program, ProgramError, RawTracePoint,
        links::{FdLink, LinkError, PinnedLink},
    },
};
use rustix::fs::fstat;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{
    chain::chain,
    facts,
    hooks::{self, Absence, Attachment, HOOKS, Hook, Needs},
    layout::{self, LayoutError},
    outer_maps,
    pins::{self, Folder},
};
use crate::{
    hex,
    resolve::{self, ResolveError},
};

/// The BPF object, built before the agent.
const OBJECT: &[u8] = aya::include_bytes_aligned!(env!("AEGISBPF_BPF_OBJECT"));

/// The map of the fallback's calls between their entry and their return, and
/// how many there can be at a time: one for each thread that opens a file.
const IN_FLIGHT: &str = "IN_FLIGHT";
const IN_FLIGHT_CALLS: u32 = 16 * 1024;

/// The kernel's number of the cgroup that holds all others.
const ROOT_CGROUP: u64 = 1;

/// How the programs see what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// LSM hooks: they can deny.
    Lsm,
    /// Tracepoints: they can only report.
    Tracepoints,
    /// The cgroup at the root, where peers and local addresses can be denied;
    /// tracepoints for what may be audited instead.
    Cgroup,
}

impl Mechanism {
    /// Its number in [`aegisbpf_abi::Meta`].
    pub const fn number(self) -> u32 {
        match self {
            Self::Lsm => 1,
            Self::Tracepoints => 2,
            Self::Cgroup => 3,
        }
    }

    /// From its number in [`aegisbpf_abi::Meta`].
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Lsm),
            2 => Some(Self::Tracepoints),
            3 => Some(Self::Cgroup),
            _ => None,
        }
    }
}

/// Why the programs are not attached.
#[derive(Debug, Error)]
pub enum ProgramsError {
    /// The kernel's types are not what the programs need.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The kernel has no hook for something that a rule speaks of.
    #[error("this kernel has no LSM hook {hook:?}, without which {} cannot be decided about", operations.join(", "))]
    NoHook {
        /// The hook.
        hook: &'static str,
        /// The operations of the policy that need it.
        operations: Vec<&'static str>,
    },
    /// The kernel does not tell the content of files.
    #[error(
        "this kernel cannot tell programs by their content: it has no bpf_ima_file_hash (5.18 and \
         later, with CONFIG_IMA); rules with `sha256` need it, `path` does not"
    )]
    NoContent,
    /// Nothing to attach to.
    #[error(
        "the root of the cgroup v2 hierarchy is not mounted here, or is hidden by a cgroup namespace: {}",
        ResolveError::NoCgroups
    )]
    NoCgroup,
    /// The verifier refused a program.
    #[error("the verifier refused program {program}: {source}\n{log}")]
    Verifier {
        /// The program.
        program: String,
        /// The kernel's answer.
        source: io::Error,
        /// The verifier's log.
        log: String,
    },
    /// The object could not be loaded.
    #[error("cannot load the BPF object: {}", chain(.0))]
    Load(#[from] EbpfError),
    /// A program could not be loaded or attached.
    #[error("cannot attach program {program}: {}", chain(source))]
    Attach {
        /// The program.
        program: String,
        /// The kernel's answer.
        source: ProgramError,
    },
    /// A pin could not be made.
    #[error("cannot pin {}: {}", path.display(), chain(source))]
    Pin {
        /// The pin.
        path: PathBuf,
        /// The kernel's answer.
        source: PinError,
    },
    /// A link could not be asked.
    #[error("cannot use the link of {program}: {}", chain(source))]
    Link {
        /// The program.
        program: String,
        /// The kernel's answer.
        source: LinkError,
    },
    /// The BPF file system or the BTF could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's error.
        source: io::Error,
    },
}

/// One attached program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The hook.
    pub hook: String,
    /// The kernel's id of the link.
    pub link_id: u32,
    /// The kernel's id of the program.
    pub program_id: u32,
}

/// The object, with its maps pinned.
#[derive(Debug)]
pub struct Programs {
    /// The object.
    pub(super) object: Ebpf,
    folder: Folder,
    missing_hooks: Vec<&'static str>,
    /// The links of the hooks that are pinned.
    pub(super) held: BTreeMap<String, Vec<FdLink>>,
}

/// The folder of this agent's programs.
pub fn own_folder() -> Folder {
    let mut digest = Sha256::new();
    digest.update(ABI_VERSION.to_le_bytes());
    digest.update(OBJECT);
    Folder::of(&hex::encode(&digest.finalize()[..8]))
}

impl Programs {
    /// Load the object. Its maps are made, or taken from the pins; no program
    /// is loaded yet.
    pub fn open(mechanism: Mechanism) -> Result<Self, ProgramsError> {
        let folder = own_folder();
        folder.make().map_err(|source| ProgramsError::Io {
            what: format!("cannot make {}", folder.path().display()),
            source,
        })?;
        let (btf, layout) = match mechanism {
            Mechanism::Lsm | Mechanism::Cgroup => {
                let bytes = read_btf()?;
                (Some(parse_btf(&bytes)?), layout::look_up(&bytes, &HOOKS)?)
            }
            Mechanism::Tracepoints => {
                let nothing = layout::Layout {
                    globals: Vec::new(),
                    missing_hooks: Vec::new(),
                };
                (None, nothing)
            }
        };
        outer_maps::make_missing(&folder)?;
        let mut loader = EbpfLoader::new();
        loader.btf(btf.as_ref());
        for (name, value) in &layout.globals {
            loader.override_global(name, value, true);
        }
        for name in names::shared_map::ALL {
            loader.map_pin_path(name, pins::shared_map(name));
        }
        for name in names::policy_map::ALL {
            loader.map_pin_path(name, folder.map(name));
        }
        if mechanism != Mechanism::Lsm {
            loader.map_max_entries(IN_FLIGHT, IN_FLIGHT_CALLS);
        }
        Ok(Self {
            object: loader.load(OBJECT)?,
            folder,
            missing_hooks: layout.missing_hooks,
            held: BTreeMap::new(),
        })
    }

    /// Whether the kernel has no such hook.
    pub fn lacks(&self, hook: &Hook) -> bool {
        self.missing_hooks.contains(&hook.name)
    }

    /// The hooks that are needed, that this kernel has, and that are not pinned.
    pub fn detached(&self, needs: &Needs) -> Vec<&'static str> {
        let pinned = self.folder.links().unwrap_or_default();
        let missing = |hook: &&Hook| {
            let pinned = pinned.iter().any(|name| name == hook.name);
            !pinned && !self.lacks(hook)
        };
        let missing = needs.hooks().filter(missing);
        missing.map(|hook| hook.name).collect()
    }

    /// The hooks that are needed and that this kernel has, a bit each.
    pub fn bits_of(&self, needs: &Needs) -> u64 {
        hooks::bits(needs.hooks().filter(|hook| !self.lacks(hook)))
    }

    /// Where its pins are.
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Whether the kernel has every hook that is needed.
    pub fn check(&self, needs: &Needs) -> Result<(), ProgramsError> {
        let refuses = |hook: &&Hook| self.lacks(hook) && hook.absence == Absence::Refuse;
        match needs.hooks().find(refuses) {
            None => Ok(()),
            Some(hook) if hook.content => Err(ProgramsError::NoContent),
            Some(hook) => {
                let missed = hook.operations.and(needs.operations);
                Err(ProgramsError::NoHook {
                    hook: hook.name,
                    operations: missed.iter().map(aegisbpf_abi::Operation::name).collect(),
                })
            }
        }
    }

    /// Attach and pin every hook that is needed and is not yet. Nothing of
    /// what is attached decides before a policy is in force.
    pub fn attach(&mut self, needs: &Needs) -> Result<(), ProgramsError> {
        self.check(needs)?;
        let pinned = self.pinned_hooks()?;
        let mut btf = None;
        for hook in needs.hooks() {
            if self.lacks(hook) || pinned.iter().any(|name| name == hook.name) {
                continue;
            }
            if hook.attachment == Attachment::Cgroup {
                self.attach_to_cgroup(hook)?;
                continue;
            }
            let btf = match &mut btf {
                Some(btf) => btf,
                none => none.insert(parse_btf(&read_btf()?)?),
            };
            self.attach_one(hook, btf)?;
        }
        Ok(())
    }

    fn attach_one(&mut self, hook: &Hook, btf: &Btf) -> Result<(), ProgramsError> {
        let name = hook.name;
        let program: &mut Lsm = program(&mut self.object, name)?;
        program
            .load(hook.hook, btf)
            .map_err(|error| load_error(name, error))?;
        let attach_error = |source| ProgramsError::Attach {
            program: name.to_owned(),
            source,
        };
        let id = program.attach().map_err(attach_error)?;
        let link = program.take_link(id).map_err(attach_error)?;
        // The link keeps what it needs. Before 5.12 the kernel attaches a
        // program once only, so that the next time it must be loaded again.
        program.unload().map_err(attach_error)?;
        self.pin(hook, FdLink::from(link))
    }

    fn attach_to_cgroup(&mut self, hook: &Hook) -> Result<(), ProgramsError> {
        let root = cgroup_root()?;
        let name = hook.name;
        let program: &mut CgroupSockAddr = program(&mut self.object, name)?;
        program.load().map_err(|error| load_error(name, error))?;
        let attach_error = |source| ProgramsError::Attach {
            program: name.to_owned(),
            source,
        };
        // Of links there can be several on a cgroup, whatever this says.
        let attached = program.attach(root, CgroupAttachMode::Single);
        let id = attached.map_err(attach_error)?;
        let link = program.take_link(id).map_err(attach_error)?;
        program.unload().map_err(attach_error)?;
        let link = FdLink::try_from(link).map_err(|source| ProgramsError::Link {
            program: name.to_owned(),
            source,
        })?;
        self.pin(hook, link)
    }

    fn pin(&self, hook: &Hook, link: FdLink) -> Result<(), ProgramsError> {
        let path = self.folder.link(hook.name);
        link.pin(&path)
            .map(drop)
            .map_err(|source| ProgramsError::Pin { path, source })
    }

    /// The program that is attached to nothing, loaded.
    pub(super) fn identify(&mut self) -> Result<&RawTracePoint, ProgramsError> {
        let program: &mut RawTracePoint = program(&mut self.object, names::IDENTIFY)?;
        if program.fd().is_err() {
            program
                .load()
                .map_err(|error| load_error(names::IDENTIFY, error))?;
        }
        Ok(program)
    }

    /// Detach every hook that is not needed.
    pub fn detach_all_but(&mut self, needs: &Needs) -> Result<(), ProgramsError> {
        for name in self.pinned_hooks()? {
            let needed = needs.hooks().any(|hook| hook.name == name);
            if !needed {
                let path = self.folder.link(&name);
                std::fs::remove_file(&path).map_err(|source| ProgramsError::Io {
                    what: format!("cannot remove {}", path.display()),
                    source,
                })?;
                self.held.remove(&name);
            }
        }
        Ok(())
    }

    pub(super) fn pinned_hooks(&self) -> Result<Vec<String>, ProgramsError> {
        self.folder.links().map_err(|source| ProgramsError::Io {
            what: format!("cannot read {}", self.folder.path().display()),
            source,
        })
    }
}

/// What is pinned in a folder.
pub fn attached(folder: &Folder) -> Result<Vec<Attached>, ProgramsError> {
    let hooks = folder.links().map_err(|source| ProgramsError::Io {
        what: format!("cannot read {}", folder.path().display()),
        source,
    })?;
    hooks
        .into_iter()
        .map(|hook| {
            let info = PinnedLink::from_pin(folder.link(&hook))
                .and_then(|link| FdLink::from(link).info())
                .map_err(|source| ProgramsError::Link {
                    program: hook.clone(),
                    source,
                })?;
            Ok(Attached {
                hook,
                link_id: info.id(),
                program_id: info.program_id(),
            })
        })
        .collect()
}

/// The cgroup at the root of the v2 hierarchy, wherever that is mounted.
fn cgroup_root() -> Result<File, ProgramsError> {
    let mounts = File::open("/proc/self/mountinfo").and_then(io::read_to_string);
    let mounts = resolve::mounts(&mounts.map_err(|source| ProgramsError::Io {
        what: "cannot read the mount table".into(),
        source,
    })?);
    let hierarchies = mounts.iter().filter(|mount| mount.kind == "cgroup2");
    // A cgroup namespace, or a bind mount, shows a part for the whole.
    hierarchies
        .filter_map(|mount| File::open(&mount.point).ok())
        .find(|folder| fstat(folder).is_ok_and(|status| status.st_ino == ROOT_CGROUP))
        .ok_or(ProgramsError::NoCgroup)
}

fn read_btf() -> Result<Vec<u8>, ProgramsError> {
    facts::read_btf().map_err(|source| ProgramsError::Io {
        what: "cannot read the kernel's BTF".into(),
        source,
    })
}

fn parse_btf(bytes: &[u8]) -> Result<Btf, ProgramsError> {
    Ok(Btf::parse(bytes, Endianness::default()).map_err(EbpfError::BtfError)?)
}

pub(super) fn program<'object, P>(
    object: &'object mut Ebpf,
    name: &str,
) -> Result<&'object mut P, ProgramsError>
where
    &'object mut P: TryFrom<&'object mut Program, Error = ProgramError>,
{
    object
        .program_mut(name)
        .ok_or(ProgramError::NotLoaded)
        .and_then(TryInto::try_into)
        .map_err(|source| ProgramsError::Attach {
            program: name.to_owned(),
            source,
        })
}

pub(super) fn load_error(program: &str, error: ProgramError) -> ProgramsError {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => ProgramsError::Verifier {
            program: program.to_owned(),
            source: io_error,
            log: verifier_log.to_string(),
        },
        source => ProgramsError::Attach {
            program: program.to_owned(),
            source,
        },
    }
}
