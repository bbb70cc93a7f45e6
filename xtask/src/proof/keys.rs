//! Key files, trust files, and keys for trying things out.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use evidence::{Trust, sign::SecretKey};

use crate::{
    exit_code::{ExitCode, OrExit as _},
    output, workspace,
};

/// The role in which development keys sign off.
pub(crate) const DEVELOPMENT_ROLE: &str = "release";

/// Make a key.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose it is, as the trust file is to say.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where the secret half goes; must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// The task.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let key = SecretKey::generate().or_exit(ExitCode::Infrastructure)?;
    write_secret(&args.out, &key)?;
    output::print(&format!(
        "[[key]]\nname = {:?}\nroles = []\npublic = \"{}\"\n",
        args.name,
        key.public()
    ))?;
    Ok(ExitCode::Ok)
}

fn write_secret(path: &Path, key: &SecretKey) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(key.to_text().as_bytes()))
        .with_context(|| format!("cannot write the key {}", path.display()))
        .or_exit(ExitCode::Infrastructure)
}

/// The key in a file.
pub(crate) fn read(path: &Path) -> Result<SecretKey> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the key {}", path.display()))
        .or_exit(ExitCode::Usage)?;
    SecretKey::parse(&text)
        .with_context(|| format!("{} is no key", path.display()))
        .or_exit(ExitCode::Usage)
}

/// The trust file at a path.
pub(crate) fn trust(path: &Path) -> Result<Trust> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the trust file {}", path.display()))
        .or_exit(ExitCode::Usage)?;
    Trust::parse(&path.display().to_string(), &text).or_exit(ExitCode::Usage)
}

/// A key that this machine made for itself, and a trust file that believes it
/// in every role and says what it is.
#[derive(Debug)]
pub(crate) struct Development {
    pub(crate) key: PathBuf,
    pub(crate) trust: PathBuf,
}

/// Made on first use, below the target folder.
pub(crate) fn development() -> Result<Development> {
    let folder = workspace::target_dir().join("gate/development");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))
        .or_exit(ExitCode::Infrastructure)?;
    let paths = Development {
        key: folder.join("secret.key"),
        trust: folder.join("trust.toml"),
    };
    if !paths.key.is_file() {
        let key = SecretKey::generate().or_exit(ExitCode::Infrastructure)?;
        write_secret(&paths.key, &key)?;
    }
    let text = development_trust(&read(&paths.key)?);
    harness::atomic::write(&paths.trust, text.as_bytes())
        .with_context(|| format!("cannot write {}", paths.trust.display()))
        .or_exit(ExitCode::Infrastructure)?;
    Ok(paths)
}

fn development_trust(key: &SecretKey) -> String {
    format!(
        "# For trying things out on this machine. Nobody else should believe it.\n\
         version = 1\ndevelopment = true\n\n\
         [[key]]\nname = \"development\"\nroles = [\"collector\", \"{DEVELOPMENT_ROLE}\"]\n\
         public = \"{}\"\n\n[[sign_off]]\nrole = \"{DEVELOPMENT_ROLE}\"\nat_least = 1\n",
        key.public()
    )
}

#[cfg(test)]
mod tests {
    use super::{SecretKey, Trust, development_trust, read, write_secret};

    #[test]
    fn development_keys_are_trusted_and_say_what_they_are() {
        let key = SecretKey::from_seed([7; 32]);
        let trust = Trust::parse("trust.toml", &development_trust(&key)).unwrap();
        assert!(trust.development);
    }

    #[test]
    fn a_key_file_is_private_and_never_overwritten() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let key = SecretKey::from_seed([7; 32]);
        write_secret(&path, &key).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().public(), key.public());
        assert!(write_secret(&path, &key).is_err());
    }
}
