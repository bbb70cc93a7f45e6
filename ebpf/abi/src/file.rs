//! What the program [`IDENTIFY`](crate::names::IDENTIFY) tells of a file.

use crate::{Key, NameHash};

/// How many folders above a file are looked at for rules about subtrees.
/// Files deeper than that are treated as if such a rule denied them.
pub const DEPTH: usize = 64;

/// A file that the agent has a descriptor of.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// What it is.
    pub object: Key,
    /// Its name in the first of the folders; only where folders were asked for.
    pub name: NameHash,
    /// The folders above, from its own up to the root of its file system; the
    /// rest is [`Key::default`].
    pub folders: [Key; DEPTH],
}

impl Default for FileFacts {
    fn default() -> Self {
        Self {
            object: Key::default(),
            name: NameHash(0),
            folders: [Key::default(); DEPTH],
        }
    }
}
