//! The kernel's counters.

use aegisbpf_abi::{Counter, names::shared_map};
use aya::maps::{Array, Map, MapData, MapError};
use serde::Serialize;

use super::pins;

/// All counters at one moment. Each is read on its own, so two of them can be
/// apart by what happened in between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Operations that were denied.
    pub denials: u64,
    /// Of these, events that found the ring full.
    pub denials_lost: u64,
    /// Operations that were only reported.
    pub audits: u64,
    /// Of these, events that found the ring full.
    pub audits_lost: u64,
    /// Fallback: paths and addresses that could not be read.
    pub unreadable: u64,
    /// Fallback: calls that could not be followed to their end.
    pub in_flight_lost: u64,
}

impl Counters {
    /// Read all of them, by their pin.
    pub fn read() -> Result<Self, MapError> {
        CounterMap::open()?.read()
    }

    /// Everything that happened and was not told.
    pub const fn lost(&self) -> u64 {
        self.denials_lost + self.audits_lost + self.unreadable + self.in_flight_lost
    }
}

/// Where they are, held open: reading them needs neither the pin nor another
/// descriptor.
#[derive(Debug)]
pub struct CounterMap(Map);

impl CounterMap {
    /// By its pin.
    pub fn open() -> Result<Self, MapError> {
        let map = MapData::from_pin(pins::shared_map(shared_map::COUNTERS))?;
        Map::from_map_data(map).map(Self)
    }

    /// Read all counters.
    pub fn read(&self) -> Result<Counters, MapError> {
        let map: Array<&MapData, u64> = (&self.0).try_into()?;
        let get = |counter: Counter| map.get(&(counter as u32), 0);
        Ok(Counters {
            denials: get(Counter::Denials)?,
            denials_lost: get(Counter::DenialsLost)?,
            audits: get(Counter::Audits)?,
            audits_lost: get(Counter::AuditsLost)?,
            unreadable: get(Counter::Unreadable)?,
            in_flight_lost: get(Counter::InFlightLost)?,
        })
    }
}
