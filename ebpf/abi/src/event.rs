//! The record a program leaves in a ring buffer.

/// Bytes of text in an event.
pub const TEXT_LENGTH: usize = 256;

/// One decision. All records have this size, so the position of a record in
/// its ring divided by [`Event::RECORD_BYTES`] is a sequence number that no
/// restart of the agent resets.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Nanoseconds since boot, suspend excluded.
    pub monotonic_ns: u64,
    /// Generation of the program that decided.
    pub generation: u64,
    /// Id of the task's cgroup in the v2 hierarchy.
    pub cgroup: u64,
    /// Inode of the file; 0 when unknown.
    pub inode: u64,
    /// Device of the file, as in [`crate::Key`].
    pub device: u32,
    /// [`crate::Reference`] to the rule that decided; 0 when the agent must
    /// still find it.
    pub rule: u32,
    /// Process id (the kernel's tgid) in the initial namespace.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Folder descriptor of a relative path, or `AT_FDCWD`; fallback only.
    pub folder_fd: i32,
    /// [`crate::Operations`]: those of the attempt of which the rule speaks.
    pub operations: u32,
    /// Port of the peer or local address, host order.
    pub port: u16,
    /// [`crate::Effect`].
    pub effect: u8,
    /// Always 0.
    pub reserved: [u8; 5],
    /// Address of the peer, or the local one.
    pub address: [u8; 16],
    /// Name of the task.
    pub command: [u8; 16],
    /// Name of the file in its folder (LSM), or the path as the process gave
    /// it (fallback); NUL-terminated unless it fills the field.
    pub text: [u8; TEXT_LENGTH],
}

impl Event {
    /// Bytes of one record in the ring: the event and the kernel's header of
    /// 8 bytes, in multiples of 8.
    pub const RECORD_BYTES: u64 = (size_of::<Self>() as u64 + 8).next_multiple_of(8);
}

const FNV_OFFSET: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

/// FNV-1a over the last component of a path, fed byte by byte: the fallback
/// finds the file name in a path without a second pass.
#[derive(Clone, Copy, Debug)]
pub struct PathHash(u32);

impl PathHash {
    /// Of the empty name.
    pub const EMPTY: Self = Self(FNV_OFFSET);

    /// After one more byte of the path.
    #[must_use]
    #[inline(always)]
    pub const fn with(self, byte: u8) -> Self {
        if byte == b'/' {
            Self::EMPTY
        } else {
            Self((self.0 ^ byte as u32).wrapping_mul(FNV_PRIME))
        }
    }

    /// The key in the map of names.
    #[inline(always)]
    pub const fn key(self) -> u32 {
        self.0
    }
}

/// The hash of the last component of a path.
pub fn name_hash(path: &[u8]) -> u32 {
    path.iter()
        .fold(PathHash::EMPTY, |hash, byte| hash.with(*byte))
        .key()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_no_padding() {
        assert_eq!(
            size_of::<Event>(),
            4 * 8 + 8 * 4 + 8 + 16 + 16 + TEXT_LENGTH
        );
    }

    #[test]
    fn a_name_hashes_alike_in_any_folder() {
        let check = |path: &str| assert_eq!(name_hash(path.as_bytes()), name_hash(b"secret"));
        check("secret");
        check("/srv/secret");
        check("a/../b//secret");
        assert_ne!(name_hash(b"/srv/secrets"), name_hash(b"secret"));
    }
}
