//! Writing rule maps and reading them back.

use std::{collections::BTreeMap, fmt::Debug};

use aegisbpf_abi::{AddressKey, FileRules, Meta, ObjectKey, PlaceKey, PortRules, names::rule_map};
use aya::{
    Pod,
    maps::{
        Array, HashMap, Map, MapData, MapError,
        lpm_trie::{Key, LpmTrie},
    },
};
use thiserror::Error;

use super::{chain::chain, pins};
use crate::image::Image;

/// Why the maps of a generation do not hold the image.
#[derive(Debug, Error)]
pub enum ContentsError {
    /// The kernel refused an operation on a map.
    #[error("map {map}: {}", chain(source))]
    Map {
        /// Its name.
        map: &'static str,
        /// The kernel's answer.
        source: MapError,
    },
    /// What was read back is not what was written.
    #[error("map {map} does not hold what was written: {problem}")]
    Differs {
        /// Its name.
        map: &'static str,
        /// The first difference.
        problem: String,
    },
}

/// The maps of one generation, by their pins.
#[derive(Debug, Clone, Copy)]
pub struct Maps {
    /// The generation.
    pub generation: u64,
}

impl Maps {
    fn open(self, name: &'static str) -> Result<Map, MapError> {
        let path = pins::generation(self.generation).join(name);
        Map::from_map_data(MapData::from_pin(path)?)
    }
}

/// Write the image and its description.
pub fn write(maps: Maps, image: &Image, meta: &Meta) -> Result<(), ContentsError> {
    write_hash(maps, rule_map::OBJECTS, &image.objects)?;
    write_hash(maps, rule_map::PLACES, &image.places)?;
    write_hash(maps, rule_map::ADDRESSES, &image.addresses)?;
    write_hash(maps, rule_map::NAMES, &image.names)?;
    let named = |source| ContentsError::Map {
        map: rule_map::NETWORKS,
        source,
    };
    let map = maps.open(rule_map::NETWORKS).map_err(named)?;
    let mut trie: LpmTrie<MapData, AddressKey, PortRules> = map.try_into().map_err(named)?;
    for ((address, prefix), rules) in &image.networks {
        trie.insert(&Key::new(u32::from(*prefix), *address), rules, 0)
            .map_err(named)?;
    }
    let named = |source| ContentsError::Map {
        map: rule_map::META,
        source,
    };
    let map = maps.open(rule_map::META).map_err(named)?;
    let mut array: Array<MapData, Meta> = map.try_into().map_err(named)?;
    array.set(0, *meta, 0).map_err(named)
}

/// Read everything back and compare it with the image.
pub fn verify(maps: Maps, image: &Image, meta: &Meta) -> Result<(), ContentsError> {
    verify_hash::<ObjectKey, FileRules>(maps, rule_map::OBJECTS, &image.objects)?;
    verify_hash::<PlaceKey, FileRules>(maps, rule_map::PLACES, &image.places)?;
    verify_hash::<AddressKey, PortRules>(maps, rule_map::ADDRESSES, &image.addresses)?;
    verify_hash::<u32, u32>(maps, rule_map::NAMES, &image.names)?;
    let named = |source| ContentsError::Map {
        map: rule_map::NETWORKS,
        source,
    };
    let map = maps.open(rule_map::NETWORKS).map_err(named)?;
    let trie: LpmTrie<MapData, AddressKey, PortRules> = map.try_into().map_err(named)?;
    let mut found = BTreeMap::new();
    for entry in &trie {
        let (key, rules) = entry.map_err(named)?;
        let prefix = u8::try_from(key.prefix_len()).unwrap_or(u8::MAX);
        found.insert((key.data(), prefix), rules);
    }
    compare(rule_map::NETWORKS, &image.networks, &found)?;
    let found = read_meta(maps)?;
    if found == *meta {
        Ok(())
    } else {
        Err(ContentsError::Differs {
            map: rule_map::META,
            problem: format!("{found:?} instead of {meta:?}"),
        })
    }
}

/// The description of a generation.
pub fn read_meta(maps: Maps) -> Result<Meta, ContentsError> {
    let named = |source| ContentsError::Map {
        map: rule_map::META,
        source,
    };
    let map = maps.open(rule_map::META).map_err(named)?;
    let array: Array<MapData, Meta> = map.try_into().map_err(named)?;
    array.get(&0, 0).map_err(named)
}

fn write_hash<K: Pod, V: Pod>(
    maps: Maps,
    name: &'static str,
    entries: &BTreeMap<K, V>,
) -> Result<(), ContentsError> {
    let named = |source| ContentsError::Map { map: name, source };
    let map = maps.open(name).map_err(named)?;
    let mut hash: HashMap<MapData, K, V> = map.try_into().map_err(named)?;
    for (key, value) in entries {
        hash.insert(key, value, 0).map_err(named)?;
    }
    Ok(())
}

fn verify_hash<K, V>(
    maps: Maps,
    name: &'static str,
    entries: &BTreeMap<K, V>,
) -> Result<(), ContentsError>
where
    K: Pod + Ord + Debug,
    V: Pod + PartialEq + Debug,
{
    let named = |source| ContentsError::Map { map: name, source };
    let map = maps.open(name).map_err(named)?;
    let hash: HashMap<MapData, K, V> = map.try_into().map_err(named)?;
    let found: BTreeMap<K, V> = hash.iter().collect::<Result<_, _>>().map_err(named)?;
    compare(name, entries, &found)
}

fn compare<K: Ord + Debug, V: PartialEq + Debug>(
    map: &'static str,
    wanted: &BTreeMap<K, V>,
    found: &BTreeMap<K, V>,
) -> Result<(), ContentsError> {
    let differs = |problem| Err(ContentsError::Differs { map, problem });
    for (key, value) in wanted {
        match found.get(key) {
            Some(there) if there == value => {}
            there => return differs(format!("{key:?} is {there:?} instead of {value:?}")),
        }
    }
    match found.keys().find(|key| !wanted.contains_key(*key)) {
        Some(key) => differs(format!("{key:?} is there and should not be")),
        None => Ok(()),
    }
}
