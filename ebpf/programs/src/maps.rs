//! The maps. The loader sizes the rule maps to the policy.

use core::arch::asm;

use aegisbpf_abi::{AddressKey, Counter, FileRules, Meta, ObjectKey, PlaceKey, PortRules};
use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LpmTrie, RingBuf},
};

use crate::config;

/// Denials have a ring of their own: a flood of reports cannot push them out.
#[map]
pub(crate) static DENIALS: RingBuf = RingBuf::with_byte_size(512 * 1024, 0);
#[map]
pub(crate) static AUDITS: RingBuf = RingBuf::with_byte_size(512 * 1024, 0);
#[map]
static COUNTERS: Array<u64> = Array::with_max_entries(Counter::ALL.len() as u32, 0);
#[map]
static ACTIVE: Array<u64> = Array::with_max_entries(1, 0);

#[map]
pub(crate) static OBJECTS: HashMap<ObjectKey, FileRules> = HashMap::with_max_entries(1, 0);
#[map]
pub(crate) static PLACES: HashMap<PlaceKey, FileRules> = HashMap::with_max_entries(1, 0);
#[map]
pub(crate) static ADDRESSES: HashMap<AddressKey, PortRules> = HashMap::with_max_entries(1, 0);
#[map]
pub(crate) static NETWORKS: LpmTrie<AddressKey, PortRules> = LpmTrie::with_max_entries(1, 0);
#[map]
pub(crate) static NAMES: HashMap<u32, u32> = HashMap::with_max_entries(1, 0);
#[map]
static META: Array<Meta> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static IN_FLIGHT: HashMap<u64, InFlight> = HashMap::with_max_entries(1, 0);

/// A path argument between the entry and the exit of a system call.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct InFlight {
    /// Address of the path in the process.
    pub(crate) path: u64,
    /// The folder it is relative to, or `AT_FDCWD`.
    pub(crate) folder_fd: i64,
}

/// Whether the programs of this object are the ones that speak. Between the
/// attaching of a new generation and the detaching of the old one both are
/// called; exactly one decides.
#[inline(always)]
pub(crate) fn is_active() -> bool {
    ACTIVE
        .get(0)
        .is_some_and(|active| *active == config::GENERATION.load())
}

/// Count one.
#[inline(always)]
pub(crate) fn count(counter: Counter) {
    if let Some(cell) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: a valid element of the map. Written in assembly because core
        // has no atomic addition for this target; it is the plain one, which
        // fetches nothing and which 5.10 knows.
        unsafe {
            asm!("lock *(u64 *)({cell} + 0) += {one}", cell = in(reg) cell, one = in(reg) 1_u64, options(nostack));
        }
    }
}
