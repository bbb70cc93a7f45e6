//! A disk without room, as far as a process without privileges can have one:
//! a limit on the size of the files that it writes.

use std::{env, path::Path, process::Command};

use kernel_matrix::{Silent, Store};

use crate::{
    fetching::Impatient,
    made,
    server::Server,
    storing::{files_below, pinned},
};

const CACHE: &str = "TEST_CACHE";
const MIRROR: &str = "TEST_MIRROR";
const CHILD: &str = "disk_full::the_limited_process";

/// Large enough that both package and kernel exceed every limit of the test.
fn deb() -> Vec<u8> {
    let mut vmlinux = made::capable_vmlinux();
    // Does not compress well.
    let mut state = 1_u32;
    vmlinux.extend((0..600_000).flat_map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        [(state >> 24) as u8]
    }));
    // What follows does, so the kernel is larger than its package.
    vmlinux.extend(vec![0; 1_000_000]);
    made::kernel_deb(&vmlinux)
}

#[test]
#[ignore = "run by the tests below, under a limit"]
fn the_limited_process() {
    let variable = |name| env::var(name).expect("set by the test that runs this one");
    let cache = variable(CACHE);
    let transport = Box::new(Impatient::default());
    let store = Store::with_transport(Path::new(&cache), Some(variable(MIRROR)), transport);
    match store.ensure(&pinned(&deb()), &Silent) {
        Ok(path) => println!("made {}", path.display()),
        Err(error) => println!("error: {error}"),
    }
}

/// Make a kernel in a process that can write files of so many 512-byte blocks,
/// and return what it said.
fn run(cache: &Path, mirror: &str, blocks: u32) -> String {
    // The signal ignored, a write beyond the limit is an error like any other.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(env::current_exe().expect("known"))
        .args(["--exact", CHILD, "--ignored", "--nocapture"])
        .env(CACHE, cache)
        .env(MIRROR, mirror)
        .output()
        .expect("sh runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn check(blocks: u32, what: &str) {
    let cache = tempfile::tempdir().expect("a folder");
    let server = Server::start(&deb(), &[]);
    let said = run(cache.path(), &server.url, blocks);
    assert!(said.contains("error: no room to write"), "{said}");
    assert!(said.contains(what), "{said}");
    assert!(said.contains("AEGISBPF_CACHE"), "{said}");
    let left = files_below(cache.path());
    assert!(
        !left
            .iter()
            .any(|name| name.contains(".part") || name.starts_with(".new")),
        "{left:?}"
    );
    // With room, the same cache is good for a kernel.
    let said = run(cache.path(), &server.url, 1_000_000);
    assert!(said.contains("made "), "{said}");
}

#[test]
fn no_room_for_the_download_is_one_clear_error() {
    check(200, ".deb.part");
}

#[test]
fn no_room_for_the_kernel_is_one_clear_error() {
    // Room for the package of some 0.6 MB, but not for the kernel of 1.6 MB.
    check(2000, "/vmlinux");
}
