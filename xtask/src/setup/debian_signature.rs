//! Checking a suite's signature with the machine's own keys.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::progress::Stage;

/// Debian's keys, where the distribution puts them.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The signed text of an InRelease file.
///
/// Machines without gpgv or Debian's keys cannot check it; that is said
/// aloud, and the digests in it still tie the files to one another.
pub(super) fn verified(in_release: &[u8], stage: &Stage) -> Result<String> {
    if !Path::new(KEYRING).is_file() {
        stage.print(&format!(
            "note: Debian's index is not checked against a signature: no {KEYRING}"
        ));
        return Ok(String::from_utf8_lossy(in_release).into_owned());
    }
    let mut file = tempfile::NamedTempFile::new().context("cannot create a temporary file")?;
    file.write_all(in_release)
        .with_context(|| format!("cannot write {}", file.path().display()))?;
    // With the text as output, only what is signed is read later.
    let gpgv = duct::cmd!(
        "gpgv",
        "--quiet",
        "--status-fd",
        "2",
        "--keyring",
        KEYRING,
        "--output",
        "-",
        file.path()
    )
    .stdout_capture()
    .stderr_capture()
    .unchecked()
    .run();
    let output = match gpgv {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            stage.print("note: Debian's index is not checked against a signature: no gpgv");
            return Ok(String::from_utf8_lossy(in_release).into_owned());
        }
        Err(error) => return Err(error).context("cannot run gpgv"),
    };
    let status = String::from_utf8_lossy(&output.stderr);
    if !is_trusted(&status) {
        bail!("the signature of Debian's index cannot be trusted; gpgv said:\n{status}");
    }
    String::from_utf8(output.stdout).context("Debian's index is not UTF-8")
}

/// A suite is signed with several keys, and an older machine does not have
/// the newest: one good signature is enough, a bad one is too much.
fn is_trusted(status: &str) -> bool {
    let has = |word: &str| {
        status
            .lines()
            .filter_map(|line| line.strip_prefix("[GNUPG:] "))
            .any(|line| line.split(' ').next() == Some(word))
    };
    has("VALIDSIG") && !has("BADSIG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_known_key_is_enough_and_a_bad_signature_is_too_much() {
        let check = |status, expected| assert_eq!(is_trusted(status), expected, "{status}");
        check("[GNUPG:] VALIDSIG A\n[GNUPG:] ERRSIG B", true);
        check("[GNUPG:] ERRSIG B\n[GNUPG:] NO_PUBKEY B", false);
        check("[GNUPG:] VALIDSIG A\n[GNUPG:] BADSIG B", false);
        check("gpgv: VALIDSIG", false);
    }
}
