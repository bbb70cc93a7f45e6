//! Who is put through the scenarios, by name or by the folder of an adapter.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::Result;
use harness::{Adapter, AegisBpf, Null, adapter::Declared};
use kernel_matrix::UnknownName;
use serde::{Deserialize, Serialize};

use crate::{
    exit_code::{ExitCode, OrExit as _},
    workspace,
};

/// Where the project's own adapters are.
const ADAPTERS: &str = "adapters";

/// Who is put through the scenarios.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Agent {
    /// The agent of this project.
    Aegisbpf,
    /// Nobody.
    Null,
    /// One that the project has an adapter for, by its name.
    Named(String),
    /// One whose adapter is in this folder.
    Folder(PathBuf),
}

/// An agent, ready to be planned with.
pub(crate) enum Loaded {
    /// The agent of this project.
    Aegisbpf,
    /// Nobody.
    Null,
    /// By its adapter.
    Declared(Box<Declared>),
}

impl Loaded {
    pub(crate) fn adapter(&self) -> &dyn Adapter {
        match self {
            Self::Aegisbpf => &AegisBpf,
            Self::Null => &Null,
            Self::Declared(declared) => &**declared,
        }
    }

    pub(crate) fn declared(&self) -> Option<&Declared> {
        match self {
            Self::Declared(declared) => Some(declared),
            Self::Aegisbpf | Self::Null => None,
        }
    }
}

impl Agent {
    pub(crate) fn load(&self) -> Result<Loaded> {
        Ok(match self {
            Self::Aegisbpf => Loaded::Aegisbpf,
            Self::Null => Loaded::Null,
            Self::Named(_) | Self::Folder(_) => {
                let folder = self.folder().unwrap_or_default();
                let declared = Declared::read(&folder).or_exit(ExitCode::Usage)?;
                Loaded::Declared(Box::new(declared))
            }
        })
    }

    /// Where its adapter is, if it has one.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::Aegisbpf | Self::Null => None,
            Self::Named(name) => Some(workspace::root().join(ADAPTERS).join(name)),
            Self::Folder(folder) => Some(folder.clone()),
        }
    }

    /// What [`Self::folder`] says, where a name does not say it already.
    pub(crate) fn own_folder(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.clone()),
            Self::Aegisbpf | Self::Null | Self::Named(_) => None,
        }
    }
}

impl FromStr for Agent {
    type Err = String;

    /// What has a slash in it is a folder.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "aegisbpf" => return Ok(Self::Aegisbpf),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        if text.contains('/') || text == "." {
            let folder =
                std::path::absolute(text).map_err(|error| format!("cannot use {text}: {error}"))?;
            return Ok(Self::Folder(folder));
        }
        let known = names(&workspace::root().join(ADAPTERS));
        if known.iter().any(|name| name == text) {
            return Ok(Self::Named(text.into()));
        }
        let known = ["aegisbpf".into(), "null".into()].into_iter().chain(known);
        let unknown = UnknownName::new("agent", text, known);
        Err(format!(
            "{unknown}; the folder of an adapter of your own needs a slash, such as ./{text}"
        ))
    }
}

/// The folders that hold an adapter, by name.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join("adapter.toml").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aegisbpf => f.write_str("aegisbpf"),
            Self::Null => f.write_str("null"),
            Self::Named(name) => f.write_str(name),
            Self::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}

impl TryFrom<String> for Agent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Agent> for String {
    fn from(agent: Agent) -> Self {
        agent.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Agent;

    #[test]
    fn an_agent_is_a_name_or_a_folder_and_is_read_back() {
        for text in ["aegisbpf", "null", "apparmor", "/somewhere/else"] {
            let agent: Agent = text.parse().unwrap();
            assert_eq!(agent.to_string(), text);
        }
        let error = "aparmor".parse::<Agent>().unwrap_err();
        assert!(error.contains("did you mean apparmor?"), "{error}");
        assert!(error.contains("./aparmor"), "{error}");
    }

    #[test]
    fn every_adapter_of_the_project_can_be_used() {
        for name in super::names(&crate::workspace::root().join(super::ADAPTERS)) {
            let loaded = Agent::Named(name.clone()).load().unwrap();
            assert_eq!(loaded.adapter().name(), name);
        }
    }
}
