//! Finding a few types in the kernel's BTF.
//!
//! Ours, although libraries exist: the one on crates.io that finds members is
//! under the LGPL, which a static binary cannot easily honour, and takes 170
//! million instructions for what one pass over the bytes does in ten. The
//! format is in the kernel's Documentation/bpf/btf.rst.

use std::collections::HashMap;

use thiserror::Error;

const MAGIC: u16 = 0xeb9f;
const TYPE_BYTES: usize = 12;

/// How deep anonymous structures may nest.
const MAX_DEPTH: usize = 16;

const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_TYPE_TAG: u32 = 18;

/// Why bytes are not BTF this agent can read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BtfError {
    /// It does not begin as BTF does.
    #[error("no BTF: it begins with {0:#06x} instead of {MAGIC:#06x}")]
    Magic(u16),
    /// It ends before it should.
    #[error("truncated at byte {0}")]
    Truncated(usize),
    /// A kind of type that is newer than this agent: its length is unknown.
    #[error("type {id} is of the unknown kind {kind}")]
    Kind {
        /// The type.
        id: usize,
        /// Its kind.
        kind: u32,
    },
}

/// A type, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeId(u32);

/// BTF of this machine's byte order.
#[derive(Debug)]
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where each type begins in `types`; id 0, which is void, has none.
    offsets: Vec<u32>,
    /// Structures, enumerations and LSM hooks, by kind and name.
    named: HashMap<(u32, &'a [u8]), TypeId>,
}

/// What the functions are called that LSM programs attach to.
const HOOK: &[u8] = b"bpf_lsm_";
/// The helper that reads a file for its digest, and what it calls; without IMA
/// the latter is no function.
pub const CONTENT_FUNCTIONS: [&str; 2] = ["bpf_ima_file_hash", "ima_file_hash"];

/// The fixed part of a type.
#[derive(Debug, Clone, Copy)]
struct Head {
    kind: u32,
    entries: usize,
    has_bit_fields: bool,
    /// The type it refers to, or its size.
    link: u32,
}

fn is_wanted(function: &[u8]) -> bool {
    let mut others = CONTENT_FUNCTIONS.iter().map(|name| name.as_bytes());
    function.starts_with(HOOK) || others.any(|name| name == function)
}

impl<'a> Btf<'a> {
    /// Find where every type begins.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let magic = bytes.get(..2).ok_or(BtfError::Truncated(bytes.len()))?;
        let magic = u16::from_ne_bytes([magic[0], magic[1]]);
        if magic != MAGIC {
            return Err(BtfError::Magic(magic));
        }
        let field = |at| word(bytes, at).map(|value| value as usize);
        let header = field(4)?;
        let section = |offset: usize, length: usize| {
            let start = header.saturating_add(offset);
            bytes
                .get(start..start.saturating_add(length))
                .ok_or(BtfError::Truncated(bytes.len()))
        };
        let types = section(field(8)?, field(12)?)?;
        let strings = section(field(16)?, field(20)?)?;
        let mut offsets = vec![u32::MAX];
        let mut named = HashMap::new();
        let mut at = 0;
        while at < types.len() {
            let head = head(types, at)?;
            let rest = match head.kind {
                1 | 14 | 17 => 4,
                2 | 7..=12 | 16 | 18 => 0,
                3 => 12,
                4 | 5 | 15 | 19 => head.entries * 12,
                6 | 13 => head.entries * 8,
                kind => {
                    let id = offsets.len();
                    return Err(BtfError::Kind { id, kind });
                }
            };
            if matches!(head.kind, KIND_STRUCT | KIND_ENUM | KIND_FUNC)
                && let Some(name) = text(strings, word(types, at)? as usize)
                && (head.kind != KIND_FUNC || is_wanted(name))
            {
                let id = u32::try_from(offsets.len()).map_err(|_| BtfError::Truncated(at))?;
                named.entry((head.kind, name)).or_insert(TypeId(id));
            }
            offsets.push(u32::try_from(at).map_err(|_| BtfError::Truncated(at))?);
            at += TYPE_BYTES + rest;
        }
        if at > types.len() {
            return Err(BtfError::Truncated(header + types.len()));
        }
        Ok(Self {
            types,
            strings,
            offsets,
            named,
        })
    }

    /// A structure by its name.
    pub fn structure(&self, name: &str) -> Option<TypeId> {
        self.find(KIND_STRUCT, name)
    }

    /// The names of the parameters of an LSM hook's function, or of one of
    /// [`CONTENT_FUNCTIONS`].
    pub fn parameters(&self, function: &str) -> Option<Vec<&'a str>> {
        let function = self.head(self.find(KIND_FUNC, function)?)?;
        let prototype = TypeId(function.link);
        let head = self.head(prototype)?;
        if head.kind != KIND_FUNC_PROTO {
            return None;
        }
        (0..head.entries)
            .map(|index| self.text(self.entry(prototype, 8, index)?))
            .collect()
    }

    /// The value of an enumerator.
    pub fn enumerator(&self, of: &str, name: &str) -> Option<u32> {
        let of = self.find(KIND_ENUM, of)?;
        (0..self.head(of)?.entries).find_map(|index| {
            let at = self.entry(of, 8, index)?;
            (self.text(at)? == name).then(|| word(self.types, at + 4).ok())?
        })
    }

    /// Offset in bits and type of a member, also inside anonymous structures
    /// and unions.
    pub fn member(&self, of: TypeId, name: &str) -> Option<(u64, TypeId)> {
        self.member_within(of, name, MAX_DEPTH)
    }

    fn member_within(&self, of: TypeId, name: &str, depth: usize) -> Option<(u64, TypeId)> {
        let depth = depth.checked_sub(1)?;
        let of = self.plain(of)?;
        let head = self.head(of)?;
        if head.kind != KIND_STRUCT && head.kind != KIND_UNION {
            return None;
        }
        (0..head.entries).find_map(|index| {
            let at = self.entry(of, 12, index)?;
            let found = self.text(at)?;
            let member_type = TypeId(word(self.types, at + 4).ok()?);
            let offset = word(self.types, at + 8).ok()?;
            let bits = u64::from(if head.has_bit_fields {
                offset & 0xff_ffff
            } else {
                offset
            });
            if found == name {
                Some((bits, member_type))
            } else if found.is_empty() {
                let (inner, inner_type) = self.member_within(member_type, name, depth)?;
                Some((bits + inner, inner_type))
            } else {
                None
            }
        })
    }

    fn find(&self, kind: u32, name: &str) -> Option<TypeId> {
        self.named.get(&(kind, name.as_bytes())).copied()
    }

    fn head(&self, id: TypeId) -> Option<Head> {
        head(self.types, *self.offsets.get(id.0 as usize)? as usize).ok()
    }

    /// Where an entry of a type begins.
    fn entry(&self, of: TypeId, bytes: usize, index: usize) -> Option<usize> {
        Some(*self.offsets.get(of.0 as usize)? as usize + TYPE_BYTES + bytes * index)
    }

    /// The text that the first word of a type or an entry refers to.
    fn text(&self, at: usize) -> Option<&'a str> {
        str::from_utf8(text(self.strings, word(self.types, at).ok()? as usize)?).ok()
    }

    /// The type without typedef, `const` and the like.
    fn plain(&self, id: TypeId) -> Option<TypeId> {
        let mut id = id;
        // A loop in the references, which only broken BTF has, ends too.
        for _ in 0..self.offsets.len() {
            let head = self.head(id)?;
            match head.kind {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_TYPE_TAG => id = TypeId(head.link),
                _ => return Some(id),
            }
        }
        None
    }
}

/// The text at an offset, without its NUL byte.
fn text(strings: &[u8], offset: usize) -> Option<&[u8]> {
    let from = strings.get(offset..)?;
    let end = from.iter().position(|byte| *byte == 0)?;
    Some(&from[..end])
}

fn head(types: &[u8], at: usize) -> Result<Head, BtfError> {
    let info = word(types, at + 4)?;
    Ok(Head {
        kind: (info >> 24) & 0x1f,
        entries: (info & 0xffff) as usize,
        has_bit_fields: info >> 31 == 1,
        link: word(types, at + 8)?,
    })
}

fn word(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    bytes
        .get(at..at.saturating_add(4))
        .and_then(|four| four.try_into().ok())
        .map(u32::from_ne_bytes)
        .ok_or(BtfError::Truncated(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `struct inner { int b; }`, `struct outer { int a; union { const alias c; }; }`
    /// with `typedef struct inner alias`, and `int bpf_lsm_f(outer *file)`.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0inner\0b\0alias\0outer\0a\0c\0bpf_lsm_f\0file\0";
        let name = |text: &str| {
            let wanted = [b"\0", text.as_bytes(), b"\0"].concat();
            let at = strings
                .windows(wanted.len())
                .position(|part| part == wanted);
            u32::try_from(at.unwrap() + 1).unwrap()
        };
        let types: Vec<u32> = [
            &[name("int"), 1 << 24, 4, 32][..],                // 1
            &[name("inner"), 4 << 24 | 1, 4, name("b"), 1, 0], // 2
            &[name("alias"), 8 << 24, 2],                      // 3
            &[0, 10 << 24, 3],                                 // 4
            &[0, 5 << 24 | 1, 4, name("c"), 4, 0],             // 5
            &[
                name("outer"),
                1 << 31 | 4 << 24 | 2,
                8,
                name("a"),
                1,
                5 << 24,
                0,
                5,
                64,
            ], // 6
            &[0, 2 << 24, 6],                                  // 7
            &[0, 13 << 24 | 1, 1, name("file"), 7],            // 8
            &[name("bpf_lsm_f"), 12 << 24, 8],                 // 9
        ]
        .concat();
        let types: Vec<u8> = types.into_iter().flat_map(u32::to_ne_bytes).collect();
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
        let header = [24, 0, length(&types), length(&types), length(strings)];
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        bytes.extend(header.into_iter().flat_map(u32::to_ne_bytes));
        bytes.extend(types);
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn members_are_found_through_unions_and_typedefs() {
        let bytes = sample();
        let btf = Btf::parse(&bytes).unwrap();
        let outer = btf.structure("outer").unwrap();
        assert_eq!(btf.member(outer, "a").unwrap().0, 0);
        let (bits, inner) = btf.member(outer, "c").unwrap();
        assert_eq!((bits, btf.member(inner, "b").unwrap().0), (64, 0));
        assert_eq!(btf.member(outer, "missing"), None);
        assert_eq!(btf.structure("alias"), None);
    }

    #[test]
    fn parameters_have_their_names() {
        let bytes = sample();
        let btf = Btf::parse(&bytes).unwrap();
        assert_eq!(btf.parameters("bpf_lsm_f").unwrap(), ["file"]);
        assert_eq!(btf.parameters("outer"), None);
    }

    #[test]
    fn zeroed_magic_is_no_btf() {
        let mut bytes = sample();
        bytes[0] = 0;
        bytes[1] = 0;
        assert_eq!(Btf::parse(&bytes).unwrap_err(), BtfError::Magic(0));
    }

    proptest! {
        #[test]
        fn damaged_btf_is_an_error_or_finds_something_but_never_panics(
            at in any::<prop::sample::Index>(), byte: u8, length in any::<prop::sample::Index>(),
        ) {
            let mut bytes = sample();
            let index = at.index(bytes.len());
            bytes[index] = byte;
            bytes.truncate(length.index(bytes.len()) + 1);
            if let Ok(btf) = Btf::parse(&bytes) {
                if let Some(outer) = btf.structure("outer") {
                    btf.member(outer, "c");
                }
                btf.parameters("bpf_lsm_f");
            }
        }
    }
}
