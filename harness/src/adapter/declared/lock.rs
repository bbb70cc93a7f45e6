//! `adapter.lock`: exactly which packages an adapter's guest has.

use kernel_matrix::manifest::PackagePin;
use serde::{Deserialize, Serialize};

/// The name of the file.
pub const LOCK: &str = "adapter.lock";

/// `adapter.lock`. Written by `cargo xtask adapter update`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// In the order in which the adapter names them.
    #[serde(default, rename = "package")]
    pub packages: Vec<PackagePin>,
}
