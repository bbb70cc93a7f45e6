//! What was accepted before, and what differs from it. A baseline is a file for
//! each kernel; only a command that says why writes it, and what it replaces
//! stays in it, as history.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use harness_proto::count::Operation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{KernelRun, RunReport, Unit};
use crate::count::Bounds;

/// Raised when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// The file of one kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The version of this format.
    pub schema_version: u32,
    /// Its series.
    pub kernel: String,
    /// What was accepted, the last one last. Never empty.
    pub accepted: Vec<Accepted>,
}

/// What was accepted at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The commit that was measured.
    pub commit: String,
    /// Why these figures are right.
    pub why: String,
    /// The build of the kernel.
    pub build: String,
    /// By name.
    pub metrics: BTreeMap<String, Metric>,
}

/// A figure that later ones are held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
}

/// A run against its baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compared {
    /// Nobody wanted to know.
    NotAsked,
    /// There is no baseline for this kernel.
    NoBaseline,
    /// The baseline is of another build of this kernel.
    OtherBuild {
        /// The baseline's.
        accepted: String,
    },
    /// Metric by metric.
    With {
        /// The commit that the baseline is of.
        commit: String,
        /// Everything that is not the same within what is tolerated.
        changes: Vec<Change>,
        /// How many metrics are.
        unchanged: usize,
    },
}

/// A metric that is not what it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Its name.
    pub metric: String,
    /// In the baseline, if it is there.
    pub was: Option<Metric>,
    /// In this run, if it is there.
    pub is: Option<Metric>,
    /// What of it.
    pub kind: ChangeKind,
}

/// How a metric is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// More, by so many percent.
    Dearer(f64),
    /// Less, by so many percent.
    Cheaper(f64),
    /// One of them has it in another unit.
    OtherUnit,
    /// One of them does not have it.
    Missing,
}

/// Why there is no baseline, or none can be made.
#[derive(Debug, Error)]
pub enum BaselineError {
    /// Not to be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Not what such a file holds.
    #[error("{}: {cause}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        cause: serde_json::Error,
    },
    /// It is of another kernel, or of none.
    #[error("{} is no baseline of the kernel {kernel} in version {SCHEMA_VERSION} of the format", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The kernel.
        kernel: String,
    },
    /// The run cannot be what later ones are held against.
    #[error("this run cannot be accepted: {0}")]
    Unfit(String),
}

/// The figures of a run by name. Slopes and the like follow from the others.
fn metrics(run: &KernelRun) -> BTreeMap<String, Metric> {
    let cells = run.cells.iter().map(|cell| {
        let value = cell.figure.median;
        let unit = Unit::Instructions;
        (
            metric_name(cell.operation, &cell.case.to_string()),
            Metric { value, unit },
        )
    });
    let quantities = run
        .quantities
        .iter()
        .filter(|one| matches!(one.unit, Unit::Instructions | Unit::Bytes))
        .map(|one| {
            let metric = Metric {
                value: one.value,
                unit: one.unit,
            };
            (one.name.clone(), metric)
        });
    cells.chain(quantities).collect()
}

/// What the figure of an operation in a case is called.
pub(super) fn metric_name(operation: Operation, case: &str) -> String {
    format!("{operation}/{case}")
}

fn operation_of(metric: &str) -> Option<Operation> {
    let (name, _) = metric.split_once('/')?;
    let mut all = Operation::ALL.into_iter();
    all.find(|operation| operation.name() == name)
}

impl Baseline {
    /// Where the one of a kernel is.
    pub fn path(folder: &Path, kernel: &str) -> PathBuf {
        folder.join(format!("{kernel}.json"))
    }

    /// The one of a kernel, if there is one.
    pub fn read(folder: &Path, kernel: &str) -> Result<Option<Self>, BaselineError> {
        let path = Self::path(folder, kernel);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(BaselineError::File { path, cause }),
            Ok(text) => text,
        };
        let read: Self = match serde_json::from_str(&text) {
            Ok(read) => read,
            Err(cause) => return Err(BaselineError::Format { path, cause }),
        };
        let known = read.schema_version == SCHEMA_VERSION && !read.accepted.is_empty();
        if !known || read.kernel != kernel {
            let kernel = kernel.to_owned();
            return Err(BaselineError::Foreign { path, kernel });
        }
        Ok(Some(read))
    }

    /// Write it beside its place and rename it there.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, BaselineError> {
        let path = Self::path(folder, &self.kernel);
        let written = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            let beside = path.with_extension("json.new");
            let mut text = serde_json::to_string_pretty(self)?;
            text.push('\n');
            fs::write(&beside, text)?;
            fs::rename(&beside, &path)
        };
        match written() {
            Ok(()) => Ok(path),
            Err(cause) => Err(BaselineError::File { path, cause }),
        }
    }

    /// The baseline after a run was accepted.
    pub fn accepting(
        earlier: Option<Self>,
        report: &RunReport,
        run: &KernelRun,
        why: &str,
    ) -> Result<Self, BaselineError> {
        let unfit = |why: &str| Err(BaselineError::Unfit(why.to_owned()));
        if why.trim().is_empty() {
            return unfit("nothing says why");
        }
        if !report.whole {
            return unfit("only a choice of operations or policies was counted");
        }
        if !run.calibration.proven {
            return unfit("its counter is not proven");
        }
        let Some(commit) = report.commit.clone() else {
            return unfit("nobody knows of which commit it is");
        };
        let mut accepted = earlier.map_or_else(Vec::new, |earlier| earlier.accepted);
        accepted.push(Accepted {
            commit,
            why: why.trim().to_owned(),
            build: run.build.clone(),
            metrics: metrics(run),
        });
        Ok(Self {
            schema_version: SCHEMA_VERSION,
            kernel: run.kernel.clone(),
            accepted,
        })
    }

    /// Hold a run against it. A run of a choice is only held against what it has.
    pub fn compare(&self, run: &KernelRun, whole: bool, bounds: &Bounds) -> Compared {
        let Some(last) = self.accepted.last() else {
            return Compared::NoBaseline;
        };
        if last.build != run.build {
            let accepted = last.build.clone();
            return Compared::OtherBuild { accepted };
        }
        let now = metrics(run);
        let mut names: BTreeSet<&String> = now.keys().collect();
        if whole {
            names.extend(last.metrics.keys());
        }
        let total = names.len();
        let changes: Vec<Change> = names
            .into_iter()
            .filter_map(|name| {
                let (was, is) = (last.metrics.get(name).copied(), now.get(name).copied());
                let kind = change(was, is, tolerated(name, bounds))?;
                let metric = name.clone();
                Some(Change {
                    metric,
                    was,
                    is,
                    kind,
                })
            })
            .collect();
        Compared::With {
            commit: last.commit.clone(),
            unchanged: total - changes.len(),
            changes,
        }
    }
}

fn tolerated(name: &str, bounds: &Bounds) -> f64 {
    match operation_of(name) {
        Some(operation) => bounds.baseline_percent(operation),
        None => bounds.baseline_quantity_percent(),
    }
}

fn change(was: Option<Metric>, is: Option<Metric>, percent: f64) -> Option<ChangeKind> {
    let (Some(was), Some(is)) = (was, is) else {
        return Some(ChangeKind::Missing);
    };
    if was.unit != is.unit {
        return Some(ChangeKind::OtherUnit);
    }
    let changed = (is.value - was.value) / was.value * 100.0;
    // From nothing, or to what is no number.
    if !changed.is_finite() {
        return Some(ChangeKind::Missing);
    }
    if changed.abs() <= percent {
        None
    } else if changed > 0.0 {
        Some(ChangeKind::Dearer(changed))
    } else {
        Some(ChangeKind::Cheaper(changed))
    }
}

#[cfg(test)]
mod tests;
