//! Holding the rules of one list against an attempt.
//!
//! These functions take and give numbers only, and have names that other
//! objects could call: that makes the verifier check each by itself, once,
//! for any numbers. Inlined, or as functions of the ordinary kind, they are
//! checked anew for everything that a caller may have found out before, and
//! one hook takes the verifier more than a million steps.

use crate::{
    kernel::opaque,
    maps::{list, network_list, rules},
};
use aegisbpf_abi::{
    Key, LIST_LENGTH, NAME_LENGTH, NameHash, RuleList,
    key::Kind,
    verdict::{Decision, Request, decide, exempts},
};
use aya_ebpf::helpers;

/// The strongest decision of a key's list, as [`Decision`]. The key comes in
/// its parts, the last of which holds the slot; `request` is a [`Request`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn aegisbpf_weigh(a: u64, b: u64, tail: u64, request: u64, subjects: u64) -> u64 {
    let (key, slot) = Key::from_parts(a, b, tail);
    let request = Request(request);
    let mut decision = Decision::NONE;
    let Some(list) = any_list(slot, &key) else {
        return decision.0;
    };
    let Some(rules) = rules(slot) else {
        return decision.0;
    };
    let mut index = 0;
    while index < LIST_LENGTH {
        let entry = list.entries[index];
        if entry.is_none() {
            break;
        }
        if let Some(rule) = rules.get(entry.index()) {
            decision = decision.or(decide(index as u32, entry, rule, request, subjects));
        }
        index += 1;
    }
    decision.0
}

/// What the list of a key can decide about, and its flags; 0 when there is
/// none.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn aegisbpf_find(a: u64, b: u64, tail: u64) -> u64 {
    let (key, slot) = Key::from_parts(a, b, tail);
    any_list(slot, &key).map_or(0, |list| u64::from(list.operations))
}

/// The hash of a name at an address of the kernel.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn aegisbpf_name_hash(address: u64) -> u64 {
    let mut words = [0_u64; (NAME_LENGTH + 1) / 8];
    // SAFETY: the helper writes at most the bytes of the words and copes with
    // any address.
    unsafe {
        helpers::generated::bpf_probe_read_kernel_str(
            words.as_mut_ptr().cast(),
            (NAME_LENGTH + 1) as u32,
            address as *const _,
        );
    }
    let mut hash = NameHash::EMPTY;
    for word in &words {
        if *word == 0 {
            break;
        }
        hash = hash.with(*word);
    }
    hash.0
}

/// A bit for each entry of a domain's list from which an object is exempt.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn aegisbpf_exempt(a: u64, b: u64, tail: u64, domain: u64) -> u64 {
    let (key, slot) = Key::from_parts(a, b, tail);
    let mut bits = 0;
    let (Some(rules), Some(of_object)) = (list(slot, &Key::domain(domain as u8)), list(slot, &key))
    else {
        return bits;
    };
    let mut at: u64 = 0;
    while let Some(entry) = rules.entries.get(opaque(at) as usize) {
        let mut other: u64 = 0;
        while let Some(known) = of_object.entries.get(opaque(other) as usize) {
            if exempts(*known, *entry) {
                bits |= 1 << at;
            }
            other += 1;
        }
        at += 1;
    }
    bits
}

#[inline(always)]
fn any_list(slot: u32, key: &Key) -> Option<&'static RuleList> {
    if key.kind == Kind::Network as u32 {
        network_list(slot, key.to_address())
    } else {
        list(slot, key)
    }
}
