//! Making the maps that hold a policy's maps.
//!
//! aya would make them when it loads the object, from an inner map with BTF.
//! Kernels from 5.15 to 6.2 then take no inner map without, and the maps that
//! aya makes for us have none. So they are made and pinned before.
#![expect(unsafe_code, reason = "bpf(2), for what aya does not offer")]

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use aegisbpf_abi::{Key, Rule, RuleList, names::policy_map};
use aya::maps::MapData;

use super::{
    pins::Folder,
    policy_maps::{BPF_F_INNER_MAP, BPF_F_NO_PREALLOC},
    programs::ProgramsError,
};

const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_TYPE_HASH: u32 = 1;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_MAP_TYPE_LPM_TRIE: u32 = 11;
const BPF_MAP_TYPE_ARRAY_OF_MAPS: u32 = 12;

/// The beginning of `union bpf_attr` for `BPF_MAP_CREATE`; stable ABI.
#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: i32,
}

/// Maps of what type, with keys and values of what size, and with what flags.
const INNER: [(&str, u32, usize, usize, u32); 4] = [
    (
        policy_map::INDEX,
        BPF_MAP_TYPE_HASH,
        size_of::<Key>(),
        size_of::<RuleList>(),
        0,
    ),
    (
        policy_map::NETWORKS,
        BPF_MAP_TYPE_LPM_TRIE,
        4 + 16,
        size_of::<RuleList>(),
        BPF_F_NO_PREALLOC,
    ),
    (
        policy_map::RULES,
        BPF_MAP_TYPE_ARRAY,
        4,
        size_of::<Rule>(),
        BPF_F_INNER_MAP,
    ),
    (
        policy_map::FILTER,
        BPF_MAP_TYPE_ARRAY,
        4,
        size_of::<u64>(),
        BPF_F_INNER_MAP,
    ),
];

/// Make and pin those that are not there.
pub(super) fn make_missing(folder: &Folder) -> Result<(), ProgramsError> {
    for (name, map_type, key, value, map_flags) in INNER {
        if folder.map(name).exists() {
            continue;
        }
        let inner = MapCreate {
            map_type,
            key_size: size(key),
            value_size: size(value),
            max_entries: 1,
            map_flags,
            inner_map_fd: 0,
        };
        make_one(&inner)
            .and_then(|map| MapData::from_fd(map).map_err(io::Error::other))
            .and_then(|map| map.pin(folder.map(name)).map_err(io::Error::other))
            .map_err(|source| ProgramsError::Io {
                what: format!("cannot make the map {name}"),
                source,
            })?;
    }
    Ok(())
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A map with a slot for the policy in force and one for the next.
fn make_one(inner: &MapCreate) -> io::Result<OwnedFd> {
    let inner = create(inner)?;
    create(&MapCreate {
        map_type: BPF_MAP_TYPE_ARRAY_OF_MAPS,
        key_size: 4,
        value_size: 4,
        max_entries: 2,
        map_flags: 0,
        inner_map_fd: inner.as_raw_fd(),
    })
}

fn create(attributes: &MapCreate) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads the attributes, whose size it is told.
    let made = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_MAP_CREATE,
            std::ptr::from_ref(attributes),
            size_of::<MapCreate>(),
        )
    };
    match i32::try_from(made) {
        // SAFETY: a new descriptor that is nobody else's.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}
