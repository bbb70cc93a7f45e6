//! No mirror or registry is named anywhere: machines know theirs.

use std::collections::BTreeSet;
use std::path::Path;

use kernel_matrix::apt_sources;

use crate::tree;

/// Hosts everybody knows, in pieces so that this file does not name them.
const WELL_KNOWN: [&[&str]; 12] = [
    &["deb", "debian", "org"],
    &["ftp", "debian", "org"],
    &["security", "debian", "org"],
    &["snapshot", "debian", "org"],
    &["archive", "ubuntu", "com"],
    &["security", "ubuntu", "com"],
    &["ports", "ubuntu", "com"],
    &["static", "crates", "io"],
    &["index", "crates", "io"],
    &["static", "rust-lang", "org"],
    &["pypi", "org"],
    &["registry", "npmjs", "org"],
];

fn hosts() -> BTreeSet<String> {
    let of_machine = apt_sources::read(Path::new("/etc/apt"))
        .into_iter()
        .filter_map(|source| host(&source.uri).map(str::to_owned));
    let known = WELL_KNOWN.iter().map(|pieces| pieces.join("."));
    known.chain(of_machine).collect()
}

/// The host in an address, without user and port.
fn host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split('/').next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    // A bare word could occur anywhere, and leads nowhere by itself.
    (host.contains('.') && host != "127.0.0.1").then_some(host)
}

fn named<'a>(text: &str, hosts: &'a BTreeSet<String>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase();
    hosts
        .iter()
        .find(|host| text.contains(&**host))
        .map(String::as_str)
}

#[test]
fn no_file_names_a_mirror_or_a_registry() {
    let hosts = hosts();
    let problems: Vec<_> = tree::files()
        .iter()
        .filter_map(|file| Some(format!("{}: {}", file.name, named(&file.text()?, &hosts)?)))
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn a_named_host_is_found() {
    let hosts = BTreeSet::from(["mirror.example".to_owned()]);
    assert_eq!(
        named("see HTTP://Mirror.Example/debian", &hosts),
        Some("mirror.example")
    );
    assert_eq!(named("see the mirror", &hosts), None);
    let check = |uri, expected| assert_eq!(host(uri), expected);
    check("http://u:p@m.example:80/debian", Some("m.example"));
    check("cdrom:[disk]/", None);
}
