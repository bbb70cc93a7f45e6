//! Keys of the rule maps, and what is found under them.

use crate::operation::Operations;

/// Longest name of a directory entry, `NAME_MAX` of Linux, without the NUL.
pub const NAME_LENGTH: usize = 255;

/// Rules that can speak of one object, place, address or network.
pub const LIST_LENGTH: usize = 7;

/// Rules that one policy can number.
pub const REFERENCE_LIMIT: u32 = 0x00ff_fff0;

/// What a [`Key`] stands for.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An inode: its number, generation and device.
    Object = 0,
    /// A name in a folder, whether or not something is there.
    Place = 1,
    /// An IPv6 address, or an IPv4 address in its IPv4-mapped form.
    Address = 2,
    /// Everything in a domain.
    Domain = 3,
    /// Content, by its SHA-256.
    Content = 4,
    /// A block device.
    Device = 5,
    /// A file name, by its hash: what the fallback looks at more closely.
    PathName = 6,
    /// The smallest network around an address; found in the trie of networks.
    Network = 7,
}

/// A key of the index. One shape for every kind, so that one hash table holds
/// them all.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Inode of the object or folder; first half of an address.
    pub a: u64,
    /// Generation of the object; hash of the place; second half of an address.
    pub b: u64,
    /// `super_block.s_dev`: major number times 2^20 plus minor number. Not
    /// the encoding of `stat(2)`.
    pub c: u32,
    /// [`Kind`].
    pub kind: u32,
}

impl Key {
    /// An inode. File systems hand the numbers of deleted files out again, but
    /// with another generation.
    #[inline(always)]
    pub const fn object(inode: u64, generation: u32, device: u32) -> Self {
        Self {
            a: inode,
            b: generation as u64,
            c: device,
            kind: Kind::Object as u32,
        }
    }

    /// An inode whatever its generation.
    #[inline(always)]
    pub const fn inode_number(self) -> Self {
        Self {
            b: u64::MAX,
            ..self
        }
    }

    /// A name in the folder that this object is.
    #[must_use]
    #[inline(always)]
    pub const fn place(self, name: NameHash) -> Self {
        Self {
            b: name.0 ^ self.b,
            kind: Kind::Place as u32,
            ..self
        }
    }

    /// An address, in network order.
    #[inline(always)]
    pub const fn address(address: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(address);
        Self::halves((number >> 64) as u64, number as u64)
    }

    /// An address, by the numbers that its halves are.
    #[inline(always)]
    pub const fn halves(high: u64, low: u64) -> Self {
        Self {
            a: high,
            b: low,
            c: 0,
            kind: Kind::Address as u32,
        }
    }

    /// Everything in a domain.
    #[inline(always)]
    pub const fn domain(number: u8) -> Self {
        Self {
            a: number as u64,
            b: 0,
            c: 0,
            kind: Kind::Domain as u32,
        }
    }

    /// Content of which nobody knows what it is: what decides about content
    /// decides about it too.
    pub const UNKNOWN_CONTENT: Self = Self::content([0; 32]);

    /// Content, by the first 160 bits of its SHA-256.
    #[inline(always)]
    pub const fn content(digest: [u8; 32]) -> Self {
        let [
            a0,
            a1,
            a2,
            a3,
            a4,
            a5,
            a6,
            a7,
            b0,
            b1,
            b2,
            b3,
            b4,
            b5,
            b6,
            b7,
            c0,
            c1,
            c2,
            c3,
            ..,
        ] = digest;
        Self {
            a: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            b: u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]),
            c: u32::from_le_bytes([c0, c1, c2, c3]),
            kind: Kind::Content as u32,
        }
    }

    /// A block device, by its number in the kernel's own encoding.
    #[inline(always)]
    pub const fn device(number: u32) -> Self {
        Self {
            a: 0,
            b: 0,
            c: number,
            kind: Kind::Device as u32,
        }
    }

    /// A file name, by [`crate::event::name_hash`].
    #[inline(always)]
    pub const fn path_name(hash: u32) -> Self {
        Self {
            a: hash as u64,
            b: 0,
            c: 0,
            kind: Kind::PathName as u32,
        }
    }

    /// The smallest network around the address that this is.
    #[must_use]
    #[inline(always)]
    pub const fn network(self) -> Self {
        Self {
            kind: Kind::Network as u32,
            ..self
        }
    }

    /// The address that this is, in network order.
    #[inline(always)]
    pub const fn to_address(self) -> [u8; 16] {
        ((self.a as u128) << 64 | self.b as u128).to_be_bytes()
    }

    /// The last two fields and the slot, in one word.
    #[inline(always)]
    pub const fn tail(self, slot: u32) -> u64 {
        self.c as u64 | (self.kind as u64) << 32 | (slot as u64) << 40
    }

    /// The key and the slot again.
    #[inline(always)]
    pub const fn from_parts(a: u64, b: u64, tail: u64) -> (Self, u32) {
        let key = Self {
            a,
            b,
            c: tail as u32,
            kind: (tail >> 32) as u32 & 0xff,
        };
        (key, (tail >> 40) as u32 & 1)
    }

    /// The bit of a filter of 2^`log2` bits that every listed key of this
    /// object or address sets. Multiplicative hashing; the constant is 2^64
    /// over the golden ratio.
    #[inline(always)]
    pub const fn filter_bit(self, log2: u32) -> u64 {
        let mixed = match self.kind {
            2 => self.a.rotate_left(32) ^ self.b,
            _ => self.a,
        };
        mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> ((64 - log2) & 63)
    }
}

/// Hash of a file name, eight bytes at a time: names have no zero bytes, so
/// filling the last word with them is unambiguous. Somebody who finds a
/// second name with the hash of a denied one finds that it is denied too.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameHash(pub u64);

impl NameHash {
    /// Of the empty name: FNV's offset.
    pub const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// After eight more bytes.
    #[must_use]
    #[inline(always)]
    pub const fn with(self, word: u64) -> Self {
        Self((self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3))
    }

    /// Of a name.
    pub fn of(name: &[u8]) -> Self {
        name.chunks(8).fold(Self::EMPTY, |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash.with(u64::from_ne_bytes(word))
        })
    }
}

/// Why a rule is in a list. Bit 0: the rule's operations matter; bit 1: those
/// of a guard do; bit 2: everything beneath is meant as well.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It speaks of everything but what is found here.
    Exempt = 0,
    /// It speaks of what is found here.
    Itself = 1,
    /// Its place is somewhere beneath: what is found here must stay.
    Guard = 2,
    /// It speaks of what is found here and of everything beneath.
    Beneath = 5,
}

/// A rule and why it is in a list; 0 is none.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reference(pub u32);

impl Reference {
    /// None.
    pub const NONE: Self = Self(0);
    /// In place of a rule: the path was deeper than the programs follow it.
    pub const TOO_DEEP: Self = Self(0x00ff_fffe);
    /// In place of a rule: the kernel's memory could not be read.
    pub const UNREADABLE: Self = Self(0x00ff_ffff);

    /// The rule at an index of the policy.
    pub const fn new(role: Role, index: u32) -> Self {
        Self((role as u32) << 24 | (index + 1))
    }

    /// Whether there is none.
    #[inline(always)]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The rule without its role.
    #[must_use]
    #[inline(always)]
    pub const fn rule(self) -> Self {
        Self(self.0 & 0x00ff_ffff)
    }

    /// The index of the rule; meaningless for none.
    #[inline(always)]
    pub const fn index(self) -> u32 {
        (self.0 & 0x00ff_ffff).wrapping_sub(1)
    }

    /// The number of its [`Role`].
    #[inline(always)]
    pub const fn role(self) -> u32 {
        self.0 >> 24
    }

    /// Whether it has this role.
    #[inline(always)]
    pub const fn is(self, role: Role) -> bool {
        self.role() == role as u32
    }
}

/// The rules that speak of one key.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleList {
    /// Every operation that some rule of the list can decide about, and the
    /// two bits below.
    pub operations: u32,
    /// Up to the first that is none.
    pub entries: [Reference; LIST_LENGTH],
}

impl RuleList {
    /// Set in [`RuleList::operations`]: some place in this folder is listed.
    pub const FOLDER: u32 = 1 << 31;
    /// Set in [`RuleList::operations`]: some entry has [`Role::Beneath`].
    pub const SUBTREE: u32 = 1 << 30;

    /// Whether a rule of it can decide about one of these.
    #[inline(always)]
    pub const fn may_decide(&self, requested: Operations) -> bool {
        self.operations & requested.0 != 0
    }

    /// Whether it has a flag.
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.operations & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, format, string::String, vec::Vec};

    #[test]
    fn keys_of_different_kinds_are_different() {
        let object = Key::object(7, 1, 2);
        let keys = BTreeSet::from([
            object,
            object.inode_number(),
            object.place(NameHash::of(b"a")),
            object.place(NameHash::of(b"b")),
            Key::object(7, 2, 2).place(NameHash::of(b"a")),
            Key::domain(7),
            Key::address([7; 16]),
            Key::content([7; 32]),
        ]);
        assert_eq!(keys.len(), 8);
    }

    #[test]
    fn a_key_comes_back_from_its_parts() {
        let key = Key::object(1 << 40, 0xffff_fffe, 0xffff_ffff);
        assert_eq!(Key::from_parts(key.a, key.b, key.tail(1)), (key, 1));
        let address = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        assert_eq!(Key::address(address).to_address(), address);
    }

    #[test]
    fn a_place_shares_the_filter_bit_of_its_folder() {
        let folder = Key::object(0x1234_5678, 9, 2);
        let place = folder.place(NameHash::of(b"name"));
        assert_eq!(folder.filter_bit(16), place.filter_bit(16));
        assert!(Key::address([0xff; 16]).filter_bit(10) < 1024);
    }

    #[test]
    fn a_reference_keeps_role_and_index() {
        let reference = Reference::new(Role::Guard, 99_999);
        assert!(reference.is(Role::Guard));
        assert_eq!(reference.index(), 99_999);
        assert_eq!(reference.rule(), Reference(100_000));
    }

    #[test]
    fn names_of_one_word_never_collide_and_longer_ones_do_not_here() {
        let names: Vec<String> = (0..20_000).map(|n| format!("a-longer-name-{n}")).collect();
        let hashes: BTreeSet<u64> = names.iter().map(|n| NameHash::of(n.as_bytes()).0).collect();
        assert_eq!(hashes.len(), names.len());
    }
}
