//! Offsets and argument positions from the running kernel's BTF. A missing
//! member is an error with its name; nothing has a default.

use aegisbpf_abi::names::global;
use thiserror::Error;

use super::btf::{Btf, BtfError};

/// Why the kernel's types cannot be used.
#[derive(Debug, Error)]
pub enum LayoutError {
    /// The BTF cannot be parsed.
    #[error("cannot read the kernel's BTF: {0}")]
    Parse(#[from] BtfError),
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
pub fn globals(bytes: &[u8]) -> Result<Vec<(&'static str, u64)>, LayoutError> {
    let btf = Btf::parse(bytes)?;
    let members = MEMBERS
        .iter()
        .map(|(name, structure, way)| Ok((*name, offset(&btf, structure, way)?)));
    let arguments = ARGUMENTS
        .iter()
        .map(|(name, hook, argument)| Ok((*name, position(&btf, hook, argument)?)));
    members.chain(arguments).collect()
}

/// Byte offset of a member, through nested structures.
fn offset(btf: &Btf<'_>, structure: &str, way: &[&str]) -> Result<u64, LayoutError> {
    let mut current = btf
        .structure(structure)
        .ok_or_else(|| LayoutError::NoType {
            kind: "struct",
            name: structure.to_owned(),
        })?;
    let mut bits = 0;
    for member in way {
        let (inner, next) = btf
            .member(current, member)
            .ok_or_else(|| LayoutError::NoMember {
                structure: structure.to_owned(),
                member: way.join("."),
            })?;
        bits += inner;
        current = next;
    }
    Ok(bits / 8)
}

/// Position of an argument of a hook.
fn position(btf: &Btf<'_>, hook: &str, argument: &str) -> Result<u64, LayoutError> {
    let function = format!("bpf_lsm_{hook}");
    let Some(found) = btf.parameters(&function) else {
        return Err(LayoutError::NoType {
            kind: "function",
            name: function,
        });
    };
    match (0..).zip(&found).find(|(_, name)| **name == argument) {
        Some((position, _)) => Ok(position),
        None => Err(LayoutError::NoArgument {
            hook: hook.to_owned(),
            argument: argument.to_owned(),
            found: found.into_iter().map(str::to_owned).collect(),
        }),
    }
}
