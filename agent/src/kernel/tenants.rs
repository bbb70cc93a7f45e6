//! The kernel's counters for each tenant, which outlive policies and the agent.

use std::collections::{BTreeMap, BTreeSet};

use aegisbpf_abi::{Rule, Tenant, names::shared_map};
use aya::maps::{Array, HashMap, Map, MapData, MapError};
use serde::Serialize;

use super::pins;
use crate::record;

/// Do not take the place of an entry.
const BPF_NOEXIST: u64 = 1;
const EEXIST: i32 = 17;
/// The kernel's answer when a hash is full.
const E2BIG: i32 = 7;

/// What was counted for a tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TenantCounters {
    /// Operations that were denied.
    pub denied: u64,
    /// Operations that were denied and whose process was ended.
    pub killed: u64,
    /// Operations that were only reported.
    pub audited: u64,
}

fn open() -> Result<HashMap<MapData, u64, Tenant>, MapError> {
    Map::from_map_data(MapData::from_pin(pins::shared_map(shared_map::TENANTS))?)?.try_into()
}

/// All of them, by name.
pub fn read() -> Result<BTreeMap<String, TenantCounters>, MapError> {
    let counted = |tenant: Tenant| TenantCounters {
        denied: tenant.denied,
        killed: tenant.killed,
        audited: tenant.audited,
    };
    let map = open()?;
    map.iter()
        .map(|entry| entry.map(|(_, tenant)| (record::text(&tenant.name), counted(tenant))))
        .collect()
}

/// Make the entries of a policy, and leave those that are there. When there is
/// no room, tenants go of which neither it speaks nor the policy in force.
pub(super) fn add(
    tenants: &BTreeMap<u64, Tenant>,
    in_force: Option<Array<MapData, Rule>>,
) -> Result<(), MapError> {
    let mut map = open()?;
    match insert(&mut map, tenants) {
        Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(E2BIG) => {
            let mut spoken_of: BTreeSet<u64> = tenants.keys().copied().collect();
            if let Some(rules) = in_force {
                for index in 0..rules.len() {
                    spoken_of.insert(rules.get(&index, 0)?.tenant);
                }
            }
            let known: Vec<u64> = map.keys().collect::<Result<_, _>>()?;
            for key in known {
                if !spoken_of.contains(&key) {
                    map.remove(&key)?;
                }
            }
            insert(&mut map, tenants)
        }
        done => done,
    }
}

fn insert(
    map: &mut HashMap<MapData, u64, Tenant>,
    tenants: &BTreeMap<u64, Tenant>,
) -> Result<(), MapError> {
    for (key, tenant) in tenants {
        match map.insert(key, tenant, BPF_NOEXIST) {
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(EEXIST) => {
            }
            done => done?,
        }
    }
    Ok(())
}
