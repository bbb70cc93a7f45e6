//! Secret keys in files, for whoever signs without a key management service.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rustix::rand::{GetRandomFlags, getrandom};

use super::{Signed, Statement, statement::key_id};
use crate::hex::{self, Hex};

/// A secret key.
#[derive(Debug)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// From its 32 bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Make one, in a new file that only its owner can read.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut seed = [0; 32];
        // Up to 256 bytes come whole.
        getrandom(&mut seed, GetRandomFlags::empty())?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        writeln!(file, "{}", hex::encode(&seed))?;
        file.sync_all()?;
        Ok(Self::from_seed(&seed))
    }

    /// Read one; a file that others can read is refused.
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.mode() & 0o077 != 0 {
            return Err(io::Error::other(
                "others than its owner can use it: chmod 600",
            ));
        }
        let mut text = String::new();
        file.take(256).read_to_string(&mut text)?;
        // What it holds stays out of the message.
        let seed = hex::decode(text.trim_end())
            .map_err(|_| io::Error::other("it does not hold 64 hexadecimal digits"))?;
        Ok(Self::from_seed(&seed))
    }

    /// The public half.
    pub fn public(&self) -> VerifyingKey {
        self.0.verifying_key()
    }

    /// Sign a statement, in the name of this key.
    pub fn sign(&self, statement: Statement) -> Result<Signed, String> {
        statement.check()?;
        let id = key_id(&self.public());
        if statement.key != id {
            return Err(format!(
                "the statement is by key {}, and this is key {id}",
                statement.key
            ));
        }
        let signature = Hex(self.0.sign(&statement.to_bytes()).to_bytes());
        Ok(Signed {
            statement,
            signature,
        })
    }
}
