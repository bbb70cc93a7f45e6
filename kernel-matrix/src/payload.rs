//! Decompressing the kernel that a boot image carries.

use std::io::{self, Read};

use thiserror::Error;

/// No kernel is anywhere near as large; a corrupt length must not take all
/// memory.
pub(crate) const LARGEST_KERNEL: usize = 1 << 30;
/// A block of legacy LZ4 holds at most so much.
const LZ4_BLOCK: usize = 8 << 20;
const LZ4_MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const XZ_MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// Why a payload cannot be decompressed.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// It begins with no known magic number.
    #[error(
        "the kernel is compressed in an unknown way (it begins with {start:02x?}); \
         expected LZ4, zstd, gzip or xz"
    )]
    Unknown {
        /// The first bytes.
        start: Vec<u8>,
    },
    /// The decompressor gave up.
    #[error("the {format} data of the kernel is corrupt: {cause}")]
    Corrupt {
        /// The compression's name.
        format: &'static str,
        /// What the decompressor says.
        cause: io::Error,
    },
    /// The result is not as long as the image says.
    #[error("the kernel decompresses to {actual} bytes, but its image says {expected}")]
    Length {
        /// According to the last four bytes of the payload.
        expected: u32,
        /// What came out.
        actual: usize,
    },
}

/// Decompress a payload. Its last four bytes are the length of the result, as
/// the kernel's build appends it (gzip ends so by itself).
pub fn decompress(payload: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let Some((data, length)) = payload.split_last_chunk::<4>() else {
        return Err(PayloadError::Unknown {
            start: payload.to_vec(),
        });
    };
    let expected = u32::from_le_bytes(*length);
    let capacity = (expected as usize).min(LARGEST_KERNEL);
    let (format, result) = if data.starts_with(&LZ4_MAGIC) {
        ("LZ4", lz4_legacy(data, capacity))
    } else if data.starts_with(&ZSTD_MAGIC) {
        let reader = ruzstd::decoding::StreamingDecoder::new(data).map_err(io::Error::other);
        ("zstd", reader.and_then(|reader| read(reader, capacity)))
    } else if data.starts_with(&GZIP_MAGIC) {
        (
            "gzip",
            read(flate2::read::GzDecoder::new(payload), capacity),
        )
    } else if data.starts_with(&XZ_MAGIC) {
        ("xz", read(lzma_rust2::XzReader::new(data, false), capacity))
    } else {
        return Err(PayloadError::Unknown {
            start: data[..data.len().min(8)].to_vec(),
        });
    };
    let result = result.map_err(|cause| PayloadError::Corrupt { format, cause })?;
    if result.len() == expected as usize {
        Ok(result)
    } else {
        Err(PayloadError::Length {
            expected,
            actual: result.len(),
        })
    }
}

/// Reads no further than one byte past the promised length, so that corrupt
/// data cannot fill the memory and a result too long is still noticed.
fn read(reader: impl Read, capacity: usize) -> io::Result<Vec<u8>> {
    let mut result = Vec::with_capacity(capacity + 1);
    reader.take(capacity as u64 + 1).read_to_end(&mut result)?;
    Ok(result)
}

/// The format of `lz4 -l`: a magic number, then blocks, each after its length.
fn lz4_legacy(mut data: &[u8], capacity: usize) -> io::Result<Vec<u8>> {
    let corrupt = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut result = Vec::with_capacity(capacity);
    let mut block = vec![0; LZ4_BLOCK];
    while let Some((word, rest)) = data.split_first_chunk::<4>() {
        data = rest;
        // Frames may follow one another, each with a magic number of its own.
        if *word == LZ4_MAGIC {
            continue;
        }
        let length = u32::from_le_bytes(*word) as usize;
        let (compressed, rest) = data
            .split_at_checked(length)
            .ok_or_else(|| corrupt("a block is longer than what is left"))?;
        data = rest;
        let written = lz4_flex::block::decompress_into(compressed, &mut block)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        result.extend_from_slice(&block[..written]);
        if result.len() > capacity {
            return Err(corrupt("there is more data than the image says"));
        }
    }
    if data.is_empty() {
        Ok(result)
    } else {
        Err(corrupt("a few bytes are left after the last block"))
    }
}
