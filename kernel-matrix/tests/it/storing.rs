//! Kernels in the cache: made once, checked, and made again when damaged.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
};

use kernel_matrix::{
    BootMode, Capability, Digest, Kernel, Silent, Source, Store, StoreError, Tier,
    manifest::{Archive, Pin},
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::{
    fetching::Impatient,
    made::{self, Compression},
    server::{Behaviour, Server},
};

/// A pinned kernel whose package is `deb`.
pub(crate) fn pinned(deb: &[u8]) -> Kernel {
    let series = "6.12".parse().expect("a series");
    Kernel {
        series,
        tier: Tier::Smoke,
        capabilities: Capability::ALL.into(),
        source: Source::Pinned {
            suite: "trixie-security".into(),
            pin: Pin {
                series,
                package: "linux-image-test".into(),
                version: "6.12.117-1".into(),
                archive: Archive::DebianSecurity,
                path: "pool/updates/linux-image-test.deb".into(),
                size: deb.len() as u64,
                sha256: Digest::of(deb),
                modules: None,
            },
        },
    }
}

struct Case {
    cache: TempDir,
    server: Server,
    kernel: Kernel,
    vmlinux: Vec<u8>,
}

impl Case {
    fn new(behaviours: &[Behaviour]) -> Self {
        let vmlinux = made::capable_vmlinux();
        Self::with(&made::kernel_deb(&vmlinux), vmlinux, behaviours)
    }

    fn with(deb: &[u8], vmlinux: Vec<u8>, behaviours: &[Behaviour]) -> Self {
        Self {
            cache: tempfile::tempdir().expect("a folder"),
            server: Server::start(deb, behaviours),
            kernel: pinned(deb),
            vmlinux,
        }
    }

    /// As a new process would open it.
    fn store(&self) -> Store {
        let mirror = Some(self.server.url.clone());
        Store::with_transport(self.cache.path(), mirror, Box::new(Impatient::default()))
    }

    fn boot_image(&self, mode: BootMode) -> Result<PathBuf, StoreError> {
        let image = self.store().boot_image(&self.kernel, mode, &Silent)?;
        Ok(image.kernel)
    }

    fn downloads(&self) -> usize {
        self.server.requests().len()
    }

    fn files(&self) -> Vec<String> {
        files_below(self.cache.path())
    }
}

/// The names of all files, locks apart.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().extension().is_some_and(|end| end == "lock") {
            continue;
        }
        if entry.path().is_dir() {
            names.extend(files_below(&entry.path()));
        } else {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    names
}

#[test]
fn a_kernel_is_downloaded_once_for_all_boot_modes() {
    let case = Case::new(&[]);
    for mode in BootMode::ALL {
        let image = fs::read(case.boot_image(mode).expect("made")).expect("there");
        assert_eq!(image == case.vmlinux, mode != BootMode::BrokenBtf, "{mode}");
    }
    assert_eq!(case.downloads(), 1);
    let kept = ["record.json", "vmlinux", "vmlinux-broken-btf", "vmlinuz"];
    assert_eq!(case.files(), kept);
}

#[test]
fn what_is_damaged_is_made_again_from_what_is_intact() {
    let case = Case::new(&[]);
    let path = case.boot_image(BootMode::BpfLsm).expect("made");
    let vmlinuz = path.with_file_name("vmlinuz");
    let check = |damaged: &[&PathBuf], downloads: usize| {
        for path in damaged {
            let mut content = fs::read(path).expect("there");
            content[100] ^= 1;
            fs::write(path, content).expect("written");
        }
        case.boot_image(BootMode::BpfLsm).expect("made again");
        assert!(fs::read(&path).expect("there") == case.vmlinux);
        assert_eq!(case.downloads(), downloads);
    };
    check(&[&vmlinuz], 1);
    check(&[&path], 2);
    check(&[&path], 2);
    check(&[&path, &vmlinuz], 3);
}

#[test]
fn damage_is_noticed_by_the_process_that_has_already_checked() {
    let case = Case::new(&[]);
    let store = case.store();
    let ensure = || store.ensure(&case.kernel, &Silent).expect("made");
    let path = ensure();
    let mut content = fs::read(&path).expect("there");
    content[100] ^= 1;
    fs::write(&path, content).expect("written");
    assert!(fs::read(ensure()).expect("there") == case.vmlinux);
}

#[test]
fn a_file_without_a_record_is_not_trusted() {
    let case = Case::new(&[]);
    let path = case.boot_image(BootMode::BrokenBtf).expect("made");
    fs::write(&path, "what a crash left").expect("written");
    for record in ["", "{}", "not json"] {
        fs::write(path.with_file_name("record.json"), record).expect("written");
        let again = case.boot_image(BootMode::BrokenBtf).expect("made again");
        assert_ne!(fs::read(again).expect("there"), b"what a crash left");
    }
}

#[test]
fn what_a_killed_process_left_unfinished_is_removed() {
    let case = Case::new(&[]);
    let path = case.boot_image(BootMode::BpfLsm).expect("made");
    fs::write(path.with_file_name(".new-abc"), "half").expect("written");
    fs::remove_file(&path).expect("removed");
    case.boot_image(BootMode::BpfLsm).expect("made again");
    assert_eq!(case.files(), ["record.json", "vmlinux", "vmlinuz"]);
}

#[test]
fn threads_that_want_the_same_kernel_download_it_once() {
    let case = Case::new(&[]);
    let store = case.store();
    thread::scope(|scope| {
        for mode in BootMode::ALL.repeat(2) {
            let (store, kernel) = (&store, &case.kernel);
            scope.spawn(move || store.boot_image(kernel, mode, &Silent).expect("made"));
        }
    });
    assert_eq!(case.downloads(), 1);
}

#[test]
fn a_corrupt_download_leaves_nothing_behind() {
    let case = Case::new(&[Behaviour::Corrupt]);
    let error = case.boot_image(BootMode::BpfLsm).expect_err("corrupt");
    assert!(matches!(error, StoreError::Fetch(_)), "{error}");
    assert_eq!(case.files(), [""; 0]);
    case.boot_image(BootMode::BpfLsm).expect("the next is good");
}

#[test]
fn a_package_that_is_not_a_whole_kernel_is_refused_and_nothing_is_kept() {
    let good = made::kernel_deb(&made::capable_vmlinux());
    let payload = Compression::Zstd.payload(&made::capable_vmlinux());
    let packed = |path: &str, content: &[u8]| {
        made::deb(
            ".xz",
            |data| Compression::Xz.compress(data),
            &[(path, content)],
        )
    };
    let image = made::bzimage(&payload[..payload.len() - 9]);
    let check = |deb: &[u8], says: &str| {
        let case = Case::with(deb, Vec::new(), &[]);
        let error = case.boot_image(BootMode::BpfLsm).expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.to_string().contains("linux-image-test"), "{error}");
        // The package is whole as far as its digest goes.
        let package = format!("{}.deb", case.kernel.content());
        assert_eq!(case.files(), [package], "{says}");
    };
    check(&good[..good.len() - 200], "corrupt or cut short");
    check(&good[..30], "cut short");
    check(&packed("./boot/config", b"x"), "has no kernel in it");
    check(
        &packed("./boot/vmlinuz-6", b"x"),
        "cannot take the kernel out",
    );
    check(
        &packed("./boot/vmlinuz-6", &image),
        "zstd data of the kernel is corrupt",
    );
}

#[test]
fn the_image_is_found_where_newer_packages_have_it() {
    let vmlinux = made::capable_vmlinux();
    let image = made::bzimage(&Compression::Lz4Legacy.payload(&vmlinux));
    let files: [(&str, &[u8]); 2] = [
        ("./usr/lib/modules/7.2.12/kernel/vmlinuz", b"not this one"),
        ("./usr/lib/modules/7.2.12/vmlinuz", &image),
    ];
    let deb = made::deb(".xz", |data| Compression::Xz.compress(data), &files);
    let case = Case::with(&deb, vmlinux, &[]);
    let path = case.boot_image(BootMode::BpfLsm).expect("made");
    assert!(fs::read(path).expect("there") == case.vmlinux);
}

#[test]
fn a_kernel_that_cannot_do_what_the_matrix_says_is_refused_also_from_the_cache() {
    let mut case = Case::new(&[]);
    case.boot_image(BootMode::BpfLsm).expect("made");
    case.kernel.capabilities = BTreeSet::from([Capability::Btf]);
    let error = case.boot_image(BootMode::BpfLsm).expect_err("differs");
    assert!(matches!(error, StoreError::Capabilities { .. }), "{error}");
    assert_eq!(case.downloads(), 1);
}

#[test]
fn what_an_older_version_found_out_is_asked_again_and_not_fetched_again() {
    let case = Case::new(&[]);
    let path = case.boot_image(BootMode::BpfLsm).expect("made");
    let record = path.with_file_name("record.json");
    let now = fs::read_to_string(&record).expect("there");
    let mut old: serde_json::Value = serde_json::from_str(&now).expect("JSON");
    let fields = old.as_object_mut().expect("an object");
    fields.remove("inspection").expect("there");
    fields.insert("capabilities".into(), serde_json::json!(["btf"]));
    fs::write(&record, old.to_string()).expect("written");
    case.boot_image(BootMode::BpfLsm).expect("still good");
    assert_eq!(fs::read_to_string(&record).expect("there"), now);
    assert_eq!(case.downloads(), 1);
}

#[test]
fn a_kernel_of_another_series_than_the_matrix_says_is_refused() {
    let mut case = Case::new(&[]);
    case.kernel.series = "6.13".parse().expect("a series");
    let error = case.boot_image(BootMode::BpfLsm).expect_err("differs");
    assert!(matches!(error, StoreError::Series { .. }), "{error}");
    assert_eq!(case.files(), [format!("{}.deb", case.kernel.content())]);
}

#[test]
fn a_kernel_of_the_users_own_needs_no_download() {
    let vmlinux = made::vmlinux(&["bpf_lsm_file_open"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image");
    for image in [
        made::bzimage(&Compression::Gzip.payload(&vmlinux)),
        vmlinux.clone(),
    ] {
        fs::write(&path, &image).expect("written");
        let kernel = Kernel::from_image(&path).expect("a kernel");
        assert_eq!(kernel.series.to_string(), "6.12");
        assert_eq!(
            kernel.capabilities,
            BTreeSet::from([Capability::Bpf, Capability::Btf, Capability::BpfLsm])
        );
        let store = Store::open(&folder.path().join("cache"), None);
        let boot_image = |mode| {
            let image = store.boot_image(&kernel, mode, &Silent)?;
            Ok::<_, StoreError>(image.kernel)
        };
        let booted = boot_image(BootMode::BpfLsm).expect("made");
        assert!(fs::read(booted).expect("there") == vmlinux);
        boot_image(BootMode::BrokenBtf).expect("made");
    }
}

#[test]
fn an_image_that_changes_under_way_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image");
    fs::write(&path, made::capable_vmlinux()).expect("written");
    let kernel = Kernel::from_image(&path).expect("a kernel");
    fs::write(&path, made::vmlinux(&["other"])).expect("written");
    let store = Store::open(&folder.path().join("cache"), None);
    let error = store.ensure(&kernel, &Silent).expect_err("changed");
    assert!(matches!(error, StoreError::ImageChanged { .. }), "{error}");
}

#[test]
fn a_file_that_is_no_kernel_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image");
    let check = |content: &[u8], says: &str| {
        fs::write(&path, content).expect("written");
        let error = Kernel::from_image(&path).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
    };
    check(b"", "expected an x86 bzImage or a vmlinux ELF file");
    check(b"\x7fELF, but no more", "not a readable ELF file");
    let check = |path: &Path, says: &str| {
        let error = Kernel::from_image(path).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    };
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).expect("made");
    check(&pipe, "pipe: it is a pipe; expected a regular file");
    check(folder.path(), "it is a folder");
    check(Path::new("/dev/zero"), "it is a device");
    let file = File::create(&path).expect("made");
    file.set_len((1 << 30) + 1).expect("sparse");
    check(&path, "it is longer than 1024 MiB");
    let error = Kernel::from_image(&folder.path().join("none")).expect_err("missing");
    assert!(error.to_string().contains("cannot read"), "{error}");
}
