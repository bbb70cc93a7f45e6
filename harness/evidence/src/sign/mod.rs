//! Signed statements: in-toto Statement v1 in a DSSE envelope, by Ed25519.
//!
//! | module | holds |
//! | --- | --- |
//! | [`key`] | secret and public keys as text |
//! | [`envelope`] | DSSE: what is signed, and by whom |
//! | [`statement`] | in-toto statements and the claims that we make in them |

pub mod envelope;
pub mod key;
pub mod statement;

pub use envelope::{Envelope, Opened, SealError};
pub use key::{KeyError, PublicKey, SecretKey};
pub use statement::{Attestation, BundleClaim, Claim, Resource, SignOff, Statement, Waiver};
