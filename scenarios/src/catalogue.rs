//! Reading and checking a folder of scenario files.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    rule::Rule,
    schema::{Scenario, Step},
};

/// Every scenario of a folder, by id.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    scenarios: BTreeMap<String, Scenario>,
}

/// Why a catalogue cannot be used. Each names the file.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// The folder or a file cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// Folder or file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Not TOML, an unknown field, or a value of another type.
    #[error("{path} is not a scenario:\n{cause}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// With line, column and what was expected.
        cause: Box<toml::de::Error>,
    },
    /// Well-formed but inconsistent.
    #[error("{path}: {problem}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl Catalogue {
    /// Read every `*.toml` of a folder.
    pub fn read(folder: &Path) -> Result<Self, CatalogueError> {
        let read_error = |path: &Path| {
            let path = path.to_owned();
            move |cause| CatalogueError::Read { path, cause }
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(read_error(folder))? {
            let path = entry.map_err(read_error(folder))?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                paths.push(path);
            }
        }
        paths.sort();
        let mut scenarios = BTreeMap::new();
        for path in paths {
            let text = fs::read_to_string(&path).map_err(read_error(&path))?;
            let scenario = parse(&path, &text)?;
            scenarios.insert(scenario.id.clone(), scenario);
        }
        if scenarios.is_empty() {
            return Err(CatalogueError::Invalid {
                path: folder.to_owned(),
                problem: "holds no scenario (*.toml)".into(),
            });
        }
        Ok(Self { scenarios })
    }

    /// The scenarios in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Scenario> {
        self.scenarios.values()
    }
}

/// Parse and check one file.
pub fn parse(path: &Path, text: &str) -> Result<Scenario, CatalogueError> {
    let scenario: Scenario = toml::from_str(text).map_err(|cause| CatalogueError::Syntax {
        path: path.to_owned(),
        cause: Box::new(cause),
    })?;
    check(path, &scenario).map_err(|problem| CatalogueError::Invalid {
        path: path.to_owned(),
        problem,
    })?;
    Ok(scenario)
}

fn check(path: &Path, scenario: &Scenario) -> Result<(), String> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if scenario.id != stem {
        return Err(format!(
            "id is \"{}\" but the file is named \"{stem}\": make them equal",
            scenario.id
        ));
    }
    let known: Vec<&str> = scenario.rules.iter().map(|rule| rule.id.as_str()).collect();
    for (index, id) in known.iter().enumerate() {
        if known[..index].contains(id) {
            return Err(format!("two rules have the id \"{id}\""));
        }
    }
    if let Some(problem) = scenario.rules.iter().find_map(Rule::problem) {
        return Err(problem);
    }
    for step in &scenario.steps {
        if let Step::Start { without, .. } | Step::Reload { without, .. } = step {
            for id in without {
                if !known.contains(&id.as_str()) {
                    return Err(format!(
                        "`without` names rule \"{id}\", but the rules are {known:?}"
                    ));
                }
            }
        }
    }
    if scenario.steps.is_empty() {
        return Err("has no [[step]]".into());
    }
    Ok(())
}
