//! What an agent may add, and how far rounds may differ: `perf/bounds.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
};

use harness_proto::count::Operation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Difference, Verdict};

/// The bounds of one file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bounds {
    spread: Spread,
    added: Added,
    baseline: Tolerated,
    quantities: BTreeMap<String, Bound>,
}

/// How far the rounds of a figure may be apart, in percent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Spread {
    others: f64,
    operations: BTreeMap<Operation, f64>,
}

/// How far a run may be from the baseline, in percent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Tolerated {
    others: f64,
    quantities: f64,
    operations: BTreeMap<Operation, f64>,
}

/// What the agent may add to an operation, in instructions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Added {
    kernels: BTreeSet<String>,
    most_rules: u32,
    operations: BTreeMap<Operation, Bound>,
}

/// A bound on what is added.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Bound {
    /// This is still allowed.
    AtMost(f64),
    /// This is not.
    Below(f64),
}

/// Why there are no bounds.
#[derive(Debug, Error)]
pub enum BoundsError {
    /// No such file, or not to be read.
    #[error("cannot read the bounds {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Not what such a file holds; the cause names line and field.
    #[error("{}: {cause}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        cause: Box<toml::de::Error>,
    },
}

impl Bounds {
    /// Read a file.
    pub fn read(path: &Path) -> Result<Self, BoundsError> {
        let text = fs::read_to_string(path).map_err(|cause| BoundsError::Read {
            path: path.to_owned(),
            cause,
        })?;
        toml::from_str(&text).map_err(|cause| BoundsError::Format {
            path: path.to_owned(),
            cause: Box::new(cause),
        })
    }

    /// How far the rounds of this operation may be apart.
    pub fn spread_percent(&self, operation: Operation) -> f64 {
        let own = self.spread.operations.get(&operation);
        own.copied().unwrap_or(self.spread.others)
    }

    /// What may be added to this operation on this kernel by an agent with so
    /// many rules of each kind, if the file says anything of it.
    pub fn added(&self, kernel: &str, rules: u32, operation: Operation) -> Option<Bound> {
        let about = self.added.kernels.contains(kernel) && rules <= self.added.most_rules;
        let own = self.added.operations.get(&operation).copied();
        own.filter(|_| about)
    }

    /// How far a figure about this operation may be from the baseline, in percent.
    pub fn baseline_percent(&self, operation: Operation) -> f64 {
        let own = self.baseline.operations.get(&operation);
        own.copied().unwrap_or(self.baseline.others)
    }

    /// The same for what is not about an operation.
    pub fn baseline_quantity_percent(&self) -> f64 {
        self.baseline.quantities
    }

    /// What a quantity of this name may be on this kernel.
    pub fn quantity(&self, kernel: &str, name: &str) -> Option<Bound> {
        let own = self.quantities.get(name).copied();
        own.filter(|_| self.added.kernels.contains(kernel))
    }
}

impl Bound {
    /// What a difference is worth that may be off: all that it can be must be on
    /// one side.
    pub(crate) fn verdict(self, added: &Difference) -> Verdict {
        if self.allows(added.high) {
            Verdict::Within
        } else if self.allows(added.low) {
            Verdict::Inconclusive
        } else {
            Verdict::Exceeded
        }
    }

    /// Whether so much may be added.
    pub fn allows(self, added: f64) -> bool {
        match self {
            Self::AtMost(most) => added <= most,
            Self::Below(limit) => added < limit,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "at most +{most}"),
            Self::Below(limit) => write!(f, "below +{limit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Bounds, BoundsError};
    use harness_proto::count::Operation;
    use std::{fs, path::Path};

    #[test]
    fn the_bounds_of_this_repository_are_those_of_the_goal() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bounds.toml");
        let bounds = Bounds::read(&path).unwrap();
        let check = |operation, expected| {
            for kernel in ["6.12", "7.3"] {
                assert_eq!(bounds.added(kernel, 10_000, operation), Some(expected));
            }
        };
        check(Operation::Getppid, Bound::AtMost(3.0));
        check(Operation::OpenClose, Bound::AtMost(450.0));
        check(Operation::Stat, Bound::AtMost(40.0));
        check(Operation::Pread, Bound::AtMost(10.0));
        check(Operation::UdpConnect, Bound::AtMost(450.0));
        check(Operation::Exec, Bound::AtMost(2_000.0));
        let quantity = |name| bounds.quantity("6.12", name);
        assert_eq!(quantity("apply-10000"), Some(Bound::AtMost(5e8)));
        assert_eq!(quantity("apply-50000-over-5000"), Some(Bound::AtMost(12.0)));
        assert_eq!(quantity("apply-3"), None);
        assert_eq!(bounds.added("6.12", 10_001, Operation::Getppid), None);
        assert_eq!(bounds.added("5.10", 10, Operation::Getppid), None);
        assert!(bounds.spread_percent(Operation::Getppid) < bounds.spread_percent(Operation::Fork));
    }

    #[test]
    fn the_limit_itself_is_allowed_only_by_at_most() {
        assert!(Bound::AtMost(3.0).allows(3.0) && !Bound::AtMost(3.0).allows(3.1));
        assert!(Bound::Below(3.0).allows(2.9) && !Bound::Below(3.0).allows(3.0));
    }

    #[test]
    fn a_typo_is_refused_with_file_line_and_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bounds.toml");
        let check = |text: &str, says: &[&str]| {
            fs::write(&path, text).unwrap();
            let error = Bounds::read(&path).unwrap_err();
            assert!(matches!(error, BoundsError::Format { .. }));
            let error = error.to_string();
            for part in says {
                assert!(error.contains(part), "{error}");
            }
        };
        let spread = "[spread]\nothers = 1.0\n[spread.operations]\n";
        check(
            &format!("{spread}getpid = 1.0\n"),
            &["bounds.toml", "line 4", "getpid", "getppid"],
        );
        check("[spred]\n", &["line 1", "spred"]);
    }
}
