//! What the kernel itself says about BPF, by bpf(2): the agent under test has no
//! part in the answers. And the loading of programs that do nothing.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

pub mod objects;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use harness_proto::BpfLink;

use crate::attempt::{Attempt, AttemptError};

// Commands of `enum bpf_cmd` in linux/bpf.h; all exist since 5.8.
const BPF_MAP_CREATE: i32 = 0;
const BPF_PROG_LOAD: i32 = 5;
const BPF_MAP_GET_NEXT_ID: i32 = 12;
const BPF_MAP_GET_FD_BY_ID: i32 = 14;
const BPF_OBJ_GET_INFO_BY_FD: i32 = 15;
const BPF_RAW_TRACEPOINT_OPEN: i32 = 17;
const BPF_LINK_GET_FD_BY_ID: i32 = 30;
const BPF_LINK_GET_NEXT_ID: i32 = 31;

// Of `enum bpf_map_type`.
const BPF_MAP_TYPE_ARRAY: u32 = 2;
// Of `enum bpf_prog_type`: the oldest type, and in every kernel with bpf(2).
const BPF_PROG_TYPE_SOCKET_FILTER: u32 = 1;
const BPF_PROG_TYPE_LSM: u32 = 29;
/// Of `enum bpf_link_type`.
const BPF_LINK_TYPE_TRACING: u32 = 2;
/// Of `enum bpf_attach_type`.
const BPF_LSM_MAC: u32 = 27;
/// `r0 = 0; exit`, as `struct bpf_insn`: opcode, registers, offset, immediate.
const SMALLEST_PROGRAM: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];

/// Of `union bpf_attr` from `prog_type` to `attach_btf_id`, which 5.7 has.
#[repr(C)]
#[derive(Default)]
struct ProgramAttr {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    expected_attach_type: u32,
    btf_fd: u32,
    func_info_bytes: u32,
    func_info: u64,
    func_infos: u32,
    line_info_bytes: u32,
    line_info: u64,
    line_infos: u32,
    attach_btf_id: u32,
}

/// `name`, `prog_fd` of `union bpf_attr`.
#[repr(C)]
struct AttachAttr {
    name: u64,
    program: u64,
}

/// `map_type`, `key_size`, `value_size`, `max_entries` of `union bpf_attr`.
#[repr(C)]
struct MapAttr {
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
}

/// `start_id`/`link_id`, `next_id`, `open_flags` of `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
struct IdAttr {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// `info` of `union bpf_attr`.
#[repr(C)]
struct InfoAttr {
    fd: u32,
    length: u32,
    info: u64,
}

/// `struct bpf_link_info`: the head, the same for every type of link, and what
/// it says of tracing links. The kernel fills as much as it knows of.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    kind: u32,
    id: u32,
    program_id: u32,
    padding: u32,
    attach_type: u32,
    target_object: u32,
    target_type: u32,
    rest: u32,
}

/// What a link ties a program to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkTarget {
    /// An LSM hook.
    Lsm {
        /// The BTF id of its function; kernels before 5.13 do not tell.
        function: Option<u32>,
    },
    /// Anything else.
    Other,
}

/// An LSM program that does nothing, attached to a hook for as long as this
/// lives.
#[derive(Debug)]
pub struct NullLink {
    _link: OwnedFd,
}

/// Whether the kernel loads BPF programs at all. The program is gone again when
/// this returns.
pub fn load_smallest_program() -> Result<(), AttemptError> {
    load(ProgramAttr {
        kind: BPF_PROG_TYPE_SOCKET_FILTER,
        ..ProgramAttr::default()
    })
    .map(drop)
    .attempt(|| "load the smallest BPF program".into())
}

/// Make an array of one number, which is gone again when this returns.
pub fn make_smallest_map() -> Result<(), AttemptError> {
    let mut attr = MapAttr {
        kind: BPF_MAP_TYPE_ARRAY,
        key_bytes: 4,
        value_bytes: 4,
        entries: 1,
    };
    open(BPF_MAP_CREATE, &mut attr)
        .map(drop)
        .attempt(|| "make the smallest BPF map".into())
}

/// Attach a program that returns 0, and does nothing else, to an LSM hook,
/// given by the BTF id of its function in the kernel.
pub fn attach_null(function: u32) -> Result<NullLink, AttemptError> {
    let attempt = || format!("attach a null program to the function with the BTF id {function}");
    let program = load(ProgramAttr {
        kind: BPF_PROG_TYPE_LSM,
        expected_attach_type: BPF_LSM_MAC,
        attach_btf_id: function,
        ..ProgramAttr::default()
    })
    .attempt(attempt)?;
    // The way of 5.10; later kernels have it, too.
    let mut attr = AttachAttr {
        name: 0,
        program: u64::try_from(program.as_raw_fd())
            .map_err(io::Error::other)
            .attempt(attempt)?,
    };
    let link = open(BPF_RAW_TRACEPOINT_OPEN, &mut attr).attempt(attempt)?;
    Ok(NullLink { _link: link })
}

/// Load the smallest program as whatever the attributes say.
fn load(mut attr: ProgramAttr) -> io::Result<OwnedFd> {
    let code = &SMALLEST_PROGRAM;
    attr.instructions = u32::try_from(code.len()).map_err(io::Error::other)?;
    attr.code = code.as_ptr().expose_provenance() as u64;
    attr.license = c"GPL".as_ptr().expose_provenance() as u64;
    open(BPF_PROG_LOAD, &mut attr)
}

/// Every link, by ascending id.
pub fn links() -> Result<Vec<BpfLink>, AttemptError> {
    let links = link_infos()?.into_iter().map(|info| BpfLink {
        id: info.id,
        program_id: info.program_id,
    });
    Ok(links.collect())
}

/// All maps together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maps {
    /// How many there are.
    pub count: u64,
    /// What they take, as the kernel says.
    pub bytes: u64,
}

/// Every map, whoever made it.
pub fn maps() -> Result<Maps, AttemptError> {
    let mut maps = Maps::default();
    let mut id = 0;
    let attempt = |id| move || format!("ask for the BPF map after {id}");
    while let Some(next) = next_id(BPF_MAP_GET_NEXT_ID, id).attempt(attempt(id))? {
        id = next;
        let mut attr = IdAttr {
            id,
            ..IdAttr::default()
        };
        match open(BPF_MAP_GET_FD_BY_ID, &mut attr).and_then(|map| taken(&map)) {
            Ok(bytes) => {
                maps.count += 1;
                maps.bytes += bytes;
            }
            // It went away since its id was asked for.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error).attempt(|| format!("ask for BPF map {id}")),
        }
    }
    Ok(maps)
}

/// By what the kernel says of a descriptor.
fn taken(map: &OwnedFd) -> io::Result<u64> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_raw_fd()))?;
    let taken = info.lines().find_map(|line| line.strip_prefix("memlock:"));
    let taken = taken.and_then(|bytes| bytes.trim().parse().ok());
    taken.ok_or_else(|| io::Error::other("the kernel does not say what it takes"))
}

/// What every link ties its program to, by ascending id of the link.
pub fn link_targets() -> Result<Vec<LinkTarget>, AttemptError> {
    let targets = link_infos()?.into_iter().map(|info| {
        if (info.kind, info.attach_type) == (BPF_LINK_TYPE_TRACING, BPF_LSM_MAC) {
            LinkTarget::Lsm {
                function: (info.target_type != 0).then_some(info.target_type),
            }
        } else {
            LinkTarget::Other
        }
    });
    Ok(targets.collect())
}

fn link_infos() -> Result<Vec<LinkInfo>, AttemptError> {
    let mut links = Vec::new();
    let mut id = 0;
    let command = BPF_LINK_GET_NEXT_ID;
    while let Some(next) =
        next_id(command, id).attempt(|| format!("ask for the BPF link after {id}"))?
    {
        id = next;
        match info(id) {
            Ok(info) => links.push(info),
            // It went away since its id was asked for.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error).attempt(|| format!("ask for BPF link {id}")),
        }
    }
    Ok(links)
}

fn next_id(command: i32, id: u32) -> io::Result<Option<u32>> {
    let mut attr = IdAttr {
        id,
        ..IdAttr::default()
    };
    match bpf(command, &mut attr) {
        Ok(_) => Ok(Some(attr.next_id)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn info(id: u32) -> io::Result<LinkInfo> {
    let mut attr = IdAttr {
        id,
        ..IdAttr::default()
    };
    let fd = open(BPF_LINK_GET_FD_BY_ID, &mut attr)?;
    let mut info = LinkInfo::default();
    let mut attr = InfoAttr {
        fd: u32::try_from(fd.as_raw_fd()).map_err(io::Error::other)?,
        length: u32::try_from(size_of::<LinkInfo>()).map_err(io::Error::other)?,
        info: (&raw mut info).expose_provenance() as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info)
}

/// A command that opens a descriptor.
fn open<A>(command: i32, attr: &mut A) -> io::Result<OwnedFd> {
    let fd = bpf(command, attr)?;
    // SAFETY: the kernel has just opened this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bpf<A>(command: i32, attr: &mut A) -> io::Result<i32> {
    // SAFETY: `attr` is a prefix of `union bpf_attr` for this command, of the
    // size that is passed. Pointers in it are `InfoAttr::info`, to a live
    // buffer of the length beside it, `ProgramAttr::code`, to as many live
    // instructions as are counted beside it, and `ProgramAttr::license`, to a
    // constant text that ends with a zero; all others are null.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attr, size_of::<A>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(result).map_err(io::Error::other)
}
