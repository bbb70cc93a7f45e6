//! The rings and the sequence numbers of their records.
//!
//! All records of a ring have one size, so the consumer's position divided by
//! it numbers them, across restarts of the agent: the position is in the
//! pinned map. A record that was taken but not released before a crash comes
//! again under the same number.
#![expect(
    unsafe_code,
    reason = "the position is in a page shared with the kernel"
)]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering},
};

use aegisbpf_abi::Event;
use aya::maps::{Map, MapData, MapError, RingBuf};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use thiserror::Error;
use tokio::io::unix::AsyncFd;

use super::{chain::chain, pins};

const PAGE: usize = 4096;

/// Why a ring cannot be read.
#[derive(Debug, Error)]
pub enum RingError {
    /// The pinned map cannot be opened.
    #[error("ring {name}: {}", chain(source))]
    Map {
        /// Its name.
        name: &'static str,
        /// The kernel's answer.
        source: MapError,
    },
    /// Its first page cannot be mapped.
    #[error("cannot map the position of ring {name}: {source}")]
    Position {
        /// Its name.
        name: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A record has another size: another ABI wrote it.
    #[error("ring {name} holds a record of {length} bytes instead of {}", size_of::<Event>())]
    Record {
        /// Its name.
        name: &'static str,
        /// Its length.
        length: usize,
    },
}

/// One ring.
pub struct Ring {
    name: &'static str,
    records: RingBuf<MapData>,
    position: Position,
}

impl Ring {
    /// Open a pinned ring.
    pub fn open(name: &'static str) -> Result<Self, RingError> {
        let map_error = |source| RingError::Map { name, source };
        let data = MapData::from_pin(pins::shared_map(name)).map_err(map_error)?;
        let position =
            Position::map(data.fd()).map_err(|source| RingError::Position { name, source })?;
        let map = Map::from_map_data(data).map_err(map_error)?;
        Ok(Self {
            name,
            records: map.try_into().map_err(map_error)?,
            position,
        })
    }

    /// The ring with its readiness, for the running runtime.
    pub fn watch(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the descriptor is the ring's own and stays open and the same
        // as long as the ring lives.
        unsafe { AsyncFd::register(self) }.map_err(Into::into)
    }

    /// Hand the next record with its sequence number to `take`; its space is
    /// released when `take` returns without an error. `Ok(false)` when the
    /// ring is empty.
    pub fn next<E: From<RingError>>(
        &mut self,
        take: impl FnOnce(u64, &Event) -> Result<(), E>,
    ) -> Result<bool, E> {
        let sequence = self.position.consumed() / Event::RECORD_BYTES;
        let Some(record) = self.records.next() else {
            return Ok(false);
        };
        if record.len() != size_of::<Event>() {
            return Err(RingError::Record {
                name: self.name,
                length: record.len(),
            }
            .into());
        }
        // SAFETY: the length was checked, and an event is plain integers, for
        // which any bytes are a value.
        let event = unsafe { ptr::read_unaligned(record.as_ptr().cast::<Event>()) };
        if let Err(error) = take(sequence, &event) {
            // Dropping the record would release it.
            std::mem::forget(record);
            return Err(error);
        }
        Ok(true)
    }
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.records.as_raw_fd()
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.records.as_fd()
    }
}

/// The page in which the consumer's position is.
struct Position {
    page: NonNull<AtomicU64>,
}

impl Position {
    fn map(ring: &impl AsFd) -> io::Result<Self> {
        // SAFETY: a new mapping of the first page, which every ring has.
        let page = unsafe {
            mmap(
                ptr::null_mut(),
                PAGE,
                ProtFlags::READ,
                MapFlags::SHARED,
                ring,
                0,
            )
        }?;
        NonNull::new(page.cast())
            .map(|page| Self { page })
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn consumed(&self) -> u64 {
        // SAFETY: mapped as long as `self` lives; aligned to a page.
        unsafe { self.page.as_ref() }.load(Ordering::Acquire)
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        // SAFETY: the mapping of `map`, which nothing refers to any more. An
        // error would say that it is not there, which ends the same.
        let _ = unsafe { munmap(self.page.as_ptr().cast(), PAGE) };
    }
}

// SAFETY: the page is only read, atomically.
unsafe impl Send for Position {}
