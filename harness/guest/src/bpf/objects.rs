//! Programs and maps, as the kernel describes them.

use std::fs;
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, OwnedFd};

use harness_proto::count::{BpfProgram, Verified};

use super::{BPF_OBJ_GET_INFO_BY_FD, IdAttr, InfoAttr, bpf, open};
use crate::attempt::{Attempt, AttemptError};

const BPF_PROG_GET_NEXT_ID: i32 = 11;
const BPF_MAP_GET_NEXT_ID: i32 = 12;
const BPF_PROG_GET_FD_BY_ID: i32 = 13;
const BPF_MAP_GET_FD_BY_ID: i32 = 14;

/// `struct bpf_prog_info` up to what 5.16 added. Arrays that it points to are
/// not asked for: their pointers and lengths are 0.
#[repr(C)]
#[derive(Default)]
struct ProgramInfo {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    jited_bytes: u32,
    translated_bytes: u32,
    code: [u64; 2],
    load_time: u64,
    user: u32,
    maps: u32,
    map_ids: u64,
    name: [u8; 16],
    ifindex: u32,
    gpl: u32,
    netns: [u64; 2],
    jited_functions: [u32; 2],
    jited_addresses: [u64; 2],
    btf_id: u32,
    function_info_bytes: u32,
    function_info: u64,
    function_infos: u32,
    line_infos: u32,
    line_info: [u64; 2],
    jited_line_infos: u32,
    line_info_bytes: [u32; 2],
    tags: u32,
    tag_list: u64,
    run_time: u64,
    run_count: u64,
    recursion_misses: u64,
    verified_instructions: u32,
    rest: u32,
}

/// Every program, in the order in which they were loaded.
pub fn programs() -> Result<Vec<BpfProgram>, AttemptError> {
    let describe = |fd: OwnedFd| {
        let mut info = ProgramInfo::default();
        let mut attr = InfoAttr {
            fd: u32::try_from(fd.as_raw_fd()).map_err(io::Error::other)?,
            length: u32::try_from(size_of::<ProgramInfo>()).map_err(io::Error::other)?,
            info: (&raw mut info).expose_provenance() as u64,
        };
        bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
        Ok(program(&info, attr.length as usize))
    };
    each(BPF_PROG_GET_NEXT_ID, BPF_PROG_GET_FD_BY_ID, describe)
        .attempt(|| "look through the BPF programs".into())
}

/// From as many bytes as the kernel filled in.
fn program(info: &ProgramInfo, filled: usize) -> BpfProgram {
    let name = info.name.split(|&byte| byte == 0).next().unwrap_or(&[]);
    let told = offset_of!(ProgramInfo, verified_instructions) + size_of::<u32>() <= filled;
    BpfProgram {
        name: String::from_utf8_lossy(name).into_owned(),
        translated_bytes: info.translated_bytes,
        jited_bytes: info.jited_bytes,
        verified: if told {
            Verified::Instructions(info.verified_instructions)
        } else {
            Verified::NotKnown
        },
    }
}

/// What the kernel accounts for each map, in bytes.
pub fn map_bytes() -> Result<Vec<u64>, AttemptError> {
    let describe = |fd: OwnedFd| {
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
        memlock(&text).ok_or_else(|| io::Error::other(format!("no memlock in {text:?}")))
    };
    each(BPF_MAP_GET_NEXT_ID, BPF_MAP_GET_FD_BY_ID, describe)
        .attempt(|| "look through the BPF maps".into())
}

fn memlock(fdinfo: &str) -> Option<u64> {
    let mut lines = fdinfo.lines();
    let value = lines.find_map(|line| line.strip_prefix("memlock:"))?;
    value.trim().parse().ok()
}

fn each<T>(next: i32, get: i32, describe: impl Fn(OwnedFd) -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut found = Vec::new();
    let mut id = 0;
    loop {
        let mut attr = IdAttr {
            id,
            ..IdAttr::default()
        };
        match bpf(next, &mut attr) {
            Ok(_) => id = attr.next_id,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(found),
            Err(error) => return Err(error),
        }
        let mut attr = IdAttr {
            id,
            ..IdAttr::default()
        };
        match open(get, &mut attr) {
            Ok(fd) => found.push(describe(fd)?),
            // It went away since its id was asked for.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ProgramInfo, Verified, memlock, program};
    use std::mem::offset_of;

    #[test]
    fn the_structure_is_the_kernels() {
        assert_eq!(offset_of!(ProgramInfo, name), 64);
        assert_eq!(offset_of!(ProgramInfo, run_count), 200);
        assert_eq!(offset_of!(ProgramInfo, verified_instructions), 216);
        assert_eq!(size_of::<ProgramInfo>(), 224);
    }

    #[test]
    fn what_an_older_kernel_does_not_tell_is_not_zero() {
        let mut info = ProgramInfo {
            verified_instructions: 70,
            ..ProgramInfo::default()
        };
        info.name[..4].copy_from_slice(b"open");
        assert_eq!(program(&info, 216).verified, Verified::NotKnown);
        assert_eq!(program(&info, 220).verified, Verified::Instructions(70));
        assert_eq!(program(&info, 220).name, "open");
    }

    #[test]
    fn the_memory_of_a_map_is_found_by_its_name() {
        let text = "pos:\t0\nmap_type:\t2\nmemlock:\t4096\nmap_id:\t1\n";
        assert_eq!(memlock(text), Some(4096));
        assert_eq!(memlock("pos:\t0\n"), None);
    }
}
