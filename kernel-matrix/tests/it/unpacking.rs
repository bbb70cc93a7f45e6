//! From a package to the kernel's ELF file.

use std::collections::BTreeSet;

use kernel_matrix::{
    Capability,
    bzimage::{self, ImageError},
    deb, inspect, payload,
};
use proptest::prelude::*;

use crate::made::{self, Compression};

/// The content of the first file of this path.
fn file(package: &[u8], wanted: &str) -> Result<Option<Vec<u8>>, deb::DebError> {
    deb::find_in_files(package, |path, content| {
        if path != wanted {
            return Ok(None);
        }
        let mut all = Vec::new();
        content.read_to_end(&mut all)?;
        Ok(Some(all))
    })
}

#[test]
fn a_kernel_comes_out_as_it_went_in_however_it_is_compressed() {
    let vmlinux = made::capable_vmlinux();
    for compression in Compression::ALL {
        let image = made::bzimage(&compression.payload(&vmlinux));
        let out = bzimage::extract_vmlinux(&image);
        assert_eq!(out.expect("intact"), vmlinux, "{compression:?}");
    }
}

#[test]
fn a_file_comes_out_of_a_package_however_it_is_compressed() {
    let files: [(&str, &[u8]); 2] = [("./boot/config", b"x=y"), ("./boot/vmlinuz-6", b"kernel")];
    let check = |suffix: &str, compress: &dyn Fn(&[u8]) -> Vec<u8>| {
        let package = made::deb(suffix, compress, &files);
        let content = file(&package, "boot/vmlinuz-6").expect("intact");
        assert_eq!(content.as_deref(), Some(&b"kernel"[..]), "{suffix}");
        let content = file(&package, "boot/initrd").expect("intact");
        assert_eq!(content, None, "{suffix}");
    };
    check("", &<[u8]>::to_vec);
    check(".xz", &|data| Compression::Xz.compress(data));
    check(".zst", &|data| Compression::Zstd.compress(data));
    check(".gz", &|data| Compression::Gzip.compress(data));
}

#[test]
fn what_is_no_package_is_an_error_that_says_so() {
    let check = |package: &[u8], says: &str| {
        let error = file(package, "boot/vmlinuz-6").expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    };
    check(b"", "not a Debian package");
    check(b"!<arch>\n", "no data.tar member");
    check(b"<html>not found</html>", "not a Debian package");
    let odd = made::deb(".lzma", <[u8]>::to_vec, &[]);
    check(&odd, "data.tar.lzma is compressed in an unknown way");
    let broken = made::deb(".xz", |_| b"not xz at all".to_vec(), &[]);
    check(&broken, "data.tar.xz of the package is corrupt");
    let broken = made::deb(".zst", |_| b"not zstd at all".to_vec(), &[]);
    check(&broken, "data.tar.zst of the package is corrupt");
}

#[test]
fn what_is_no_image_is_an_error_that_says_so() {
    let vmlinux = made::capable_vmlinux();
    let good = made::bzimage(&Compression::Zstd.payload(&vmlinux));
    let check = |image: &[u8], says: &str| {
        let error = bzimage::extract_vmlinux(image).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    };
    check(b"", "not a kernel");
    check(&good[..0x202], "not a kernel");
    check(&good[..0x240], "cut short");
    check(&good[..good.len() - 100], "cut short");
    let mut old = good.clone();
    old[0x206] = 7;
    check(&old, "boot protocol is 0x0207");
    check(&made::bzimage(b"??? ???"), "compressed in an unknown way");
    check(
        &made::bzimage(&Compression::Xz.payload(b"text")),
        "not an ELF file",
    );
    let mut long = Compression::Zstd.payload(&vmlinux);
    let end = long.len() - 4;
    long[end..].copy_from_slice(&7_u32.to_le_bytes());
    check(&made::bzimage(&long), "but its image says 7");
}

#[test]
fn capabilities_are_those_that_the_type_information_names() {
    let check = |functions: &[&str], expected: &[Capability]| {
        let found = inspect::capabilities(&made::vmlinux(functions)).expect("an ELF file");
        let mut expected: BTreeSet<_> = expected.iter().copied().collect();
        expected.insert(Capability::Bpf);
        assert_eq!(found, expected);
    };
    check(&[], &[]);
    check(&["vfs_open"], &[Capability::Btf]);
    // A name that only begins so is another function.
    check(&["bpf_lsm_file_open_x"], &[Capability::Btf]);
    check(
        &["vfs_open", "bpf_lsm_file_open"],
        &[Capability::Btf, Capability::BpfLsm],
    );
    check(&["bpf_ima_file_hash", "x"], &[Capability::Btf]);
}

#[test]
fn the_version_is_that_of_the_banner_and_not_of_its_format() {
    let vmlinux = made::vmlinux(&[]);
    assert_eq!(inspect::version(&vmlinux).expect("there"), made::VERSION);
    inspect::version(b"Linux version %s").expect_err("only a format");
}

#[test]
fn a_kernel_without_a_verifier_loads_no_program() {
    for functions in [&[][..], &["vfs_open"]] {
        let mut vmlinux = made::vmlinux(functions);
        let verifier = made::VERIFIER.as_bytes();
        let at = vmlinux
            .windows(verifier.len())
            .position(|window| window == verifier)
            .expect("it has one");
        vmlinux[at..at + verifier.len()].fill(b' ');
        let found = inspect::capabilities(&vmlinux).expect("an ELF file");
        assert!(!found.contains(&Capability::Bpf), "{functions:?}");
    }
}

#[test]
fn the_variant_with_broken_btf_differs_in_the_magic_only() {
    let vmlinux = made::capable_vmlinux();
    let variant = inspect::with_broken_btf(vmlinux.clone()).expect("has BTF");
    let changed: Vec<_> = std::iter::zip(&vmlinux, &variant)
        .filter(|(before, after)| before != after)
        .collect();
    assert_eq!(changed, [(&0x9f, &0), (&0xeb, &0)]);
    assert_eq!(variant.len(), vmlinux.len());
    let capabilities = inspect::capabilities(&variant).expect("an ELF file");
    assert!(!capabilities.contains(&Capability::Btf));
    assert!(!capabilities.contains(&Capability::Bpf));
    inspect::with_broken_btf(variant).expect_err("there is none left");
    inspect::with_broken_btf(made::vmlinux(&[])).expect_err("there was none");
}

fn compression() -> impl Strategy<Value = Compression> {
    proptest::sample::select(&Compression::ALL)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn decompressing_undoes_compressing(compression in compression(), data: Vec<u8>) {
        let payload = compression.payload(&data);
        prop_assert_eq!(payload::decompress(&payload).expect("intact"), data);
    }

    #[test]
    fn a_payload_cut_short_is_never_taken_for_whole(
        compression in compression(),
        data in proptest::collection::vec(any::<u8>(), 64..2000),
        cut in any::<proptest::sample::Index>(),
    ) {
        let payload = compression.payload(&data);
        let cut = &payload[..cut.index(payload.len())];
        prop_assert!(payload::decompress(cut).is_err());
    }

    #[test]
    fn an_image_altered_anywhere_gives_the_kernel_or_an_error(
        at in any::<proptest::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let vmlinux = made::capable_vmlinux();
        let mut image = made::bzimage(&Compression::Gzip.payload(&vmlinux));
        let at = at.index(image.len());
        image[at] ^= 1 << bit;
        // Gzip has a checksum of its own, so nothing else can come out.
        match bzimage::extract_vmlinux(&image) {
            Ok(out) => prop_assert_eq!(out, vmlinux),
            Err(ImageError::Payload(_) | ImageError::NotAKernel | ImageError::OldProtocol { .. }
                | ImageError::Truncated { .. } | ImageError::NotElf) => {}
        }
    }

    #[test]
    fn a_package_cut_short_gives_the_whole_file_or_an_error(
        cut in any::<proptest::sample::Index>(),
        packed: bool,
    ) {
        let content: Vec<u8> = (0..5000_u32).flat_map(u32::to_le_bytes).collect();
        let files: [(&str, &[u8]); 2] = [("./a", &content), ("./b", b"later")];
        let package = if packed {
            made::deb(".xz", |data| Compression::Xz.compress(data), &files)
        } else {
            made::deb("", <[u8]>::to_vec, &files)
        };
        let cut = &package[..cut.index(package.len())];
        if let Ok(Some(found)) = file(cut, "a") {
            prop_assert_eq!(found, content);
        }
    }
}
