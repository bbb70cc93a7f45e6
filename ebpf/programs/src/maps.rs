//! The maps. What a policy needs is in maps of maps with two elements, one of
//! which the word [`ACTIVE`] selects: the loader fills the other with maps of
//! the size that the next policy needs.

use core::arch::asm;

use aegisbpf_abi::{
    Active, Counter, FileFacts, Key, Meta, Rule, RuleList, Subjects, Tenant, counter,
};
use aya_ebpf::{
    bindings::BPF_F_INNER_MAP,
    btf_maps,
    macros::{btf_map, map},
    maps::{Array, HashMap, LruHashMap, RingBuf, lpm_trie},
};

/// Denials have a ring of their own: a flood of reports cannot push them out.
#[map]
pub(crate) static DENIALS: RingBuf = RingBuf::with_byte_size(512 * 1024, 0);
#[map]
pub(crate) static AUDITS: RingBuf = RingBuf::with_byte_size(512 * 1024, 0);
#[map]
static COUNTERS: Array<u64> = Array::with_max_entries(Counter::ALL.len() as u32, 0);
/// Entries are made by the agent, before a rule that counts for one is in force.
#[map]
pub(crate) static TENANTS: HashMap<u64, Tenant> = HashMap::with_max_entries(counter::TENANTS, 0);
#[map]
static ACTIVE: Array<u64> = Array::with_max_entries(1, 0);
#[map]
static META: Array<Meta> = Array::with_max_entries(2, 0);
#[map]
pub(crate) static SUBJECTS: Array<Subjects> = Array::with_max_entries(2, 0);
#[map]
pub(crate) static IDENTITY: Array<FileFacts> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static IN_FLIGHT: HashMap<u64, InFlight> = HashMap::with_max_entries(1, 0);

/// The SHA-256 of the file that a task is about to execute or map, from one
/// program on a hook to the next. Bounded by itself: an entry that is left
/// behind is the first to go.
#[map]
pub(crate) static DIGESTS: LruHashMap<u64, [u8; 32]> = LruHashMap::with_max_entries(1024, 0);

/// Arrays of different lengths can take each other's place only with this.
const ANY_LENGTH: usize = BPF_F_INNER_MAP as usize;

type Index = btf_maps::HashMap<Key, RuleList, 1>;
type Networks = btf_maps::LpmTrie<[u8; 16], RuleList, 1>;
pub(crate) type Rules = btf_maps::Array<Rule, 1, ANY_LENGTH>;
pub(crate) type Filter = btf_maps::Array<u64, 1, ANY_LENGTH>;

#[btf_map]
static INDEX: btf_maps::ArrayOfMaps<Index, 2> = btf_maps::ArrayOfMaps::new();
#[btf_map]
static NETWORKS: btf_maps::ArrayOfMaps<Networks, 2> = btf_maps::ArrayOfMaps::new();
#[btf_map]
static RULES: btf_maps::ArrayOfMaps<Rules, 2> = btf_maps::ArrayOfMaps::new();
#[btf_map]
static FILTER: btf_maps::ArrayOfMaps<Filter, 2> = btf_maps::ArrayOfMaps::new();

/// A path argument between the entry and the exit of a system call.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct InFlight {
    /// Address of the path in the process.
    pub(crate) path: u64,
    /// The folder it is relative to, or `AT_FDCWD`.
    pub(crate) folder_fd: i64,
}

/// The policy in force, or `None` when there is none. Read once for each
/// decision.
#[inline(always)]
pub(crate) fn active() -> Option<Active> {
    let active = Active(*ACTIVE.get(0)?);
    (active.0 != 0).then_some(active)
}

/// The list of a key in a slot.
#[inline(always)]
pub(crate) fn list(slot: u32, key: &Key) -> Option<&'static RuleList> {
    let index: &'static Index = INDEX.get(slot)?;
    // SAFETY: the values are not changed while a policy that is active can
    // read them.
    unsafe { index.get(key) }
}

/// The list of the smallest network around an address.
#[inline(always)]
pub(crate) fn network_list(slot: u32, address: [u8; 16]) -> Option<&'static RuleList> {
    let networks: &'static Networks = NETWORKS.get(slot)?;
    networks.get(&lpm_trie::Key::new(128, address))
}

/// The rules.
#[inline(always)]
pub(crate) fn rules(slot: u32) -> Option<&'static Rules> {
    RULES.get(slot)
}

/// The filter.
#[inline(always)]
pub(crate) fn filter(active: Active) -> Option<&'static Filter> {
    FILTER.get(active.slot())
}

/// Whether a key may be in the index. What cannot be asked may be.
#[inline(always)]
pub(crate) fn may_be_listed(filter: &Filter, active: Active, key: &Key) -> bool {
    let bit = key.filter_bit(active.filter_log2());
    match filter.get((bit >> 6) as u32) {
        Some(word) => (*word >> (bit & 63)) & 1 != 0,
        None => true,
    }
}

/// Count one.
#[inline(always)]
pub(crate) fn count(counter: Counter) {
    if let Some(cell) = COUNTERS.get_ptr_mut(counter as u32) {
        add_one(cell);
    }
}

/// Add one to a valid element of a map.
#[inline(always)]
pub(crate) fn add_one(cell: *mut u64) {
    // SAFETY: callers give a pointer that the verifier knows. Written in
    // assembly because core has no atomic addition for this target; it is the
    // plain one, which fetches nothing and which 5.10 knows.
    unsafe {
        asm!("lock *(u64 *)({cell} + 0) += {one}", cell = in(reg) cell, one = in(reg) 1_u64, options(nostack));
    }
}
