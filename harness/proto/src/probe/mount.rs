//! What is done to the tree of mounts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something to the tree of mounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum MountProbe {
    /// `mount(2)` of an empty tmpfs.
    Tmpfs {
        /// Existing folder.
        at: String,
    },
    /// `mount(2)` of an overlay.
    Overlay {
        /// What shows through.
        lower: String,
        /// What is written to; with `work`, both of one file system.
        upper: String,
        /// An empty folder.
        work: String,
        /// Existing folder.
        at: String,
    },
    /// `mount(2)` with `MS_BIND`.
    Bind {
        /// Existing file or folder.
        from: String,
        /// Where it appears.
        to: String,
    },
    /// `mount(2)` with `MS_MOVE`.
    Move {
        /// A mount.
        from: String,
        /// Existing folder.
        to: String,
    },
    /// `mount(2)` with `MS_REMOUNT`, read-only.
    Remount {
        /// A mount.
        at: String,
    },
    /// `open_tree(2)` with `OPEN_TREE_CLONE` and `move_mount(2)`.
    OpenTree {
        /// Existing file or folder.
        from: String,
        /// Where it appears.
        to: String,
    },
    /// `fsopen(2)`, `fsmount(2)` and `move_mount(2)` of an empty tmpfs.
    Fsmount {
        /// Existing folder.
        at: String,
    },
    /// `umount2(2)` with `MNT_DETACH`.
    Umount {
        /// A mount.
        at: String,
    },
    /// `pivot_root(2)`; with a root that is none: `EINVAL`.
    PivotRoot {
        /// The folder that becomes the root.
        root: String,
        /// Where the old root appears, beneath it.
        old: String,
    },
    /// `chroot(2)`.
    Chroot {
        /// The folder that becomes the root.
        root: String,
    },
    /// Make a mount namespace and keep it in
    /// [`crate::MOUNT_NAMESPACES_DIR`].
    KeepNamespace {
        /// Its name there.
        name: String,
    },
}
