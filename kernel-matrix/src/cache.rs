//! Where downloads and what is made from them are kept.

use std::{env, ffi::OsString, path::PathBuf};

use thiserror::Error;

/// The variable that names the cache folder.
pub const VARIABLE: &str = "AEGISBPF_CACHE";

/// No variable says where a cache could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no folder for downloads: set AEGISBPF_CACHE (HOME is not set, either)")]
pub struct NoCacheFolder;

/// `$AEGISBPF_CACHE`, else `$XDG_CACHE_HOME/aegisbpf`, else
/// `~/.cache/aegisbpf`.
pub fn folder() -> Result<PathBuf, NoCacheFolder> {
    folder_from(|name| env::var_os(name))
}

fn folder_from(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, NoCacheFolder> {
    let set = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set(VARIABLE)
        // The XDG specification wants relative paths ignored.
        .or_else(|| {
            set("XDG_CACHE_HOME")
                .filter(|path| path.is_absolute())
                .map(|path| path.join("aegisbpf"))
        })
        .or_else(|| set("HOME").map(|path| path.join(".cache/aegisbpf")))
        .ok_or(NoCacheFolder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_variable_wins() {
        let check = |set: &[(&str, &str)], expected: Result<&str, NoCacheFolder>| {
            let found = folder_from(|name| {
                let value = set.iter().find(|(known, _)| *known == name)?.1;
                Some(value.into())
            });
            assert_eq!(found, expected.map(PathBuf::from), "{set:?}");
        };
        let all = [
            ("AEGISBPF_CACHE", "/a"),
            ("XDG_CACHE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        check(&all, Ok("/a"));
        check(&all[1..], Ok("/x/aegisbpf"));
        check(&all[2..], Ok("/h/.cache/aegisbpf"));
        check(&[("XDG_CACHE_HOME", "x"), all[2]], Ok("/h/.cache/aegisbpf"));
        check(&[("AEGISBPF_CACHE", ""), all[2]], Ok("/h/.cache/aegisbpf"));
        check(&[], Err(NoCacheFolder));
    }
}
