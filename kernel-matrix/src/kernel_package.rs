//! Where a kernel's package has the boot image.

use std::{collections::BTreeMap, fs::File, io, path::Path};

use crate::{
    deb::{self, decompressor},
    store_error::StoreError,
};

/// The boot image in the package file at `path`; `package` is its name.
pub fn boot_image(package: &str, path: &Path) -> Result<Vec<u8>, StoreError> {
    let file = File::open(path).map_err(|cause| StoreError::Read {
        path: path.into(),
        cause,
    })?;
    deb::find_in_files(file, |path, content| {
        if !is_boot_image(path) {
            return Ok(None);
        }
        let mut image = Vec::new();
        content.read_to_end(&mut image)?;
        Ok(Some(image))
    })
    .map_err(|cause| StoreError::Unpack {
        package: package.into(),
        cause,
    })?
    .ok_or_else(|| StoreError::NoKernel {
        package: package.into(),
    })
}

/// Modules that the tests need: other interpreters for programs, a disk in
/// memory, overlays.
pub const MODULES: [&str; 3] = ["binfmt_misc", "brd", "overlay"];

/// Those of [`MODULES`] that are in the package file at `path`, by name,
/// decompressed: not every kernel can do that itself.
pub fn modules(package: &str, path: &Path) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
    let file = File::open(path).map_err(|cause| StoreError::Read {
        path: path.into(),
        cause,
    })?;
    let mut found = BTreeMap::new();
    deb::find_in_files(file, |path, content| {
        if let Some((name, compression)) = module(path)
            && MODULES.contains(&name)
        {
            let mut module = Vec::new();
            decompressor(path, compression, content)
                .map_err(io::Error::other)?
                .read_to_end(&mut module)?;
            found.insert(name.to_owned(), module);
        }
        Ok((found.len() == MODULES.len()).then_some(()))
    })
    .map_err(|cause| StoreError::Unpack {
        package: package.into(),
        cause,
    })?;
    Ok(found)
}

/// Name and compression (`.xz`, or nothing) of a module, by its path.
fn module(path: &str) -> Option<(&str, &str)> {
    let (_, rest) = path
        .strip_prefix("usr/")
        .unwrap_or(path)
        .strip_prefix("lib/modules/")?
        .split_once("/kernel/")?;
    let name = rest.rsplit('/').next()?;
    name.split_once(".ko")
}

/// `boot/vmlinuz-<version>`, or `usr/lib/modules/<version>/vmlinuz` since
/// Debian's 7.2.
fn is_boot_image(path: &str) -> bool {
    let in_boot = path
        .strip_prefix("boot/vmlinuz-")
        .is_some_and(|version| !version.contains('/'));
    let in_modules = path
        .strip_prefix("usr/")
        .unwrap_or(path)
        .strip_prefix("lib/modules/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(_, name)| name == "vmlinuz");
    in_boot || in_modules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_its_place_and_suffix() {
        for (path, is) in [
            (
                "lib/modules/5.10.0-46/kernel/drivers/block/brd.ko",
                Some(("brd", "")),
            ),
            (
                "usr/lib/modules/7.3.4/kernel/fs/overlayfs/overlay.ko.xz",
                Some(("overlay", ".xz")),
            ),
            ("lib/modules/6.1/modules.dep", None),
            ("usr/share/doc/kernel/brd.ko", None),
        ] {
            assert_eq!(module(path), is, "{path}");
        }
    }

    #[test]
    fn only_the_kernel_itself_is_the_boot_image() {
        for (path, is) in [
            ("boot/vmlinuz-5.10.0-46-cloud-amd64", true),
            ("usr/lib/modules/7.2.12+deb13-cloud-amd64/vmlinuz", true),
            ("lib/modules/7.2.12/vmlinuz", true),
            ("boot/vmlinuz", false),
            ("boot/vmlinuz-6/config", false),
            ("boot/config-5.10.0-46-cloud-amd64", false),
            ("usr/lib/modules/7.2.12/kernel/vmlinuz", false),
            ("usr/share/doc/boot/vmlinuz-6", false),
        ] {
            assert_eq!(is_boot_image(path), is, "{path}");
        }
    }
}
