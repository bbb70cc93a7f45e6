//! Where a kernel's package has the boot image.

use std::{fs::File, path::Path};

use crate::{deb, store_error::StoreError};

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
