//! Reading and checking a folder of scenario files.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    outline,
    rule::Rule,
    schema::{Scenario, Step, Storm, Suite},
};

/// Every scenario of a folder, by id.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    folder: PathBuf,
    scenarios: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    scenario: Scenario,
    /// The line on which each step begins.
    lines: Vec<usize>,
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
    /// A step that cannot be right.
    #[error("{}:{line}: step {}: {problem}", path.display(), step + 1)]
    Step {
        /// The file.
        path: PathBuf,
        /// Where the step begins.
        line: usize,
        /// Its index.
        step: usize,
        /// What is wrong and what to do.
        problem: String,
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
            let lines = outline::step_lines(&text);
            check_technique(&scenarios, &scenario).map_err(|problem| CatalogueError::Invalid {
                path: path.clone(),
                problem,
            })?;
            scenarios.insert(scenario.id.clone(), Entry { scenario, lines });
        }
        if scenarios.is_empty() {
            return Err(CatalogueError::Invalid {
                path: folder.to_owned(),
                problem: "holds no scenario (*.toml)".into(),
            });
        }
        Ok(Self {
            folder: folder.to_owned(),
            scenarios,
        })
    }

    /// The scenarios in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Scenario> {
        self.scenarios.values().map(|entry| &entry.scenario)
    }

    /// The error of a step that turns out to be wrong later.
    pub fn step_error(&self, scenario: &Scenario, step: usize, problem: String) -> CatalogueError {
        let entry = self.scenarios.get(&scenario.id);
        CatalogueError::Step {
            path: self.folder.join(&scenario.id).with_extension("toml"),
            line: entry
                .and_then(|entry| entry.lines.get(step).copied())
                .unwrap_or(1),
            step,
            problem,
        }
    }
}

/// Parse and check one file.
pub fn parse(path: &Path, text: &str) -> Result<Scenario, CatalogueError> {
    let step_error = |step: usize, problem: String| CatalogueError::Step {
        path: path.to_owned(),
        line: outline::step_lines(text).get(step).copied().unwrap_or(1),
        step,
        problem,
    };
    let scenario: Scenario =
        toml::from_str(text).map_err(|cause| match outline::broken_step(text) {
            // The parser itself points at the first step, whichever it is.
            Some((step, problem)) => step_error(step, problem),
            None => CatalogueError::Syntax {
                path: path.to_owned(),
                cause: Box::new(cause),
            },
        })?;
    check(path, &scenario).map_err(|problem| CatalogueError::Invalid {
        path: path.to_owned(),
        problem,
    })?;
    let known: Vec<&str> = scenario.rules.iter().map(|rule| rule.id.as_str()).collect();
    for (index, step) in scenario.steps.iter().enumerate() {
        check_step(step, &known).map_err(|problem| step_error(index, problem))?;
    }
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
    if scenario.steps.is_empty() {
        return Err("has no [[step]]".into());
    }
    match &scenario.bypass {
        None if scenario.suite == Suite::Bypass => {
            Err("is of suite \"bypass\" and has no [bypass]: say which technique it tries".into())
        }
        Some(bypass) => bypass
            .problem()
            .map_or(Ok(()), |problem| Err(problem.into())),
        None => Ok(()),
    }
}

/// A technique counts once.
fn check_technique(known: &BTreeMap<String, Entry>, scenario: &Scenario) -> Result<(), String> {
    let technique = |scenario: &Scenario| Some(scenario.bypass.as_ref()?.technique.clone());
    let Some(own) = technique(scenario) else {
        return Ok(());
    };
    let same = |entry: &&Entry| technique(&entry.scenario).as_ref() == Some(&own);
    match known.values().find(same) {
        Some(Entry { scenario, .. }) => Err(format!(
            "technique \"{own}\" is that of {} already: tell them apart",
            scenario.id
        )),
        None => Ok(()),
    }
}

fn check_step(step: &Step, known: &[&str]) -> Result<(), String> {
    match step {
        Step::Apply { exit, matches, .. } if (*exit == 0) != matches.is_object() => {
            Err("`matches` must be a table where the exit status is 0, and absent else".into())
        }
        Step::Start { without, .. }
        | Step::Reload { without, .. }
        | Step::Apply { without, .. } => check_without(without, known),
        Step::Unchanged { fields } if fields.is_empty() => {
            Err("`fields` is empty, so nothing is compared: name at least one field".into())
        }
        Step::Storm { storm } => check_storm(storm, known),
        Step::Event { count: 0, .. } => Err(
            "`count = 0` asks for nothing, so it would always pass: to say that no event \
             matches, write `do = \"no-event\"`"
                .into(),
        ),
        Step::Event { matches, .. } | Step::NoEvent { matches } => match matches.as_object() {
            None => Err("`matches` must be a table, such as { type = \"denial\" }".into()),
            Some(fields) if fields.is_empty() => {
                Err("`matches` is empty, so every line matches: name at least one field".into())
            }
            Some(_) => Ok(()),
        },
        Step::Health { matches, .. } if !matches.is_object() => {
            Err("`matches` must be a table, such as { healthy = true }".into())
        }
        _ => Ok(()),
    }
}

fn check_without(without: &[String], known: &[&str]) -> Result<(), String> {
    match without.iter().find(|id| !known.contains(&id.as_str())) {
        Some(id) => Err(format!(
            "`without` names rule \"{id}\", but the rules are {known:?}"
        )),
        None => Ok(()),
    }
}

/// Two policies at least, because an agent need not do anything to be given
/// the one that it has.
fn check_storm(storm: &Storm, known: &[&str]) -> Result<(), String> {
    if storm.without.len() < 2 || storm.without.windows(2).any(|two| two[0] == two[1]) {
        return Err("`without` must name two policies or more that differ: [[], [\"a\"]]".into());
    }
    if storm.rounds == 0 || storm.opens == 0 || storm.openers == 0 {
        return Err("`rounds`, `opens` and `openers` must be more than 0".into());
    }
    let mut policies = storm.without.iter();
    policies.try_for_each(|without| check_without(without, known))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::path::Path;

    fn problem(step: &str) -> String {
        let text = format!(
            "id = \"x\"\ntitle = \"t\"\n[[rule]]\nid = \"a\"\nfile = {{ path = \"/a\" }}\n[[step]]\n{step}"
        );
        match parse(Path::new("x.toml"), &text) {
            Ok(_) => "none".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_step_that_could_not_fail_or_not_pass_is_refused() {
        let check = |step: &str, expected: &str| {
            let found = problem(step);
            assert!(found.contains(expected), "{step}: {found}");
        };
        check("do = \"event\"\nmatches = { type = \"denial\" }", "none");
        check(
            "do = \"event\"\nmatches = { type = \"denial\" }\ncount = 0",
            "x.toml:6: step 1: `count = 0` asks for nothing",
        );
        check(
            "do = \"event\"\nmatches = { type = \"denial\" }\ncount = 0\nexactly = true",
            "do = \"no-event\"",
        );
        check("do = \"event\"\nmatches = {}", "`matches` is empty");
        check("do = \"no-event\"\nmatches = {}", "`matches` is empty");
        check("do = \"no-event\"\nmatches = \"denial\"", "must be a table");
        check("do = \"health\"\nmatches = 1", "must be a table");
        check("do = \"apply\"", "must be a table");
        check("do = \"apply\"\nexit = 4\nmatches = {}", "absent else");
        check("do = \"apply\"\nexit = 4", "none");
        check("do = \"unchanged\"\nfields = []", "`fields` is empty");
        check("do = \"health\"\nmatches = {}", "none");
        check(
            "do = \"start\"\nmode = \"audit\"\nwithout = [\"b\"]",
            "[\"a\"]",
        );
    }

    #[test]
    fn a_way_round_a_rule_is_named_with_where_it_is_described() {
        let check = |head: &str, expected: &str| {
            let text = format!("id = \"x\"\ntitle = \"t\"\n{head}\n[[step]]\ndo = \"detach\"\n");
            let found = match parse(Path::new("x.toml"), &text) {
                Ok(_) => "none".into(),
                Err(error) => error.to_string(),
            };
            assert!(found.contains(expected), "{head}: {found}");
        };
        check("suite = \"bypass\"", "has no [bypass]");
        check("suite = \"bypas\"", "unknown variant `bypas`");
        check("[bypass]\ntechnique = \"t\"", "missing field `reference`");
        check(
            "[bypass]\ntechnique = \"t\"\nreference = \" \"",
            "`bypass.reference` is empty",
        );
        check(
            "[bypass]\ntechnique = \"\"\nreference = \"r\"",
            "`bypass.technique` is empty",
        );
        check(
            "[bypass]\ntechnique = \"t\"\nreference = \"r\"\ngap = \"\"",
            "`bypass.gap` is empty",
        );
        check(
            "suite = \"bypass\"\n[bypass]\ntechnique = \"t\"\nreference = \"r\"",
            "none",
        );
    }

    #[test]
    fn no_technique_counts_twice() {
        let folder = tempfile::tempdir().unwrap();
        for id in ["a", "b"] {
            let text = format!(
                "id = \"{id}\"\ntitle = \"t\"\nbypass = {{ technique = \"t\", reference = \"r\" }}\n[[step]]\ndo = \"detach\"\n"
            );
            std::fs::write(folder.path().join(format!("{id}.toml")), text).unwrap();
        }
        let error = super::Catalogue::read(folder.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("b.toml: technique \"t\" is that of a already"),
            "{error}"
        );
    }

    #[test]
    fn a_mistake_in_a_step_is_told_with_the_line_of_that_step() {
        let second = |step: &str| problem(&format!("do = \"detach\"\n[[step]]\n{step}"));
        insta::assert_snapshot!(second("do = \"health\"\nmatches = {}\nexti = 1"), @r"x.toml:8: step 2: unknown field `exti`, expected `exit` or `matches`");
        insta::assert_snapshot!(second("do = \"helth\""), @r"x.toml:8: step 2: unknown variant `helth`, expected one of `start`, `reload`, `apply`, `probe`, `storm`, `hold`, `make`, `kill`, `signal`, `fault`, `lift`, `suspend`, `ends`, `accounting`, `detach`, `event`, `no-event`, `health`, `unchanged`, `links` in `do`");
        insta::assert_snapshot!(second("do = \"probe\"\nprobe = { open = { pth = \"/a\" } }\nexpect = \"allowed\""), @r"x.toml:8: step 2: unknown field `pth`, expected one of `path`, `access`, `by`, `cwd`");
        insta::assert_snapshot!(second("mode = \"audit\""), @r"x.toml:8: step 2: missing field `do`");
    }

    #[test]
    fn a_mistake_elsewhere_is_told_with_its_own_line() {
        let found = problem("do = \"detach\"\n[[setup]]\nfolder = { pth = \"/a\" }");
        assert!(found.contains("line 9"), "{found}");
        let found = problem("do = \"detach");
        assert!(found.contains("line 7"), "{found}");
    }
}
