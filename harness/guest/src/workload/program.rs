//! The smallest program there is: one segment, three instructions. A program of
//! a compiler's would bring its start-up code, which is not what is counted.

/// Where the file is mapped.
const ADDRESS: u64 = 0x40_0000;
const HEADER_BYTES: u16 = 64;
const SEGMENT_HEADER_BYTES: u16 = 56;
const PAGE_BYTES: u64 = 4096;

/// `exit(0)`, and `e_machine` of elf.h.
#[cfg(target_arch = "x86_64")]
const CODE: (&[u8], u16) = (
    &[
        0xb8, 60, 0, 0, 0, // mov eax, 60
        0x31, 0xff, // xor edi, edi
        0x0f, 0x05, // syscall
    ],
    62,
);
#[cfg(target_arch = "aarch64")]
const CODE: (&[u8], u16) = (
    &[
        0xa8, 0x0b, 0x80, 0xd2, // mov x8, 93
        0x00, 0x00, 0x80, 0xd2, // mov x0, 0
        0x01, 0x00, 0x00, 0xd4, // svc 0
    ],
    183,
);

/// An ELF file that ends at once with the status 0. The fields are those of
/// `Elf64_Ehdr` and `Elf64_Phdr`, in their order.
pub(super) fn ends_at_once() -> Vec<u8> {
    let (code, machine) = CODE;
    let code_at = u64::from(HEADER_BYTES + SEGMENT_HEADER_BYTES);
    let bytes = code_at + code.len() as u64;
    let mut file = Vec::new();
    file.extend(b"\x7fELF");
    // 64 bits, little-endian, version 1, and no particular ABI.
    file.extend([2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    put_u16(&mut file, &[2, machine]);
    put_u32(&mut file, &[1]);
    put_u64(&mut file, &[ADDRESS + code_at, u64::from(HEADER_BYTES), 0]);
    put_u32(&mut file, &[0]);
    put_u16(&mut file, &[HEADER_BYTES, SEGMENT_HEADER_BYTES, 1, 0, 0, 0]);
    // To be loaded, readable and executable.
    put_u32(&mut file, &[1, 5]);
    put_u64(&mut file, &[0, ADDRESS, ADDRESS, bytes, bytes, PAGE_BYTES]);
    file.extend(code);
    file
}

fn put_u16(file: &mut Vec<u8>, numbers: &[u16]) {
    file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put_u32(file: &mut Vec<u8>, numbers: &[u32]) {
    file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put_u64(file: &mut Vec<u8>, numbers: &[u64]) {
    file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::ends_at_once;
    use std::process::Command;

    #[test]
    fn the_smallest_program_runs_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        crate::executable::make(&path, &ends_at_once());
        assert_eq!(Command::new(&path).status().unwrap().code(), Some(0));
    }
}
