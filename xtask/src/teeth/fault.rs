//! A fault as data: what it breaks, how, and which cells must notice it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use harness::FailCode;
use kernel_matrix::BootMode;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One seeded fault: a file of `faults/`, named by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The stem of its file.
    pub name: String,
    /// What it breaks, in a sentence.
    pub breaks: String,
    /// The changes to the sources.
    pub edits: Vec<Edit>,
    /// Where it must be noticed.
    pub cells: Vec<Expected>,
}

/// A change to one file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Relative to the root of the sources.
    pub file: PathBuf,
    /// Occurs exactly once in it.
    pub find: String,
    /// What comes in its place.
    pub replace: String,
}

/// A cell and how it must fail, written down before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The scenario.
    pub scenario: String,
    /// How the kernel is booted.
    pub boot_mode: BootMode,
    /// The code of the failure.
    pub code: FailCode,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultFile {
    breaks: String,
    #[serde(rename = "edit")]
    edits: Vec<Edit>,
    #[serde(rename = "cell")]
    cells: Vec<Expected>,
}

/// Why the faults cannot be used. Each names the file.
#[derive(Debug, Error)]
pub enum FaultError {
    /// The folder or a file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// Folder or file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Not TOML, an unknown field, or no failure code.
    #[error("{} is not a fault:\n{cause}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// With line, column and what was expected.
        cause: Box<toml::de::Error>,
    },
    /// It changes nothing, or nobody has to notice it.
    #[error("{} needs at least one [[edit]] and one [[cell]]", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Every fault of a folder, by name.
pub fn read_all(folder: &Path) -> Result<Vec<Fault>, FaultError> {
    let read_error = |path: &Path| {
        let path = path.to_owned();
        move |cause| FaultError::Read { path, cause }
    };
    let mut faults = Vec::new();
    for entry in fs::read_dir(folder).map_err(read_error(folder))? {
        let path = entry.map_err(read_error(folder))?.path();
        if path.extension().is_some_and(|end| end == "toml") {
            let text = fs::read_to_string(&path).map_err(read_error(&path))?;
            faults.push(parse(&path, &text)?);
        }
    }
    faults.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(faults)
}

fn parse(path: &Path, text: &str) -> Result<Fault, FaultError> {
    let file: FaultFile = toml::from_str(text).map_err(|cause| FaultError::Syntax {
        path: path.to_owned(),
        cause: Box::new(cause),
    })?;
    if file.edits.is_empty() || file.cells.is_empty() {
        return Err(FaultError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(Fault {
        name: path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        breaks: file.breaks,
        edits: file.edits,
        cells: file.cells,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::path::Path;

    #[test]
    fn a_fault_without_a_cell_or_with_an_unknown_code_is_refused() {
        let edit = "breaks = \"b\"\n[[edit]]\nfile = \"f\"\nfind = \"a\"\nreplace = \"b\"\n";
        let check = |rest: &str, problem: &str| {
            let parsed = parse(Path::new("x/name.toml"), &format!("{edit}{rest}"));
            match parsed {
                Ok(fault) => assert_eq!((fault.name.as_str(), problem), ("name", "")),
                Err(error) => {
                    assert!(!problem.is_empty(), "{error}");
                    assert!(error.to_string().contains(problem), "{error}");
                }
            }
        };
        let cell = |code: &str| {
            format!("[[cell]]\nscenario = \"s\"\nboot_mode = \"bpf-lsm\"\ncode = \"{code}\"\n")
        };
        check(&cell("not-denied"), "");
        check(&cell("nonsense"), "unknown variant `nonsense`");
        check("", "missing field `cell`");
        check(&format!("{}extra = 1\n", cell("not-denied")), "extra");
        let nothing = parse(
            Path::new("x.toml"),
            "breaks = \"b\"\nedit = []\ncell = []\n",
        );
        assert!(nothing.unwrap_err().to_string().contains("at least one"));
    }
}
