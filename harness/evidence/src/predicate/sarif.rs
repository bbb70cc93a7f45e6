//! Findings of scanners, as SARIF 2.1.0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, Stated, some};
use crate::{cause::Cause, digest::Identity};

const VERSION: &str = "2.1.0";

/// How many findings there may be that nobody has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sarif {
    /// The tool that must have run, as it names itself.
    tool: String,
    /// Findings of level `error`.
    #[serde(default)]
    errors: usize,
    /// Findings of level `warning`.
    #[serde(default)]
    warnings: usize,
    /// Findings of level `note`; any number when it is not said.
    #[serde(default)]
    notes: Option<usize>,
}

#[derive(Deserialize)]
struct Log {
    version: String,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    /// Absent when the tool did not look for any.
    results: Option<Vec<Finding>>,
    #[serde(default)]
    invocations: Vec<Invocation>,
    #[serde(default)]
    version_control_provenance: Vec<Provenance>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Driver,
}

#[derive(Deserialize)]
struct Driver {
    name: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    default_configuration: Option<Configuration>,
}

#[derive(Deserialize)]
struct Configuration {
    level: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provenance {
    revision_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: Option<String>,
    level: Option<String>,
    kind: Option<String>,
    baseline_state: Option<String>,
    #[serde(default)]
    suppressions: Vec<Suppression>,
}

#[derive(Deserialize)]
struct Suppression {
    status: Option<String>,
}

impl Finding {
    /// Whether it is a finding at all, and nobody has accepted it.
    fn stands(&self) -> bool {
        let accepted = self.suppressions.iter().any(|suppression| {
            !matches!(
                suppression.status.as_deref(),
                Some("underReview" | "rejected")
            )
        });
        let is_finding = matches!(
            self.kind.as_deref(),
            None | Some("fail" | "open" | "review")
        );
        is_finding && !accepted && self.baseline_state.as_deref() != Some("absent")
    }

    /// Its own level, else its rule's, else the one of the specification.
    fn level<'a>(&'a self, rules: &'a [Rule]) -> &'a str {
        let of_rule = || {
            let id = self.rule_id.as_deref()?;
            let rule = rules.iter().find(|rule| rule.id == id)?;
            rule.default_configuration.as_ref()?.level.as_deref()
        };
        self.level.as_deref().or_else(of_rule).unwrap_or("warning")
    }
}

impl Sarif {
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Reading, Cause> {
        let log: Log = serde_json::from_slice(bytes).map_err(Cause::unparsable)?;
        if log.version != VERSION {
            let found = log.version;
            return Err(Cause::unparsable(format!(
                "SARIF {found}; expected {VERSION}"
            )));
        }
        let own = |run: &&Run| run.tool.driver.name == self.tool;
        let runs: Vec<&Run> = log.runs.iter().filter(own).collect();
        let mut provenance = runs.iter().flat_map(|run| &run.version_control_provenance);
        let revision = provenance.find_map(|one| one.revision_id.as_deref());
        let stated = Stated {
            commit: revision.and_then(Identity::of_described),
            ..Stated::default()
        };
        let causes = self.causes(&runs);
        let shown = format!("{} found nothing that was not accepted", self.tool);
        Ok(Reading::of(stated, causes, shown))
    }

    fn causes(&self, runs: &[&Run]) -> Vec<Cause> {
        let tool = &self.tool;
        if runs.is_empty() {
            return vec![Cause::inconclusive(format!("no run of {tool}"))];
        }
        let mut invocations = runs.iter().flat_map(|run| &run.invocations);
        if invocations.any(|invocation| !invocation.execution_successful) {
            return vec![Cause::inconclusive(format!("{tool} did not finish"))];
        }
        if runs.iter().any(|run| run.results.is_none()) {
            return vec![Cause::inconclusive(format!("{tool} gave no results"))];
        }
        let found = |level: &str| -> Vec<String> {
            let all = runs.iter().flat_map(|run| {
                let results = run.results.iter().flatten();
                results.map(|finding| (finding, &run.tool.driver.rules))
            });
            all.filter(|(finding, rules)| finding.stands() && finding.level(rules) == level)
                .map(|(finding, _)| finding.rule_id.clone().unwrap_or_else(|| "?".into()))
                .collect()
        };
        let bounds = [
            ("error", Some(self.errors)),
            ("warning", Some(self.warnings)),
            ("note", self.notes),
        ];
        let beyond = |(level, most): (&str, Option<usize>)| {
            let (rules, most) = (found(level), most?);
            (rules.len() > most).then(|| {
                let (count, rules) = (rules.len(), some(&rules));
                Cause::failed(format!("{count} of level {level}, at most {most}: {rules}"))
            })
        };
        bounds.into_iter().filter_map(beyond).collect()
    }
}
