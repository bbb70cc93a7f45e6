//! From what is wanted to which package exactly: choosing from a suite's
//! `Packages` index.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::{
    debian_version::DebianVersion,
    manifest::{Archive, PackageFile, PackagePin, Pin, Wanted},
};

/// A package that has the kernel in it is larger than this; the package of
/// the same name that only depends on it has a few kilobytes.
const SMALLEST_KERNEL: u64 = 1_000_000;

/// A paragraph of the index that lacks something.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the index of {suite} has no usable {field} for package {package}")]
pub struct IndexError {
    suite: String,
    package: String,
    field: &'static str,
}

/// The newest package with the kernel that is wanted, and the one of the same
/// version with its modules; `None` if the suite has
/// none (any more). `packages` is the text of the index.
pub fn newest(wanted: &Wanted, packages: &str) -> Result<Option<Pin>, IndexError> {
    let mut newest: Option<Pin> = None;
    for paragraph in packages.split("\n\n") {
        let fields = fields(paragraph);
        let Some(package) = fields.get("Package") else {
            continue;
        };
        if !is_of_series(package, wanted) {
            continue;
        }
        let pin = pin(wanted, package, &fields)?;
        let newer = newest.as_ref().is_none_or(|newest| {
            DebianVersion::new(&newest.version) < DebianVersion::new(&pin.version)
        });
        if pin.size >= SMALLEST_KERNEL && newer {
            newest = Some(pin);
        }
    }
    if let Some(pin) = &mut newest
        && let Some(kernel) = pin.package.strip_prefix("linux-binary-")
    {
        pin.modules = modules(
            wanted,
            &format!("linux-modules-{kernel}"),
            &pin.version,
            packages,
        )?;
    }
    Ok(newest)
}

/// The newest version of a package by its name; `None` if the suite has none.
pub fn package(suite: &str, name: &str, packages: &str) -> Result<Option<PackagePin>, IndexError> {
    let mut newest: Option<PackagePin> = None;
    for paragraph in packages.split("\n\n") {
        let fields = fields(paragraph);
        if fields.get("Package") != Some(&name) {
            continue;
        }
        let pin = described(suite, name, &fields)?;
        let newer = newest.as_ref().is_none_or(|newest| {
            DebianVersion::new(&newest.version) < DebianVersion::new(&pin.version)
        });
        if newer {
            newest = Some(pin);
        }
    }
    Ok(newest)
}

/// Since 6.19 the modules are in a package of their own.
fn modules(
    wanted: &Wanted,
    package: &str,
    version: &str,
    packages: &str,
) -> Result<Option<PackageFile>, IndexError> {
    let mut paragraphs = packages.split("\n\n").map(fields);
    let found = paragraphs.find(|fields| {
        fields.get("Package") == Some(&package) && fields.get("Version") == Some(&version)
    });
    let Some(fields) = found else {
        return Ok(None);
    };
    let pin = pin(wanted, package, &fields)?;
    Ok(Some(PackageFile {
        package: pin.package,
        path: pin.path,
        size: pin.size,
        sha256: pin.sha256,
    }))
}

/// `linux-image-6.12.117+deb13-cloud-amd64`, or `linux-binary-…` since 6.19.
fn is_of_series(package: &str, wanted: &Wanted) -> bool {
    ["linux-image-", "linux-binary-"].iter().any(|kind| {
        package
            .strip_prefix(kind)
            .and_then(|rest| rest.strip_suffix(&format!("-{}", wanted.flavour)))
            .and_then(|version| version.strip_prefix(&wanted.series.to_string()))
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

fn fields(paragraph: &str) -> BTreeMap<&str, &str> {
    paragraph
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_once(": "))
        .collect()
}

fn pin(wanted: &Wanted, package: &str, fields: &BTreeMap<&str, &str>) -> Result<Pin, IndexError> {
    let found = described(&wanted.suite, package, fields)?;
    Ok(Pin {
        series: wanted.series,
        package: found.package,
        version: found.version,
        archive: found.archive,
        path: found.path,
        size: found.size,
        sha256: found.sha256,
        modules: None,
    })
}

fn described(
    suite: &str,
    package: &str,
    fields: &BTreeMap<&str, &str>,
) -> Result<PackagePin, IndexError> {
    let missing = |field| IndexError {
        suite: suite.into(),
        package: package.into(),
        field,
    };
    let text = |field| fields.get(field).copied().ok_or_else(|| missing(field));
    Ok(PackagePin {
        package: package.into(),
        version: text("Version")?.into(),
        archive: Archive::of_suite(suite),
        path: text("Filename")?.into(),
        size: text("Size")?.parse().map_err(|_| missing("Size"))?,
        sha256: text("SHA256")?.parse().map_err(|_| missing("SHA256"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::Tier;

    const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn wanted(series: &str) -> Wanted {
        Wanted {
            series: series.parse().expect("a series"),
            suite: "trixie-backports".into(),
            flavour: "cloud-amd64".into(),
            tier: Tier::Pr,
            capabilities: [].into(),
        }
    }

    fn index(packages: &[(&str, &str, u32)]) -> String {
        let paragraph = |(package, version, size): &(&str, &str, u32)| {
            format!(
                "Package: {package}\nVersion: {version}\nDescription: a\n  b: c\n\
                 Filename: pool/{package}_{version}.deb\nSize: {size}\nSHA256: {SHA256}\n"
            )
        };
        packages
            .iter()
            .map(paragraph)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn the_newest_package_with_the_kernel_in_it_is_chosen() {
        let index = index(&[
            ("linux-image-6.12-cloud-amd64", "6.12.999-1", 2_000_000),
            (
                "linux-image-6.12.9+deb13-cloud-amd64",
                "6.12.9-1",
                2_000_000,
            ),
            (
                "linux-image-6.12.90+deb13-cloud-amd64",
                "6.12.90-1",
                2_000_000,
            ),
            ("linux-image-6.12.90+deb13-rt-amd64", "6.12.99-1", 2_000_000),
            (
                "linux-image-6.1.99+deb13-cloud-amd64",
                "6.1.99-1",
                2_000_000,
            ),
            ("linux-image-7.3.4+deb13-cloud-amd64", "7.3.4-1", 2_000),
            ("linux-binary-7.3.4+deb13-cloud-amd64", "7.3.4-1", 2_000_000),
            (
                "linux-modules-7.3.4+deb13-cloud-amd64",
                "7.3.3-1",
                2_000_000,
            ),
            (
                "linux-modules-7.3.4+deb13-cloud-amd64",
                "7.3.4-1",
                2_000_001,
            ),
            (
                "linux-binary-unsigned-7.3.5+deb13-cloud-amd64",
                "7.3.5-1",
                2_000_000,
            ),
        ]);
        for (series, package) in [
            ("6.12", Some("linux-image-6.12.90+deb13-cloud-amd64")),
            ("7.3", Some("linux-binary-7.3.4+deb13-cloud-amd64")),
            ("6.2", None),
            ("6.13", None),
        ] {
            let pin = newest(&wanted(series), &index).expect("a sound index");
            let found = pin.as_ref().map(|pin| pin.package.as_str());
            assert_eq!(found, package, "{series}");
            let modules = pin.and_then(|pin| pin.modules);
            let size = (series == "7.3").then_some(2_000_001);
            assert_eq!(modules.map(|modules| modules.size), size, "{series}");
        }
    }

    #[test]
    fn a_package_is_found_by_its_whole_name_in_its_newest_version() {
        let index = index(&[
            ("auditd", "1:4.0.2-2", 5),
            ("auditd-extra", "1:9.0-1", 6),
            ("auditd", "1:4.0.2-2+b10", 7),
            ("auditd", "1:4.0.2-2+b9", 8),
        ]);
        let find = |name| package("trixie-security", name, &index).expect("a sound index");
        let found = find("auditd").expect("one");
        assert_eq!((found.version.as_str(), found.size), ("1:4.0.2-2+b10", 7));
        assert_eq!(found.archive, Archive::DebianSecurity);
        assert_eq!(find("audit"), None);
    }

    #[test]
    fn an_index_that_lacks_a_field_is_refused_by_name() {
        let index = index(&[("linux-image-6.12.9-cloud-amd64", "6.12.9-1", 2_000_000)]);
        for field in ["Version", "Filename", "Size", "SHA256"] {
            let index = index.replace(&format!("{field}:"), "Other:");
            let error = newest(&wanted("6.12"), &index).expect_err(field);
            assert!(error.to_string().contains(field), "{error}");
        }
    }
}
