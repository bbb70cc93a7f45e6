//! Loading, adopting and removing one generation: the programs and maps of
//! one policy in one mode.
//!
//! A new generation is loaded, attached, pinned and read back while the old
//! one decides. Then `ACTIVE` is written, once: from that instruction on the
//! new programs speak and the old ones do not. A crash at any point leaves
//! the one or the other in force.

use std::{fs, io, path::PathBuf};

use aegisbpf_abi::{
    ABI_VERSION, Meta, Mode,
    names::{global, rule_map, shared_map},
};
use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader, Endianness,
    maps::{Array, Map, MapData, MapError},
    pin::PinError,
    programs::{
        Lsm, Program, ProgramError, TracePoint,
        links::{FdLink, LinkError, PinnedLink},
    },
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{chain::chain, contents, facts, layout, pins};
use crate::{image::Image, policy::Domain};

/// The BPF object, built before the agent.
const OBJECT: &[u8] = aya::include_bytes_aligned!(env!("AEGISBPF_BPF_OBJECT"));

/// The number that no generation has: while it is active, nothing speaks.
pub const NONE: u64 = 0;

/// LSM hook, which is also the name of its program, and its domain.
pub const HOOKS: [(&str, Domain); 3] = [
    ("file_open", Domain::File),
    ("bprm_check_security", Domain::Exec),
    ("socket_connect", Domain::Network),
];

/// Program, category and name of a tracepoint, domain, and whether a kernel
/// may lack it (arm64 has no `open(2)`).
const TRACEPOINTS: [(&str, &str, &str, Domain, bool); 8] = [
    (
        "enter_open",
        "syscalls",
        "sys_enter_open",
        Domain::File,
        true,
    ),
    ("exit_open", "syscalls", "sys_exit_open", Domain::File, true),
    (
        "enter_openat",
        "syscalls",
        "sys_enter_openat",
        Domain::File,
        false,
    ),
    (
        "exit_open",
        "syscalls",
        "sys_exit_openat",
        Domain::File,
        false,
    ),
    (
        "enter_openat",
        "syscalls",
        "sys_enter_openat2",
        Domain::File,
        false,
    ),
    (
        "exit_open",
        "syscalls",
        "sys_exit_openat2",
        Domain::File,
        false,
    ),
    (
        "process_exec",
        "sched",
        "sched_process_exec",
        Domain::Exec,
        false,
    ),
    (
        "enter_connect",
        "syscalls",
        "sys_enter_connect",
        Domain::Network,
        false,
    ),
];

/// The map of the fallback's calls between their entry and their return, and
/// how many there can be at a time: one for each thread that opens a file.
const IN_FLIGHT: &str = "IN_FLIGHT";
const IN_FLIGHT_CALLS: usize = 16 * 1024;

/// How a generation sees what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// LSM hooks: it can deny.
    Lsm,
    /// Tracepoints: it can only report.
    Tracepoints,
}

impl Mechanism {
    /// Its number in [`Meta`].
    pub const fn number(self) -> u32 {
        match self {
            Self::Lsm => 1,
            Self::Tracepoints => 2,
        }
    }

    /// From its number in [`Meta`].
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Lsm),
            2 => Some(Self::Tracepoints),
            _ => None,
        }
    }
}

/// Why a generation could not be made.
#[derive(Debug, Error)]
pub enum GenerationError {
    /// The kernel's types are not what the programs need.
    #[error(transparent)]
    Layout(#[from] layout::LayoutError),
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
    /// The maps do not hold the policy.
    #[error(transparent)]
    Contents(#[from] contents::ContentsError),
    /// A shared map could not be used.
    #[error("shared map {map}: {}", chain(source))]
    Shared {
        /// Its name.
        map: &'static str,
        /// The kernel's answer.
        source: MapError,
    },
    /// The BPF file system or the BTF could not be read.
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

/// A generation whose programs are attached.
#[derive(Debug)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// What it is.
    pub meta: Meta,
    /// Pinned hooks; empty for tracepoints, which cannot be pinned.
    pub attached: Vec<Attached>,
    /// Keeps tracepoints attached.
    _object: Option<Ebpf>,
}

/// The description of an image. Its digest is over the programs too: after an
/// upgrade of the agent the old programs are not taken for the new ones.
pub fn meta(image: &Image, mechanism: Mechanism) -> Meta {
    let mut digest = Sha256::new();
    digest.update(image.digest());
    digest.update(OBJECT);
    Meta {
        abi: ABI_VERSION,
        mechanism: mechanism.number(),
        file_mode: image.modes.file as u32,
        exec_mode: image.modes.exec as u32,
        network_mode: image.modes.network as u32,
        rules: image.rules,
        digest: digest.finalize().into(),
    }
}

/// Load, fill, attach, pin and read back a generation. It does not speak yet.
/// On an error nothing of it is left.
pub fn load(
    number: u64,
    image: &Image,
    mechanism: Mechanism,
) -> Result<Generation, GenerationError> {
    let folder = pins::generation(number);
    fs::create_dir_all(&folder).map_err(|source| GenerationError::Io {
        what: format!("cannot make {}", folder.display()),
        source,
    })?;
    let loaded = load_into(number, image, mechanism);
    if loaded.is_err() {
        // The error that is returned says what went wrong; a folder that
        // cannot be removed is removed by the next start.
        let _ = pins::remove_generation(number);
    }
    loaded
}

fn load_into(
    number: u64,
    image: &Image,
    mechanism: Mechanism,
) -> Result<Generation, GenerationError> {
    let needs_types =
        mechanism == Mechanism::Lsm && HOOKS.iter().any(|(_, domain)| is_on(image, *domain));
    let (btf, layout) = if needs_types {
        let bytes = facts::read_btf().map_err(|source| GenerationError::Io {
            what: "cannot read the kernel's BTF".into(),
            source,
        })?;
        let btf = Btf::parse(&bytes, Endianness::default()).map_err(EbpfError::BtfError)?;
        (Some(btf), layout::globals(&bytes)?)
    } else {
        (None, Vec::new())
    };
    let mut object = load_object(number, image, mechanism, btf.as_ref(), &layout)?;
    let meta = meta(image, mechanism);
    let maps = contents::Maps { generation: number };
    contents::write(maps, image, &meta)?;
    contents::verify(maps, image, &meta)?;
    let attached = match (mechanism, &btf) {
        (Mechanism::Lsm, Some(btf)) => attach_hooks(&mut object, number, image, btf)?,
        (Mechanism::Lsm, None) => Vec::new(),
        (Mechanism::Tracepoints, _) => {
            attach_tracepoints(&mut object, image)?;
            Vec::new()
        }
    };
    Ok(Generation {
        number,
        meta,
        attached,
        _object: (mechanism == Mechanism::Tracepoints).then_some(object),
    })
}

fn load_object(
    number: u64,
    image: &Image,
    mechanism: Mechanism,
    btf: Option<&Btf>,
    layout: &[(&'static str, u64)],
) -> Result<Ebpf, GenerationError> {
    let folder = pins::generation(number);
    let globals = [
        (global::GENERATION, number),
        (global::FILE_MODE, image.modes.file as u64),
        (global::EXEC_MODE, image.modes.exec as u64),
        (global::NETWORK_MODE, image.modes.network as u64),
        (global::HAVE_NETWORKS, u64::from(!image.networks.is_empty())),
    ];
    let in_flight = match mechanism {
        Mechanism::Lsm => 1,
        Mechanism::Tracepoints => IN_FLIGHT_CALLS,
    };
    let mut loader = EbpfLoader::new();
    loader.btf(btf);
    for (name, value) in globals.iter().chain(layout) {
        loader.override_global(name, value, true);
    }
    for name in shared_map::ALL {
        loader.map_pin_path(name, pins::shared_map(name));
    }
    for name in rule_map::ALL {
        loader.map_pin_path(name, folder.join(name));
    }
    let sizes = [
        (rule_map::OBJECTS, image.objects.len()),
        (rule_map::PLACES, image.places.len()),
        (rule_map::ADDRESSES, image.addresses.len()),
        (rule_map::NETWORKS, image.networks.len()),
        (rule_map::NAMES, image.names.len()),
        (IN_FLIGHT, in_flight),
    ];
    for (name, size) in sizes {
        loader.map_max_entries(name, u32::try_from(size).unwrap_or(u32::MAX).max(1));
    }
    Ok(loader.load(OBJECT)?)
}

fn is_on(image: &Image, domain: Domain) -> bool {
    image.modes.of(domain) != Mode::Off
}

fn attach_hooks(
    object: &mut Ebpf,
    number: u64,
    image: &Image,
    btf: &Btf,
) -> Result<Vec<Attached>, GenerationError> {
    let mut attached = Vec::new();
    for (hook, domain) in HOOKS {
        if !is_on(image, domain) {
            continue;
        }
        let program: &mut Lsm = program(object, hook)?;
        program
            .load(hook, btf)
            .map_err(|error| load_error(hook, error))?;
        let attach_error = |source| GenerationError::Attach {
            program: hook.to_owned(),
            source,
        };
        let id = program.attach().map_err(attach_error)?;
        let link: FdLink = program.take_link(id).map_err(attach_error)?.into();
        let path = pins::link(number, hook);
        let pinned = link
            .pin(&path)
            .map_err(|source| GenerationError::Pin { path, source })?;
        attached.push(describe(hook, pinned)?);
    }
    Ok(attached)
}

fn attach_tracepoints(object: &mut Ebpf, image: &Image) -> Result<(), GenerationError> {
    let mut loaded = Vec::new();
    for (name, category, tracepoint, domain, may_be_missing) in TRACEPOINTS {
        if !is_on(image, domain) {
            continue;
        }
        let program: &mut TracePoint = program(object, name)?;
        if !loaded.contains(&name) {
            program.load().map_err(|error| load_error(name, error))?;
            loaded.push(name);
        }
        match program.attach(category, tracepoint) {
            Ok(_) => {}
            Err(_) if may_be_missing && !tracepoint_exists(category, tracepoint) => {}
            Err(source) => {
                return Err(GenerationError::Attach {
                    program: format!("{name} at {category}:{tracepoint}"),
                    source,
                });
            }
        }
    }
    Ok(())
}

fn tracepoint_exists(category: &str, name: &str) -> bool {
    ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        .iter()
        .any(|root| fs::exists(format!("{root}/events/{category}/{name}")).unwrap_or(true))
}

fn program<'object, P>(
    object: &'object mut Ebpf,
    name: &str,
) -> Result<&'object mut P, GenerationError>
where
    &'object mut P: TryFrom<&'object mut Program, Error = ProgramError>,
{
    let attach_error = |source| GenerationError::Attach {
        program: name.to_owned(),
        source,
    };
    object
        .program_mut(name)
        .ok_or(ProgramError::NotLoaded)
        .and_then(TryInto::try_into)
        .map_err(attach_error)
}

fn load_error(program: &str, error: ProgramError) -> GenerationError {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => GenerationError::Verifier {
            program: program.to_owned(),
            source: io_error,
            log: verifier_log.to_string(),
        },
        source => GenerationError::Attach {
            program: program.to_owned(),
            source,
        },
    }
}

fn describe(hook: &str, link: PinnedLink) -> Result<Attached, GenerationError> {
    let info = FdLink::from(link)
        .info()
        .map_err(|source| GenerationError::Link {
            program: hook.to_owned(),
            source,
        })?;
    Ok(Attached {
        hook: hook.to_owned(),
        link_id: info.id(),
        program_id: info.program_id(),
    })
}

/// What is pinned for a generation, whoever loaded it.
pub fn pinned(number: u64) -> Result<Generation, GenerationError> {
    let meta = contents::read_meta(contents::Maps { generation: number })?;
    let hooks = pins::links(number).map_err(|source| GenerationError::Io {
        what: format!("cannot read {}", pins::generation(number).display()),
        source,
    })?;
    let mut attached = Vec::new();
    for hook in hooks {
        let link = PinnedLink::from_pin(pins::link(number, &hook)).map_err(|source| {
            GenerationError::Link {
                program: hook.clone(),
                source,
            }
        })?;
        attached.push(describe(&hook, link)?);
    }
    Ok(Generation {
        number,
        meta,
        attached,
        _object: None,
    })
}

/// Adopt a pinned generation if it is exactly what would be loaded: the same
/// rules on the same objects in the same modes, every hook attached, every
/// map as it should be. `None` says that a new one is needed.
pub fn adopt(number: u64, image: &Image) -> Option<Generation> {
    let found = pinned(number).ok()?;
    let wanted = meta(image, Mechanism::Lsm);
    let hooks_attached = HOOKS
        .iter()
        .filter(|(_, domain)| is_on(image, *domain))
        .all(|(hook, _)| found.attached.iter().any(|attached| attached.hook == *hook));
    let maps = contents::Maps { generation: number };
    (found.meta == wanted && hooks_attached && contents::verify(maps, image, &wanted).is_ok())
        .then_some(found)
}

fn active_map() -> Result<Array<MapData, u64>, MapError> {
    let map = Map::from_map_data(MapData::from_pin(pins::shared_map(shared_map::ACTIVE))?)?;
    map.try_into()
}

/// The generation that speaks, or 0 when none does.
pub fn active() -> Result<u64, GenerationError> {
    let shared = |source| GenerationError::Shared {
        map: shared_map::ACTIVE,
        source,
    };
    if !pins::shared_map(shared_map::ACTIVE).exists() {
        return Ok(0);
    }
    active_map().and_then(|map| map.get(&0, 0)).map_err(shared)
}

/// Let a generation speak: the one atomic step.
pub fn activate(number: u64) -> Result<(), GenerationError> {
    active_map()
        .and_then(|mut map| map.set(0, number, 0))
        .map_err(|source| GenerationError::Shared {
            map: shared_map::ACTIVE,
            source,
        })
}
