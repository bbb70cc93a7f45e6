//! Finding a checklist: a shipped one by its name, any other by its path.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use evidence::Checklist;
use kernel_matrix::unknown::UnknownName;

use crate::{
    exit_code::{ExitCode, OrExit as _},
    workspace,
};

/// Where the shipped ones are.
const SHIPPED: &str = "docs/checklists";

/// A checklist with all that collecting needs to know of its file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) checklist: Checklist,
    pub(crate) text: String,
    /// Where its commands run and its paths begin: the sources' root for a
    /// shipped one, else the folder from which we were called.
    pub(crate) folder: PathBuf,
}

/// Find, read and check it.
pub(crate) fn find(name: &str) -> Result<Found> {
    let is_path = name.contains(['/', '.']);
    let path = if is_path {
        PathBuf::from(name)
    } else {
        shipped(name).or_exit(ExitCode::Usage)?
    };
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the checklist {}", path.display()))
        .or_exit(ExitCode::Usage)?;
    let checklist =
        Checklist::parse(&path.display().to_string(), &text).or_exit(ExitCode::Usage)?;
    let folder = if is_path {
        std::env::current_dir().context("there is no current folder")?
    } else {
        workspace::root()
    };
    Ok(Found {
        checklist,
        text,
        folder,
    })
}

fn shipped(name: &str) -> Result<PathBuf, UnknownName> {
    let folder = workspace::root().join(SHIPPED);
    let path = folder.join(format!("{name}.toml"));
    if path.is_file() {
        return Ok(path);
    }
    Err(UnknownName::new("checklist", name, names(&folder)))
}

/// The names of the shipped ones.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::{SHIPPED, find, names};
    use crate::workspace;

    #[test]
    fn every_shipped_checklist_is_sound() {
        let names = names(&workspace::root().join(SHIPPED));
        assert!(names.iter().any(|name| name == "agent-release"));
        for name in names {
            let found = find(&name).unwrap_or_else(|error| panic!("{error:#}"));
            assert_eq!(found.checklist.id, name);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_likeliest() {
        let error = find("agent-relase").unwrap_err().to_string();
        assert!(error.contains("did you mean agent-release?"), "{error}");
        let error = find("./no/such.toml").unwrap_err().to_string();
        assert!(error.contains("no/such.toml"), "{error}");
    }

    /// A scenario that is renamed must not leave the checklist asking for cells
    /// that nobody runs; what must run must be asked for.
    #[test]
    fn the_agents_checklist_names_scenarios_and_kernels_that_exist() {
        let text = find("agent-release").unwrap().text;
        let written: toml::Value = toml::from_str(&text).unwrap();
        let catalogue =
            scenarios::Catalogue::read(&workspace::root().join("scenarios/catalogue")).unwrap();
        let known: Vec<&str> = catalogue.iter().map(|one| one.id.as_str()).collect();
        let matrix = kernel_matrix::Matrix::load().unwrap();
        let mut asked_for = Vec::new();
        let items = written["item"].as_array().unwrap();
        for predicate in items
            .iter()
            .flat_map(|item| item["predicate"].as_array().unwrap())
        {
            let Some(e2e) = predicate.get("e2e") else {
                continue;
            };
            for scenario in e2e["scenarios"].as_array().unwrap() {
                let scenario = scenario.as_str().unwrap().to_owned();
                assert!(known.contains(&scenario.as_str()), "{scenario}");
                asked_for.push(scenario);
            }
            for kernel in e2e["kernels"].as_array().unwrap() {
                matrix.kernel(kernel.as_str().unwrap()).unwrap();
            }
        }
        for scenario in catalogue.iter().filter(|one| one.must_run) {
            // The large storms are of the nightly tier; the small ones are asked for.
            if matches!(scenario.id.as_str(), "storm-kill" | "storm-swap") {
                continue;
            }
            assert!(asked_for.contains(&scenario.id), "{} must run", scenario.id);
        }
        let kernels = items
            .iter()
            .find(|item| item["id"].as_str() == Some("kernels"))
            .unwrap();
        let named = kernels["predicate"][0]["e2e"]["kernels"]
            .as_array()
            .unwrap();
        assert_eq!(
            named.len(),
            matrix.kernels().count(),
            "every kernel is claimed"
        );
    }
}
