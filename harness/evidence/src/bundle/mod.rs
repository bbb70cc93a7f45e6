//! Bundles: evidence in a folder that somebody else can check, offline.
//!
//! ```text
//! manifest.json        what the evidence is; its SHA-256 is the evidence root
//! statement.json       the root and the subjects, signed by whoever collected
//! blobs/<sha256>       every piece of evidence, and the checklist
//! sign-offs/<n>.json   the root, signed by those who agree
//! ```
//!
//! Everything but the sign-offs follows from the root; sign-offs name it. All
//! JSON but the evidence itself is canonical, and a file that the manifest does
//! not name is refused, so a folder that passes has no byte to spare.
//!
//! | module | holds |
//! | --- | --- |
//! | [`manifest`] | the manifest |
//! | [`folder`] | reading and writing the files; nothing is believed yet |
//! | [`verify`] | from files to a bundle that can be believed |

pub mod folder;
pub mod manifest;
#[cfg(test)]
mod tests;
pub mod verify;

pub use folder::{Files, FolderError};
pub use manifest::{Entry, Manifest, Previous};
pub use verify::{Bundle, Refusal, verify};
