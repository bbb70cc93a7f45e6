//! What the kernel itself says about BPF, by bpf(2): the agent under test has no
//! part in the answers.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use harness_proto::BpfLink;

use crate::attempt::{Attempt, AttemptError};

// Commands of `enum bpf_cmd` in linux/bpf.h; all exist since 5.8.
const BPF_MAP_CREATE: i32 = 0;
const BPF_PROG_LOAD: i32 = 5;
const BPF_OBJ_GET_INFO_BY_FD: i32 = 15;
const BPF_LINK_GET_FD_BY_ID: i32 = 30;
const BPF_LINK_GET_NEXT_ID: i32 = 31;

// Of `enum bpf_map_type`.
const BPF_MAP_TYPE_ARRAY: u32 = 2;
// Of `enum bpf_prog_type`: the oldest type, and in every kernel with bpf(2).
const BPF_PROG_TYPE_SOCKET_FILTER: u32 = 1;
/// `r0 = 0; exit`, as `struct bpf_insn`: opcode, registers, offset, immediate.
const SMALLEST_PROGRAM: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];

/// `prog_type`, `insn_cnt`, `insns`, `license` of `union bpf_attr`.
#[repr(C)]
struct ProgramAttr {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
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

/// The head of `struct bpf_link_info`, the same for every type of link; the
/// kernel fills as much as the caller has room for.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    kind: u32,
    id: u32,
    program_id: u32,
}

/// Whether the kernel loads BPF programs at all. The program is gone again when
/// this returns.
pub fn load_smallest_program() -> Result<(), AttemptError> {
    load(&SMALLEST_PROGRAM).attempt(|| "load the smallest BPF program".into())
}

/// Make an array of one number, which is gone again when this returns.
pub fn make_smallest_map() -> Result<(), AttemptError> {
    let mut attr = MapAttr {
        kind: BPF_MAP_TYPE_ARRAY,
        key_bytes: 4,
        value_bytes: 4,
        entries: 1,
    };
    let made = bpf(BPF_MAP_CREATE, &mut attr);
    let fd = made.attempt(|| "make the smallest BPF map".into())?;
    // SAFETY: the kernel has just opened this descriptor for us alone.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(())
}

fn load(code: &[[u8; 8]]) -> io::Result<()> {
    let mut attr = ProgramAttr {
        kind: BPF_PROG_TYPE_SOCKET_FILTER,
        instructions: u32::try_from(code.len()).map_err(io::Error::other)?,
        code: code.as_ptr().expose_provenance() as u64,
        license: c"GPL".as_ptr().expose_provenance() as u64,
    };
    let fd = bpf(BPF_PROG_LOAD, &mut attr)?;
    // SAFETY: the kernel has just opened this descriptor for us alone.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(())
}

/// Every link, by ascending id.
pub fn links() -> Result<Vec<BpfLink>, AttemptError> {
    let mut links = Vec::new();
    let mut id = 0;
    while let Some(next) = next_id(id).attempt(|| format!("ask for the BPF link after {id}"))? {
        id = next;
        match info(id) {
            Ok(info) => links.push(BpfLink {
                id: info.id,
                program_id: info.program_id,
            }),
            // It went away since its id was asked for.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error).attempt(|| format!("ask for BPF link {id}")),
        }
    }
    Ok(links)
}

fn next_id(id: u32) -> io::Result<Option<u32>> {
    let mut attr = IdAttr {
        id,
        ..IdAttr::default()
    };
    match bpf(BPF_LINK_GET_NEXT_ID, &mut attr) {
        Ok(_) => Ok(Some(attr.next_id)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn info(id: u32) -> io::Result<LinkInfo> {
    let fd = bpf(
        BPF_LINK_GET_FD_BY_ID,
        &mut IdAttr {
            id,
            ..IdAttr::default()
        },
    )?;
    // SAFETY: the kernel has just opened this descriptor for us alone.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut info = LinkInfo::default();
    let mut attr = InfoAttr {
        fd: u32::try_from(fd.as_raw_fd()).map_err(io::Error::other)?,
        length: u32::try_from(size_of::<LinkInfo>()).map_err(io::Error::other)?,
        info: (&raw mut info).expose_provenance() as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info)
}

fn bpf<A>(command: i32, attr: &mut A) -> io::Result<i32> {
    // SAFETY: `attr` is a prefix of `union bpf_attr` for this command, of the
    // size that is passed. Pointers in it are `InfoAttr::info`, to a live
    // buffer of the length beside it, `ProgramAttr::code`, to as many live
    // instructions as are counted beside it, and `ProgramAttr::license`, to a
    // constant text that ends with a zero.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attr, size_of::<A>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(result).map_err(io::Error::other)
}
