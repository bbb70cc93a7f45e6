//! Kernels, boot images and packages as small as they can be.

use std::io::Write as _;

use object::{Architecture, BinaryFormat, Endianness, SectionKind, write::Object};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// The version that the kernels made here give themselves.
pub(crate) const VERSION: &str = "6.12.117+made-up";

/// How a payload or a package's data is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Lz4Legacy,
    Zstd,
    Gzip,
    Xz,
}

impl Compression {
    pub(crate) const ALL: [Self; 4] = [Self::Lz4Legacy, Self::Zstd, Self::Gzip, Self::Xz];

    pub(crate) fn compress(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Lz4Legacy => {
                let mut out = vec![0x02, 0x21, 0x4c, 0x18];
                for block in data.chunks(8 << 20) {
                    let block = lz4_flex::block::compress(block);
                    out.extend(u32::try_from(block.len()).expect("small").to_le_bytes());
                    out.extend(block);
                }
                out
            }
            Self::Zstd => compress_to_vec(data, CompressionLevel::Fastest),
            Self::Gzip => {
                let level = flate2::Compression::fast();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(data).expect("memory");
                encoder.finish().expect("memory")
            }
            Self::Xz => {
                let options = lzma_rust2::XzOptions::with_preset(0);
                let mut encoder =
                    lzma_rust2::XzWriter::new(Vec::new(), options).expect("valid options");
                encoder.write_all(data).expect("memory");
                encoder.finish().expect("memory")
            }
        }
    }

    /// As the kernel's build does it: the length of the data at the end, where
    /// gzip has it anyway.
    pub(crate) fn payload(self, data: &[u8]) -> Vec<u8> {
        let mut out = self.compress(data);
        if self != Self::Gzip {
            out.extend(u32::try_from(data.len()).expect("small").to_le_bytes());
        }
        out
    }
}

/// What the verifier of a kernel says in the end.
pub(crate) const VERIFIER: &str = "processed %d insns (limit %d) max_states_per_insn %d\n\0";

/// An ELF file with a version, a verifier and, if there are names, type information that
/// has them.
pub(crate) fn vmlinux(functions: &[&str]) -> Vec<u8> {
    let mut elf = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let rodata = elf.add_section(vec![], b".rodata".to_vec(), SectionKind::ReadOnlyData);
    let banner = format!("Linux version %s (%s)\n\0Linux version {VERSION} (me@example) #1\n\0");
    elf.append_section_data(rodata, banner.as_bytes(), 1);
    elf.append_section_data(rodata, VERIFIER.as_bytes(), 1);
    if !functions.is_empty() {
        let btf = elf.add_section(vec![], b".BTF".to_vec(), SectionKind::ReadOnlyData);
        let names = format!("\0{}\0", functions.join("\0"));
        let content = [&[0x9f, 0xeb, 1, 0], names.as_bytes()].concat();
        elf.append_section_data(btf, &content, 8);
    }
    elf.write().expect("a valid object")
}

/// A kernel that can do all that the matrix knows of.
pub(crate) fn capable_vmlinux() -> Vec<u8> {
    vmlinux(&[
        "bpf_lsm_file_open",
        "bpf_lsm_is_sleepable_hook",
        "bpf_ima_file_hash",
        "ima_file_hash",
        "bpf_lsm_userns_create",
        "io_uring_setup",
        "mptcp_sendmsg",
        "ovl_fill_super",
        "brd_init",
    ])
}

/// A boot image around a payload.
pub(crate) fn bzimage(payload: &[u8]) -> Vec<u8> {
    const SETUP_SECTORS: u8 = 2;
    const BEFORE_PAYLOAD: u32 = 100;
    let mut image = vec![0; (usize::from(SETUP_SECTORS) + 1) * 512 + BEFORE_PAYLOAD as usize];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x1f1, &[SETUP_SECTORS]);
    put(0x202, b"HdrS");
    put(0x206, &0x020f_u16.to_le_bytes());
    put(0x248, &BEFORE_PAYLOAD.to_le_bytes());
    let length = u32::try_from(payload.len()).expect("small");
    put(0x24c, &length.to_le_bytes());
    image.extend(payload);
    image.extend(b"what comes after the payload");
    image
}

/// A package with these files in it.
pub(crate) fn deb(
    suffix: &str,
    compress: impl Fn(&[u8]) -> Vec<u8>,
    files: &[(&str, &[u8])],
) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *content)
            .expect("memory");
    }
    let data = compress(&tar.into_inner().expect("memory"));
    let mut ar = ar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let header = ar::Header::new(name.into(), content.len() as u64);
        ar.append(&header, content).expect("memory");
    };
    add("debian-binary", b"2.0\n");
    add("control.tar.xz", b"nobody looks at it");
    add(&format!("data.tar{suffix}"), &data);
    ar.into_inner().expect("memory")
}

/// A package with a kernel, as Debian makes it.
pub(crate) fn kernel_deb(vmlinux: &[u8]) -> Vec<u8> {
    let image = bzimage(&Compression::Zstd.payload(vmlinux));
    let path = format!("./boot/vmlinuz-{VERSION}");
    let files: [(&str, &[u8]); 3] = [
        ("./boot/config-6.12", b"CONFIG_BPF_LSM=y\n"),
        (&path, &image),
        ("./usr/share/doc/vmlinuz", b"not this one"),
    ];
    deb(".xz", |data| Compression::Xz.compress(data), &files)
}
