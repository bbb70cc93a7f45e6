//! What only this machine can know, written into a text.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use harness_proto::{Blank, Lookup, MOUNT_NAMESPACES_DIR};
use rustix::fs::{major, minor, stat};
use sha2::{Digest, Sha256};

use crate::attempt::{Attempt, AttemptError};

/// The text with every blank filled in.
pub fn fill_in(text: &str, blanks: &[Blank]) -> Result<String, AttemptError> {
    let mut text = text.to_owned();
    for blank in blanks {
        text = text.replace(&blank.text, &look_up(&blank.lookup)?);
    }
    Ok(text)
}

fn look_up(lookup: &Lookup) -> Result<String, AttemptError> {
    match lookup {
        Lookup::InodeOf(path) => inode_of(Path::new(path)),
        Lookup::DeviceOf(path) => {
            let status = stat(path).attempt(|| format!("look at {path}"))?;
            let device = status.st_dev;
            Ok(format!("{}:{}", major(device), minor(device)))
        }
        Lookup::Sha256Of(path) => {
            let content = fs::read(path).attempt(|| format!("read {path}"))?;
            Ok(hex(&Sha256::digest(content)))
        }
        Lookup::MountNamespaceOf(name) => inode_of(&Path::new(MOUNT_NAMESPACES_DIR).join(name)),
    }
}

fn inode_of(path: &Path) -> Result<String, AttemptError> {
    let status = stat(path).attempt(|| format!("look at {}", path.display()))?;
    Ok(status.st_ino.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::fill_in;
    use harness_proto::{Blank, Lookup};
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn every_blank_is_written_over_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "abc").unwrap();
        let of = |text: &str, lookup: fn(String) -> Lookup| Blank {
            text: text.into(),
            lookup: lookup(path.display().to_string()),
        };
        let blanks = [
            of("\"<inode>\"", Lookup::InodeOf),
            of("<sha256>", Lookup::Sha256Of),
        ];
        let filled = fill_in(r#"["<inode>","<sha256>","<inode>"]"#, &blanks).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(filled, format!("[{inode},\"{digest}\",{inode}]"));
        let device = fill_in("<device>", &[of("<device>", Lookup::DeviceOf)]).unwrap();
        assert!(device.split_once(':').is_some(), "{device}");
    }

    #[test]
    fn what_cannot_be_looked_up_is_named() {
        let blank = Blank {
            text: "x".into(),
            lookup: Lookup::InodeOf("/no/such/file".into()),
        };
        let error = fill_in("x", &[blank]).unwrap_err().to_string();
        assert!(error.contains("/no/such/file"), "{error}");
    }
}
