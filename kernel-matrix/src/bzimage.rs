//! The x86 boot image: a setup header that says where the compressed kernel
//! is. Offsets from the kernel's `Documentation/arch/x86/boot.rst`.

use thiserror::Error;

use crate::payload::{self, PayloadError};

const SETUP_SECTORS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const PROTOCOL: usize = 0x206;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// The first version of the boot protocol that names the payload.
const PROTOCOL_WITH_PAYLOAD: u16 = 0x0208;
const SECTOR: usize = 512;

/// Why no kernel can be taken out of an image.
#[derive(Debug, Error)]
pub enum ImageError {
    /// Neither a boot image nor an ELF file.
    #[error("not a kernel: expected an x86 bzImage or a vmlinux ELF file")]
    NotAKernel,
    /// A boot image from before the payload was named.
    #[error("the image's boot protocol is {found:#06x}; 0x0208 or later is needed")]
    OldProtocol {
        /// According to the header.
        found: u16,
    },
    /// The header points out of the file.
    #[error(
        "the image is cut short: the kernel in it ends at byte {end}, but it has only {length}"
    )]
    Truncated {
        /// Where the payload would end.
        end: usize,
        /// Of the image.
        length: usize,
    },
    /// The payload cannot be decompressed.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// What came out is no ELF file.
    #[error("what the image holds is not an ELF file")]
    NotElf,
}

/// Whether this begins as an ELF file does.
pub fn is_elf(image: &[u8]) -> bool {
    image.starts_with(b"\x7fELF")
}

/// The ELF file in a boot image.
pub fn extract_vmlinux(image: &[u8]) -> Result<Vec<u8>, ImageError> {
    let vmlinux = payload::decompress(payload_of(image)?)?;
    if is_elf(&vmlinux) {
        Ok(vmlinux)
    } else {
        Err(ImageError::NotElf)
    }
}

fn payload_of(image: &[u8]) -> Result<&[u8], ImageError> {
    if image.get(MAGIC..MAGIC + 4) != Some(b"HdrS") {
        return Err(ImageError::NotAKernel);
    }
    let truncated = |end| ImageError::Truncated {
        end,
        length: image.len(),
    };
    let word = |at: usize| -> Result<usize, ImageError> {
        let bytes = image[at.min(image.len())..].first_chunk::<4>();
        let bytes = bytes.ok_or_else(|| truncated(at + 4))?;
        Ok(u32::from_le_bytes(*bytes) as usize)
    };
    // Only the low half is the version.
    let protocol = u16::try_from(word(PROTOCOL)? & 0xffff).unwrap_or_default();
    if protocol < PROTOCOL_WITH_PAYLOAD {
        return Err(ImageError::OldProtocol { found: protocol });
    }
    // For reasons of history, none means four.
    let setup_sectors = match image[SETUP_SECTORS] {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = (setup_sectors + 1) * SECTOR + word(PAYLOAD_OFFSET)?;
    let end = start + word(PAYLOAD_LENGTH)?;
    image.get(start..end).ok_or_else(|| truncated(end))
}
