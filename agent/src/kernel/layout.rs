//! Offsets and argument positions from the running kernel's BTF. A missing
//! member is an error with its name; nothing has a default.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsRawFd as _,
};

use aegisbpf_abi::names::global;
use btf_rs::{Backend, Btf, BtfType, Type};
use rustix::fs::{MemfdFlags, memfd_create};
use thiserror::Error;

/// Why the kernel's types cannot be used.
#[derive(Debug, Error)]
pub enum LayoutError {
    /// The BTF cannot be parsed.
    #[error("cannot parse the kernel's BTF: {0}")]
    Parse(#[from] btf_rs::Error),
    /// No copy of it can be made.
    #[error("cannot copy the kernel's BTF: {0}")]
    Copy(#[from] io::Error),
    /// The type does not exist.
    #[error("the kernel's BTF has no {kind} {name:?}")]
    NoType {
        /// `struct` or `function`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The structure has no such member.
    #[error("the kernel's struct {structure:?} has no member {member:?}")]
    NoMember {
        /// The structure.
        structure: String,
        /// The member.
        member: String,
    },
    /// The hook has no such argument.
    #[error("the kernel's LSM hook {hook:?} has no argument {argument:?}; it has {found:?}")]
    NoArgument {
        /// The hook.
        hook: String,
        /// The argument.
        argument: String,
        /// The arguments it has.
        found: Vec<String>,
    },
}

/// Global, structure, and the way to the member.
const MEMBERS: [(&str, &str, &[&str]); 9] = [
    (global::OFFSET_FILE_INODE, "file", &["f_inode"]),
    (global::OFFSET_FILE_DENTRY, "file", &["f_path", "dentry"]),
    (global::OFFSET_BPRM_FILE, "linux_binprm", &["file"]),
    (global::OFFSET_INODE_NUMBER, "inode", &["i_ino"]),
    (global::OFFSET_INODE_SUPER, "inode", &["i_sb"]),
    (global::OFFSET_SUPER_DEVICE, "super_block", &["s_dev"]),
    (global::OFFSET_DENTRY_PARENT, "dentry", &["d_parent"]),
    (global::OFFSET_DENTRY_INODE, "dentry", &["d_inode"]),
    (global::OFFSET_DENTRY_NAME, "dentry", &["d_name", "name"]),
];

/// Global, hook, argument.
const ARGUMENTS: [(&str, &str, &str); 4] = [
    (global::ARG_FILE_OPEN_FILE, "file_open", "file"),
    (global::ARG_BPRM_CHECK_BPRM, "bprm_check_security", "bprm"),
    (global::ARG_CONNECT_ADDRESS, "socket_connect", "address"),
    (global::ARG_CONNECT_LENGTH, "socket_connect", "addrlen"),
];

/// The value of every global that describes the kernel.
///
/// The types are looked up in a mapped copy: parsing all of them takes a
/// hundred times longer than finding the few that matter, and the file in
/// sysfs cannot be mapped before Linux 6.16.
pub fn globals(btf: &[u8]) -> Result<Vec<(&'static str, u64)>, LayoutError> {
    let mut copy = File::from(memfd_create("btf", MemfdFlags::CLOEXEC).map_err(io::Error::from)?);
    copy.write_all(btf)?;
    let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
    let types = Types(Btf::from_file_with_backend(path, Backend::Mmap)?);
    let mut values = Vec::new();
    for (name, structure, way) in MEMBERS {
        values.push((name, types.offset(structure, way)?));
    }
    for (name, hook, argument) in ARGUMENTS {
        values.push((name, types.position(hook, argument)?));
    }
    Ok(values)
}

struct Types(Btf);

impl Types {
    /// Byte offset of a member, through nested structures.
    fn offset(&self, structure: &str, way: &[&str]) -> Result<u64, LayoutError> {
        let mut found = self.0.resolve_types_by_name(structure)?.into_iter();
        let mut current = found
            .rfind(|found| matches!(found, Type::Struct(_)))
            .ok_or_else(|| LayoutError::NoType {
                kind: "struct",
                name: structure.to_owned(),
            })?;
        let mut bits = 0;
        for member in way {
            let (offset, next) = self.member(&current, member)?.ok_or_else(|| {
                let way = way.join(".");
                LayoutError::NoMember {
                    structure: structure.to_owned(),
                    member: way,
                }
            })?;
            bits += offset;
            current = next;
        }
        Ok(u64::from(bits / 8))
    }

    /// Offset in bits and type of a member, also inside anonymous structures
    /// and unions.
    fn member(&self, of: &Type, name: &str) -> Result<Option<(u32, Type)>, LayoutError> {
        let (Type::Struct(structure) | Type::Union(structure)) = of else {
            return Ok(None);
        };
        for member in &structure.members {
            let found = self.0.resolve_name(member)?;
            if found == name {
                return Ok(Some((member.bit_offset(), self.plain(member)?)));
            }
            if found.is_empty()
                && let Some((offset, next)) = self.member(&self.plain(member)?, name)?
            {
                return Ok(Some((member.bit_offset() + offset, next)));
            }
        }
        Ok(None)
    }

    /// The type of a member without `const`, typedef and the like.
    fn plain(&self, member: &dyn BtfType) -> Result<Type, LayoutError> {
        let mut current = self.0.resolve_chained_type(member)?;
        while let Type::Typedef(_) | Type::Const(_) | Type::Volatile(_) | Type::TypeTag(_) =
            &current
        {
            let Some(link) = current.as_btf_type() else {
                break;
            };
            current = self.0.resolve_chained_type(link)?;
        }
        Ok(current)
    }

    /// Position of an argument of a hook.
    fn position(&self, hook: &str, argument: &str) -> Result<u64, LayoutError> {
        let function_name = format!("bpf_lsm_{hook}");
        let missing = || LayoutError::NoType {
            kind: "function",
            name: function_name.clone(),
        };
        let found = self.0.resolve_types_by_name(&function_name)?;
        let function = found
            .into_iter()
            .find_map(|found| match found {
                Type::Func(function) => Some(function),
                _ => None,
            })
            .ok_or_else(missing)?;
        let Type::FuncProto(prototype) = self.0.resolve_chained_type(&function)? else {
            return Err(missing());
        };
        let mut names = Vec::new();
        for parameter in &prototype.parameters {
            names.push(self.0.resolve_name(parameter)?);
        }
        match (0..).zip(&names).find(|(_, name)| *name == argument) {
            Some((position, _)) => Ok(position),
            None => Err(LayoutError::NoArgument {
                hook: hook.to_owned(),
                argument: argument.to_owned(),
                found: names,
            }),
        }
    }
}
