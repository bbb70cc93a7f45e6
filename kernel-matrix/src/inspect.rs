//! What a kernel's ELF file says about the kernel.

use std::collections::BTreeSet;

use memchr::memmem;
use object::{File, Object, ObjectSection};
use thiserror::Error;

use crate::{capability::Capability, series::Series};

/// Raised whenever [`capabilities`] gives another answer for the same kernel:
/// what was found out before is asked again then.
pub const REVISION: u32 = 3;

/// The first bytes of type information, little-endian.
const BTF_MAGIC: [u8; 2] = [0x9f, 0xeb];

/// In the line with which the verifier sums up its work since 5.2. It is in
/// the kernel only if that was built with `CONFIG_BPF_SYSCALL`.
const VERIFIER: &[u8] = b"max_states_per_insn ";

/// Why a kernel's ELF file cannot be used.
#[derive(Debug, Error)]
pub enum InspectError {
    /// The ELF file is corrupt.
    #[error("the vmlinux is not a readable ELF file: {0}")]
    Elf(object::Error),
    /// No "Linux version …".
    #[error("the vmlinux has no \"Linux version\" text, so its series is unknown")]
    NoVersion,
    /// There is no type information to break.
    #[error(
        "the vmlinux has no valid .BTF section, so there is nothing to break; \
         it was built without CONFIG_DEBUG_INFO_BTF"
    )]
    NoBtf,
}

/// The kernel's full version, such as `6.12.117+deb13-cloud-amd64`.
pub fn version(vmlinux: &[u8]) -> Result<String, InspectError> {
    const BANNER: &[u8] = b"Linux version ";
    memmem::find_iter(vmlinux, BANNER)
        .find_map(|at| {
            let text = &vmlinux[at + BANNER.len()..];
            let text = &text[..text.len().min(128)];
            let end = text.iter().position(|byte| !byte.is_ascii_graphic())?;
            let version = str::from_utf8(&text[..end]).ok()?;
            // The banner's format string is in there, too.
            Series::of_version(version).map(|_| version.to_owned())
        })
        .ok_or(InspectError::NoVersion)
}

/// What the kernel was built with. But for loading programs at all, that is
/// according to the functions that its type information names: a kernel
/// without any is not known to have anything else.
pub fn capabilities(vmlinux: &[u8]) -> Result<BTreeSet<Capability>, InspectError> {
    let elf = File::parse(vmlinux).map_err(InspectError::Elf)?;
    let verifies = memmem::find(vmlinux, VERIFIER).is_some();
    let Some(section) = elf.section_by_name(".BTF") else {
        let bpf = verifies.then_some(Capability::Bpf);
        return Ok(bpf.into_iter().collect());
    };
    let btf = section.data().map_err(InspectError::Elf)?;
    let valid = btf.starts_with(&BTF_MAGIC);
    let has = |function: &str| memmem::find(btf, format!("\0{function}\0").as_bytes()).is_some();
    Ok(Capability::ALL
        .into_iter()
        .filter(|capability| match capability {
            // Where its own type information is malformed, the kernel refuses
            // every program.
            Capability::Bpf => verifies && valid,
            Capability::Btf => valid,
            Capability::BpfLsm => has("bpf_lsm_file_open"),
            Capability::SleepableLsm => has("bpf_lsm_is_sleepable_hook"),
            // The helper is always there; what it asks is there with IMA only.
            Capability::ImaFileHash => has("bpf_ima_file_hash") && has("ima_file_hash"),
            Capability::UsernsCreate => has("bpf_lsm_userns_create"),
            // A module's functions are in type information of its own.
            Capability::IoUring => has("io_uring_setup"),
            Capability::Mptcp => has("mptcp_sendmsg"),
            Capability::Overlay => has("ovl_fill_super"),
            Capability::RamDisk => has("brd_init"),
        })
        .collect())
}

/// What a kernel can do once this module is loaded.
pub fn capability_of_module(name: &str) -> Option<Capability> {
    match name {
        "brd" => Some(Capability::RamDisk),
        "overlay" => Some(Capability::Overlay),
        _ => None,
    }
}

/// A copy of the kernel that takes its own type information for malformed: the
/// magic number is zeroed.
pub fn with_broken_btf(mut vmlinux: Vec<u8>) -> Result<Vec<u8>, InspectError> {
    let (offset, length) = File::parse(&*vmlinux)
        .map_err(InspectError::Elf)?
        .section_by_name(".BTF")
        .and_then(|section| section.file_range())
        .ok_or(InspectError::NoBtf)?;
    let magic = usize::try_from(offset)
        .ok()
        .filter(|_| length >= BTF_MAGIC.len() as u64)
        .and_then(|offset| vmlinux.get_mut(offset..offset + BTF_MAGIC.len()))
        .filter(|magic| **magic == BTF_MAGIC)
        .ok_or(InspectError::NoBtf)?;
    magic.fill(0);
    Ok(vmlinux)
}
