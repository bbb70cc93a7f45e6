//! Writing a policy into maps, reading it back, and switching to it.
//!
//! There are two slots. The next policy goes into the one that is not in
//! force, in maps of its own size; one write of [`Active`] switches.

use std::{collections::BTreeMap, fmt::Debug, io, panic::resume_unwind, thread};

use aegisbpf_abi::{
    Active, Key, Meta, Rule, RuleList, Subjects,
    names::{policy_map, shared_map},
};
use aya::{
    Pod,
    maps::{
        Array, ArrayOfMaps, HashMap, Map, MapData, MapError,
        lpm_trie::{Key as Prefix, LpmTrie},
    },
};
use thiserror::Error;

use super::{chain::chain, pins::Folder, tenants};
use crate::image::Image;

/// Arrays of different lengths can take each other's place only with this.
pub(super) const BPF_F_INNER_MAP: u32 = 1 << 12;
/// The only way in which the kernel makes tries.
pub(super) const BPF_F_NO_PREALLOC: u32 = 1;

/// Why the maps do not hold the policy.
#[derive(Debug, Error)]
pub enum PolicyMapsError {
    /// The kernel refused an operation on a map.
    #[error("map {map}{}: {}", size.map(|size| format!(" of {size} entries")).unwrap_or_default(), chain(source))]
    Map {
        /// Its name.
        map: &'static str,
        /// How many entries it was to have, when it was being made.
        size: Option<u32>,
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

type Result<T> = std::result::Result<T, PolicyMapsError>;
type Outer = ArrayOfMaps<MapData>;
type Index = HashMap<MapData, Key, RuleList>;
type Networks = LpmTrie<MapData, [u8; 16], RuleList>;
type Words<T> = Array<MapData, T>;

fn named(map: &'static str) -> impl Fn(MapError) -> PolicyMapsError + Copy {
    move |source| PolicyMapsError::Map {
        map,
        size: None,
        source,
    }
}

fn sized(map: &'static str, size: u32) -> impl Fn(MapError) -> PolicyMapsError {
    move |source| PolicyMapsError::Map {
        map,
        size: Some(size),
        source,
    }
}

/// The maps of one version of the programs, by their pins.
#[derive(Debug, Clone)]
pub struct PolicyMaps {
    folder: Folder,
}

impl PolicyMaps {
    /// Of a folder of pins.
    pub const fn new(folder: Folder) -> Self {
        Self { folder }
    }

    /// Whether there are any.
    pub fn exist(&self) -> bool {
        self.folder.map(policy_map::ACTIVE).exists()
    }

    /// Whether the pins are there that the agent has made.
    pub fn pinned(&self) -> std::result::Result<(), String> {
        if self.exist() {
            return Ok(());
        }
        let place = self.folder.path().display();
        Err(format!(
            "what was pinned in {place} is gone; a reload pins it again"
        ))
    }

    fn open<M: TryFrom<Map, Error = MapError>>(&self, name: &'static str) -> Result<M> {
        MapData::from_pin(self.folder.map(name))
            .and_then(Map::from_map_data)
            .and_then(M::try_from)
            .map_err(named(name))
    }

    fn inner<M: TryFrom<Map, Error = MapError>>(&self, name: &'static str, slot: u32) -> Result<M> {
        let outer: Outer = self.open(name)?;
        outer
            .get(&slot, 0)
            .and_then(Map::from_map_data)
            .and_then(M::try_from)
            .map_err(named(name))
    }

    /// The policy in force; [`Active::NONE`] when there is none, or no maps.
    pub fn active(&self) -> Result<Active> {
        if !self.exist() {
            return Ok(Active::NONE);
        }
        let map: Words<u64> = self.open(policy_map::ACTIVE)?;
        map.get(&0, 0)
            .map(Active)
            .map_err(named(policy_map::ACTIVE))
    }

    /// Let a policy decide: the one atomic step.
    pub fn activate(&self, active: Active) -> Result<()> {
        let mut map: Words<u64> = self.open(policy_map::ACTIVE)?;
        map.set(0, active.0, 0).map_err(named(policy_map::ACTIVE))
    }

    /// Write a policy into the slot of a generation, and wait until no
    /// program can still read what was there before.
    pub fn fill(&self, active: Active, image: &Image, meta: &Meta) -> Result<()> {
        let slot = active.slot();
        let other = self.inner(policy_map::RULES, slot ^ 1).ok();
        tenants::add(&image.tenants, other).map_err(named(shared_map::TENANTS))?;
        let filter = image.filter(active.filter_log2());
        all_at_once([
            &|| self.put_index(slot, &image.index),
            &|| self.put_networks(slot, &image.networks),
            &|| self.put_array(policy_map::RULES, slot, &image.rules),
            &|| self.put_array(policy_map::FILTER, slot, &filter),
        ])?;
        let mut map: Words<Subjects> = self.open(policy_map::SUBJECTS)?;
        map.set(slot, image.subjects, 0)
            .map_err(named(policy_map::SUBJECTS))?;
        let mut map: Words<Meta> = self.open(policy_map::META)?;
        map.set(slot, *meta, 0).map_err(named(policy_map::META))
    }

    fn put_index(&self, slot: u32, index: &BTreeMap<Key, RuleList>) -> Result<()> {
        let name = policy_map::INDEX;
        let size = entries(index.len());
        let mut map: Index = HashMap::create(size, 0).map_err(sized(name, size))?;
        for (key, list) in index {
            map.insert(key, list, 0).map_err(named(name))?;
        }
        let mut outer: ArrayOfMaps<MapData, Index> = self.open_outer(name)?;
        outer.set(slot, &map, 0).map_err(named(name))
    }

    fn put_networks(&self, slot: u32, networks: &BTreeMap<([u8; 16], u8), RuleList>) -> Result<()> {
        let name = policy_map::NETWORKS;
        let size = entries(networks.len());
        let mut map: Networks =
            LpmTrie::create(size, BPF_F_NO_PREALLOC).map_err(sized(name, size))?;
        for ((address, prefix), list) in networks {
            map.insert(&Prefix::new(u32::from(*prefix), *address), list, 0)
                .map_err(named(name))?;
        }
        let mut outer: ArrayOfMaps<MapData, Networks> = self.open_outer(name)?;
        outer.set(slot, &map, 0).map_err(named(name))
    }

    fn put_array<T: Pod + Default + PartialEq>(
        &self,
        name: &'static str,
        slot: u32,
        values: &[T],
    ) -> Result<()> {
        let size = entries(values.len());
        let mut map: Words<T> = Array::create(size, BPF_F_INNER_MAP).map_err(sized(name, size))?;
        for (index, value) in (0..).zip(values) {
            // A new array is all zeroes.
            if *value != T::default() {
                map.set(index, value, 0).map_err(named(name))?;
            }
        }
        let mut outer: ArrayOfMaps<MapData, Words<T>> = self.open_outer(name)?;
        outer.set(slot, &map, 0).map_err(named(name))
    }

    fn open_outer<V>(&self, name: &'static str) -> Result<ArrayOfMaps<MapData, V>>
    where
        ArrayOfMaps<MapData, V>: TryFrom<Map, Error = MapError>,
    {
        self.open(name)
    }

    /// Wait until every program that began before now has ended. The kernel
    /// does so whenever an element of a map of maps is written.
    pub fn wait_for_programs(&self, active: Active) -> Result<()> {
        let name = policy_map::RULES;
        let rules: Words<Rule> = self.inner(name, active.slot())?;
        let mut outer: ArrayOfMaps<MapData, Words<Rule>> = self.open_outer(name)?;
        outer.set(active.slot(), &rules, 0).map_err(named(name))
    }

    /// Read everything of a generation back and compare it with the image.
    pub fn verify(&self, active: Active, image: &Image, meta: &Meta) -> Result<()> {
        let slot = active.slot();
        let map: Index = self.inner(policy_map::INDEX, slot)?;
        let found: std::result::Result<BTreeMap<Key, RuleList>, MapError> = map.iter().collect();
        let found = found.map_err(named(policy_map::INDEX))?;
        compare_all(policy_map::INDEX, &image.index, &found)?;
        let map: Networks = self.inner(policy_map::NETWORKS, slot)?;
        let mut found = BTreeMap::new();
        for entry in &map {
            let (key, list) = entry.map_err(named(policy_map::NETWORKS))?;
            let prefix = u8::try_from(key.prefix_len()).unwrap_or(u8::MAX);
            found.insert((key.data(), prefix), list);
        }
        compare_all(policy_map::NETWORKS, &image.networks, &found)?;
        self.verify_array(policy_map::RULES, slot, &image.rules)?;
        self.verify_array(
            policy_map::FILTER,
            slot,
            &image.filter(active.filter_log2()),
        )?;
        let map: Words<Subjects> = self.open(policy_map::SUBJECTS)?;
        let found = map.get(&slot, 0).map_err(named(policy_map::SUBJECTS))?;
        compare(policy_map::SUBJECTS, &image.subjects, &found)?;
        compare(policy_map::META, meta, &self.meta(active)?)
    }

    fn verify_array<T: Pod + Debug + PartialEq>(
        &self,
        name: &'static str,
        slot: u32,
        values: &[T],
    ) -> Result<()> {
        let map: Words<T> = self.inner(name, slot)?;
        if map.len() != entries(values.len()) {
            return Err(PolicyMapsError::Differs {
                map: name,
                problem: format!("{} entries instead of {}", map.len(), values.len()),
            });
        }
        for (index, value) in (0..).zip(values) {
            let found = map.get(&index, 0).map_err(named(name))?;
            compare(name, value, &found)?;
        }
        Ok(())
    }

    /// The description of a generation.
    pub fn meta(&self, active: Active) -> Result<Meta> {
        let map: Words<Meta> = self.open(policy_map::META)?;
        map.get(&active.slot(), 0).map_err(named(policy_map::META))
    }

    /// Give back the memory of the policy that was in force before.
    pub fn empty(&self, slot: u32) -> Result<()> {
        all_at_once([
            &|| self.put_index(slot, &BTreeMap::new()),
            &|| self.put_networks(slot, &BTreeMap::new()),
            &|| self.put_array::<Rule>(policy_map::RULES, slot, &[]),
            &|| self.put_array::<u64>(policy_map::FILTER, slot, &[]),
        ])
    }
}

/// Do all of it, and say what went wrong first. The kernel waits for running
/// programs whenever an element of a map of maps is written; so it does once
/// for all of them.
fn all_at_once(jobs: [&(dyn Fn() -> Result<()> + Sync); 4]) -> Result<()> {
    thread::scope(|scope| {
        let running = jobs.map(|job| (job, thread::Builder::new().spawn_scoped(scope, job)));
        let done = running.map(|(job, thread)| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // Without room for a thread it takes longer.
            Err(_) => job(),
        });
        done.into_iter().collect()
    })
}

fn entries(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX).max(1)
}

fn compare<T: PartialEq + Debug>(map: &'static str, wanted: &T, found: &T) -> Result<()> {
    if wanted == found {
        return Ok(());
    }
    let problem = format!("{found:?} instead of {wanted:?}");
    Err(PolicyMapsError::Differs { map, problem })
}

fn compare_all<K: Ord + Debug, V: PartialEq + Debug>(
    map: &'static str,
    wanted: &BTreeMap<K, V>,
    found: &BTreeMap<K, V>,
) -> Result<()> {
    if wanted == found {
        return Ok(());
    }
    let problem = wanted
        .iter()
        .find(|(key, value)| found.get(key) != Some(value))
        .map_or_else(
            || format!("{} entries instead of {}", found.len(), wanted.len()),
            |(key, value)| format!("{key:?} is {:?} instead of {value:?}", found.get(key)),
        );
    Err(PolicyMapsError::Differs { map, problem })
}

impl PolicyMapsError {
    /// Whether the kernel had no room: for the map, or in it.
    pub fn is_capacity(&self) -> bool {
        let Self::Map {
            source: MapError::CreateError { io_error, .. },
            ..
        } = self
        else {
            return matches!(self, Self::Map { source: MapError::SyscallError(error), .. }
                if no_room(&error.io_error));
        };
        no_room(io_error)
    }
}

fn no_room(error: &io::Error) -> bool {
    // ENOMEM and E2BIG; a full trie says ENOSPC.
    matches!(error.raw_os_error(), Some(12 | 7 | 28))
}
