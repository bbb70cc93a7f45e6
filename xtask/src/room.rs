//! A full disk, noticed in the end of an error: many steps, and the programs
//! that they run, can meet one.

use std::path::Path;

/// Where this command line writes.
#[derive(Debug, Clone, Copy)]
pub struct Folders<'a> {
    /// Downloads and tools.
    pub cache: &'a Path,
    /// Builds and results.
    pub target: &'a Path,
    /// Temporary files.
    pub temporary: &'a Path,
}

/// What the system and the compiler's tools say; the last is about a limit of
/// the process.
const FULL: [&str; 3] = [
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
];

/// What to do about an error, if it is for want of room and does not say
/// itself what to do.
pub fn advice(error: &str, folders: Folders<'_>) -> Option<String> {
    if !FULL.iter().any(|full| error.contains(full)) || error.contains("free some space") {
        return None;
    }
    let all = [
        ("AEGISBPF_CACHE", "downloads and tools", folders.cache),
        ("CARGO_TARGET_DIR", "builds and results", folders.target),
        ("TMPDIR", "temporary files", folders.temporary),
    ];
    // The innermost, because the others may be around it.
    let named = all
        .into_iter()
        .map(|one| (one.2.display().to_string(), one))
        .filter(|(path, _)| !path.is_empty() && error.contains(path))
        .max_by_key(|(path, _)| path.len());
    let concerned = named.map_or_else(|| all.to_vec(), |(_, one)| vec![one]);
    let ways: Vec<_> = concerned
        .into_iter()
        .map(|(variable, what, path)| {
            format!("for {what} with {variable} (now {})", path.display())
        })
        .collect();
    Some(format!(
        "there is no room: free some space, or name another folder {}",
        ways.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::{Folders, advice};
    use std::path::Path;

    fn said(error: &str) -> Option<String> {
        let folders = Folders {
            cache: Path::new("/home/.cache/aegisbpf"),
            target: Path::new("/src/target"),
            temporary: Path::new("/scratch"),
        };
        advice(error, folders)
    }

    #[test]
    fn the_folder_that_the_error_names_is_the_one_to_move() {
        insta::assert_snapshot!(said("failed to write `/src/target/debug/x.rlib`: No space left on device (os error 28)").unwrap(), @r"there is no room: free some space, or name another folder for builds and results with CARGO_TARGET_DIR (now /src/target)");
        insta::assert_snapshot!(said("x: Disk quota exceeded (os error 122)").unwrap(), @r"there is no room: free some space, or name another folder for downloads and tools with AEGISBPF_CACHE (now /home/.cache/aegisbpf), for builds and results with CARGO_TARGET_DIR (now /src/target), for temporary files with TMPDIR (now /scratch)");
    }

    #[test]
    fn other_errors_and_those_with_advice_of_their_own_get_none() {
        assert_eq!(said("/src/target/x: Permission denied"), None);
        let own = "no room to write /x (No space left on device): free some space there, or …";
        assert_eq!(said(own), None);
    }
}
