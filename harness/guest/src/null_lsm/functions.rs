//! The kernel's functions and their BTF ids: one pass over the bytes. The format
//! is in the kernel's Documentation/bpf/btf.rst.

use std::fs;

use super::HookError;
use crate::attempt::Attempt;

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
const MAGIC: u16 = 0xeb9f;
const HEAD_BYTES: usize = 12;
const KIND_FUNC: u32 = 12;

/// Type information, as the kernel shows it.
pub(super) struct Functions(Vec<u8>);

/// One type that is a function.
struct Function<'a> {
    id: u32,
    name: &'a str,
}

impl Functions {
    pub(super) fn of_this_kernel() -> Result<Self, HookError> {
        let bytes = fs::read(VMLINUX).attempt(|| format!("read {VMLINUX}"))?;
        Ok(Self(bytes))
    }

    /// The id of the function of this name.
    pub(super) fn id(&self, name: &str) -> Result<Option<u32>, HookError> {
        let found = self.find(|function| function.name == name)?;
        Ok(found.map(|function| function.id))
    }

    /// The name of the function of this id.
    pub(super) fn name(&self, id: u32) -> Result<Option<&str>, HookError> {
        let found = self.find(|function| function.id == id)?;
        Ok(found.map(|function| function.name))
    }

    fn find(
        &self,
        wanted: impl Fn(&Function<'_>) -> bool,
    ) -> Result<Option<Function<'_>>, HookError> {
        find(&self.0, wanted).map_err(HookError::Types)
    }
}

fn find(
    bytes: &[u8],
    wanted: impl Fn(&Function<'_>) -> bool,
) -> Result<Option<Function<'_>>, &'static str> {
    const TRUNCATED: &str = "it ends before it should";
    let number = |at: usize| {
        let four = bytes.get(at..at + 4).ok_or(TRUNCATED)?;
        Ok::<_, &'static str>(u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
    };
    let place = |at: usize| number(at).map(|number| number as usize);
    if number(0)? & 0xffff != u32::from(MAGIC) {
        return Err("it does not begin as type information does");
    }
    // hdr_len, type_off, type_len, str_off, str_len.
    let after_header = place(4)?;
    let mut at = after_header + place(8)?;
    let end = at + place(12)?;
    let strings_at = after_header + place(16)?;
    let strings = bytes
        .get(strings_at..strings_at + place(20)?)
        .ok_or(TRUNCATED)?;
    let mut id = 1;
    while at < end {
        let info = number(at + 4)?;
        let (kind, members) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        if kind == KIND_FUNC {
            let name = text(strings, place(at)?).ok_or("a name is no text")?;
            let function = Function { id, name };
            if wanted(&function) {
                return Ok(Some(function));
            }
        }
        at += HEAD_BYTES + tail_bytes(kind, members).ok_or("it has an unknown kind of type")?;
        id += 1;
    }
    Ok(None)
}

/// What follows the head of a type.
fn tail_bytes(kind: u32, members: usize) -> Option<usize> {
    Some(match kind {
        // Pointers, names and qualifiers.
        2 | 7..=12 | 16 | 18 => 0,
        // Integer, variable, tag of a declaration.
        1 | 14 | 17 => 4,
        // Array.
        3 => 12,
        // Structure, union, section, 64-bit enumeration.
        4 | 5 | 15 | 19 => 12 * members,
        // Enumeration, parameters.
        6 | 13 => 8 * members,
        _ => return None,
    })
}

fn text(strings: &[u8], at: usize) -> Option<&str> {
    let rest = strings.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::{KIND_FUNC, MAGIC, find};

    /// Types by kind, number of members, name, and what follows their head.
    fn made(types: &[(u32, u32, &str, &[u32])]) -> Vec<u8> {
        let (mut encoded, mut strings) = (Vec::new(), vec![0]);
        for (kind, members, name, tail) in types {
            let at = u32::try_from(strings.len()).unwrap();
            strings.extend(name.as_bytes());
            strings.push(0);
            encoded.extend([at, kind << 24 | members, 0]);
            encoded.extend_from_slice(tail);
        }
        let types_bytes = u32::try_from(encoded.len() * 4).unwrap();
        let strings_bytes = u32::try_from(strings.len()).unwrap();
        let mut bytes: Vec<u8> = [
            u32::from(MAGIC) | 1 << 16,
            24,
            0,
            types_bytes,
            types_bytes,
            strings_bytes,
        ]
        .iter()
        .chain(&encoded)
        .flat_map(|number| number.to_ne_bytes())
        .collect();
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn functions_are_found_behind_types_of_every_length() {
        let bytes = made(&[
            (1, 0, "int", &[32]),
            (4, 2, "pair", &[0; 6]),
            (13, 1, "", &[0, 1]),
            (KIND_FUNC, 0, "bpf_lsm_file_open", &[]),
            (6, 1, "colour", &[0, 0]),
            (KIND_FUNC, 0, "bpf_lsm_socket_connect", &[]),
        ]);
        let id = |name: &str| {
            let found = find(&bytes, |function| function.name == name).unwrap();
            found.map(|function| function.id)
        };
        assert_eq!(id("bpf_lsm_file_open"), Some(4));
        assert_eq!(id("bpf_lsm_socket_connect"), Some(6));
        assert_eq!(id("pair"), None);
    }

    #[test]
    fn what_is_no_type_information_is_an_error() {
        let unknown = made(&[(31, 0, "new", &[])]);
        for bytes in [&b"nothing"[..], &unknown, &unknown[..30]] {
            assert!(find(bytes, |_| true).is_err());
        }
    }
}
