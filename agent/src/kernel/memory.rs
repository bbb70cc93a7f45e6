//! What the kernel's maps of a policy take.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aegisbpf_abi::{Active, names::policy_map};
use aya::maps::{ArrayOfMaps, Map, MapData, MapError};
use serde::Serialize;

use super::pins::Folder;

/// One map of the policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MapMemory {
    /// Its name.
    pub name: &'static str,
    /// For how many entries it was made.
    pub entries: u32,
    /// What the kernel says that it takes. Before 6.4 that is an estimate.
    pub bytes: u64,
}

/// Those whose size depends on the policy.
pub fn of_policy(folder: &Folder, active: Active) -> Result<Vec<MapMemory>, MapError> {
    let names = [
        policy_map::INDEX,
        policy_map::NETWORKS,
        policy_map::RULES,
        policy_map::FILTER,
    ];
    names
        .into_iter()
        .map(|name| of(folder, active, name))
        .collect()
}

fn of(folder: &Folder, active: Active, name: &'static str) -> Result<MapMemory, MapError> {
    let outer = MapData::from_pin(folder.map(name))?;
    let outer: ArrayOfMaps<MapData> = Map::from_map_data(outer)?.try_into()?;
    let inner: MapData = outer.get(&active.slot(), 0)?;
    let place = format!("/proc/self/fdinfo/{}", inner.fd().as_fd().as_raw_fd());
    let text = fs::read_to_string(place).unwrap_or_default();
    let said = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    Ok(MapMemory {
        name,
        entries: inner.info()?.max_entries(),
        bytes: said
            .and_then(|bytes| bytes.trim().parse().ok())
            .unwrap_or(0),
    })
}
