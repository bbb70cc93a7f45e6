//! What to do when there is no room to write.

use std::{io, path::Path};

/// What is kept in a folder. Each is moved by a setting of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The results of a run.
    Results,
    /// The saved states of machines, while a run lasts.
    MachineStates,
    /// What later runs use again.
    Cache,
}

impl Kept {
    const fn moved_by(self) -> &'static str {
        match self {
            Self::Results => "name another folder with --report",
            Self::MachineStates => {
                "name another folder with the variable TMPDIR (each machine's state takes some \
                 60 MB there)"
            }
            Self::Cache => "name another folder with the variable AEGISBPF_CACHE",
        }
    }
}

/// Whether this is about room, and not about rights or a broken disk.
pub fn is_lacking(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// The whole error of a file or folder that cannot be written.
pub fn cannot_write(kept: Kept, path: &Path, error: &io::Error) -> String {
    let path = path.display();
    if is_lacking(error) {
        no_room(kept, &path.to_string(), &error.to_string())
    } else {
        format!("cannot write {path}: {error}")
    }
}

/// The same when another program met the error.
pub(crate) fn no_room(kept: Kept, what: &str, said: &str) -> String {
    format!(
        "no room to write {what} ({said}): free some space there, or {}",
        kept.moved_by()
    )
}

#[cfg(test)]
mod tests {
    use super::{Kept, cannot_write};
    use std::{io::Error, path::Path};

    #[test]
    fn only_a_lack_of_room_is_mended_by_another_folder() {
        let said =
            |kept, number| cannot_write(kept, Path::new("/f"), &Error::from_raw_os_error(number));
        let (no_space, quota, rights) = (28, 122, 13);
        insta::assert_snapshot!(said(Kept::Results, no_space), @r"no room to write /f (No space left on device (os error 28)): free some space there, or name another folder with --report");
        insta::assert_snapshot!(said(Kept::MachineStates, quota), @r"no room to write /f (Disk quota exceeded (os error 122)): free some space there, or name another folder with the variable TMPDIR (each machine's state takes some 60 MB there)");
        insta::assert_snapshot!(said(Kept::Cache, no_space), @r"no room to write /f (No space left on device (os error 28)): free some space there, or name another folder with the variable AEGISBPF_CACHE");
        insta::assert_snapshot!(said(Kept::Cache, rights), @r"cannot write /f: Permission denied (os error 13)");
    }
}
