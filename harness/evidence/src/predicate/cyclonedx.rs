//! CycloneDX: what a build is made of, and what is known against it.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Reading, Stated, some};
use crate::{cause::Cause, digest::Identity, moment::Moment};

/// Versions of the format in which what is read means the same.
const VERSIONS: [&str; 4] = ["1.4", "1.5", "1.6", "1.7"];

/// Every component has a version, and a licence that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sbom {
    /// Licences by their SPDX names; of `A OR B` one is enough.
    licences: Vec<String>,
    /// How many components there must be at least.
    at_least: usize,
}

/// Nothing is known against any component that nobody has looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Advisories {
    /// The scanner's name, among the tools.
    tool: String,
    /// How bad what is known may be at worst.
    at_worst: Severity,
}

/// How bad it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Not at all.
    None,
    /// Somebody should know.
    Info,
    /// A little.
    Low,
    /// Not good.
    Medium,
    /// Bad.
    High,
    /// As bad as can be; so is what nobody has rated.
    #[serde(other)]
    Critical,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    #[serde(rename = "bomFormat")]
    format: String,
    spec_version: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    components: Vec<Component>,
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    timestamp: Option<Moment>,
    #[serde(default)]
    tools: Value,
    #[serde(default)]
    properties: Vec<Property>,
}

#[derive(Deserialize)]
struct Property {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct Component {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    licenses: Vec<Licence>,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Licence {
    expression: Option<String>,
    license: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Vulnerability {
    id: String,
    #[serde(default)]
    ratings: Vec<Rating>,
    analysis: Option<Analysis>,
}

#[derive(Deserialize)]
struct Rating {
    severity: Option<Severity>,
}

#[derive(Deserialize)]
struct Analysis {
    state: Option<String>,
}

impl Sbom {
    pub(super) fn problem(&self) -> Option<String> {
        if self.licences.is_empty() || self.at_least == 0 {
            return Some("no licence or no component: it could not pass, or always would".into());
        }
        let bad = self
            .licences
            .iter()
            .find(|name| spdx::Licensee::parse(name).is_err())?;
        Some(format!("`{bad}` is no licence that SPDX knows"))
    }

    pub(super) fn read(&self, bytes: &[u8]) -> Result<Reading, Cause> {
        let bom = Bom::read(bytes)?;
        let all = all(&bom.components);
        let mut causes = Vec::new();
        let named = |wanted: &dyn Fn(&&&Component) -> bool| -> Vec<String> {
            all.iter().filter(wanted).map(ToString::to_string).collect()
        };
        let unversioned = named(&|one| one.version.trim().is_empty());
        if !unversioned.is_empty() {
            causes.push(Cause::failed(format!(
                "without a version: {}",
                some(&unversioned)
            )));
        }
        let unlicensed = named(&|one| one.licenses.is_empty());
        if !unlicensed.is_empty() {
            causes.push(Cause::failed(format!(
                "without a licence: {}",
                some(&unlicensed)
            )));
        }
        let refused: Vec<String> = all
            .iter()
            .filter_map(|one| Some(format!("{one} ({})", self.refused(one)?)))
            .collect();
        if !refused.is_empty() {
            causes.push(Cause::failed(format!(
                "licences that are not allowed: {}",
                some(&refused)
            )));
        }
        if all.len() < self.at_least {
            let (found, least) = (all.len(), self.at_least);
            causes.push(Cause::inconclusive(format!(
                "{found} components; {least} must be there"
            )));
        }
        let shown = format!(
            "{} components with versions and allowed licences",
            all.len()
        );
        Ok(Reading::of(bom.stated()?, causes, shown))
    }

    /// A licence that is not allowed, or cannot be understood.
    fn refused(&self, component: &Component) -> Option<String> {
        let allowed: Vec<spdx::Licensee> = self
            .licences
            .iter()
            .filter_map(|name| spdx::Licensee::parse(name).ok())
            .collect();
        let texts = component.licenses.iter().map(Licence::text);
        texts.into_iter().find(|text| {
            let parsed = spdx::Expression::parse_mode(text, spdx::ParseMode::LAX);
            !parsed.is_ok_and(|expression| {
                expression.evaluate(|one| allowed.iter().any(|allowed| allowed.satisfies(one)))
            })
        })
    }
}

impl Advisories {
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Reading, Cause> {
        let bom = Bom::read(bytes)?;
        let mut causes = Vec::new();
        if !bom.is_of_tool(&self.tool) {
            let tool = &self.tool;
            causes.push(Cause::inconclusive(format!(
                "`{tool}` is not among its tools"
            )));
        }
        if bom.components.is_empty() {
            causes.push(Cause::inconclusive(
                "it has no components that one could know something against",
            ));
        }
        match &bom.vulnerabilities {
            None => causes.push(Cause::inconclusive("nobody looked for advisories")),
            Some(all) => {
                let open = all
                    .iter()
                    .filter(|one| one.counts() && one.severity() > self.at_worst);
                let open: Vec<String> = open.map(|one| one.id.clone()).collect();
                if !open.is_empty() {
                    causes.push(Cause::failed(some(&open)));
                }
            }
        }
        let known = bom.vulnerabilities.as_ref().map_or(0, Vec::len);
        let shown = format!("{known} advisories, none that matters");
        Ok(Reading::of(bom.stated()?, causes, shown))
    }
}

impl Bom {
    fn read(bytes: &[u8]) -> Result<Self, Cause> {
        let bom: Self = serde_json::from_slice(bytes).map_err(Cause::unparsable)?;
        if bom.format != "CycloneDX" || !VERSIONS.contains(&bom.spec_version.as_str()) {
            let (format, version) = (&bom.format, &bom.spec_version);
            let known = VERSIONS.join(", ");
            return Err(Cause::unparsable(format!(
                "{format} {version}; expected CycloneDX of {known}"
            )));
        }
        Ok(bom)
    }

    fn stated(&self) -> Result<Stated, Cause> {
        let mut subjects = BTreeMap::new();
        for Property { name, value } in &self.metadata.properties {
            if let Some(name) = name.strip_prefix("subject:") {
                let identity: Identity = value.parse().map_err(Cause::unparsable)?;
                subjects.insert(name.to_owned(), identity);
            }
        }
        Ok(Stated {
            subjects,
            at: self.metadata.timestamp,
            ..Stated::default()
        })
    }

    /// Older versions have a list, newer ones components.
    fn is_of_tool(&self, wanted: &str) -> bool {
        let tools = &self.metadata.tools;
        let lists = [tools.as_array(), tools["components"].as_array()];
        let mut tools = lists.into_iter().flatten().flatten();
        tools.any(|tool| tool["name"] == wanted)
    }
}

impl Vulnerability {
    /// The worst that anybody says.
    fn severity(&self) -> Severity {
        let ratings = self.ratings.iter().filter_map(|rating| rating.severity);
        ratings.max().unwrap_or(Severity::Critical)
    }

    fn counts(&self) -> bool {
        let state = self.analysis.as_ref().and_then(|one| one.state.as_deref());
        !matches!(
            state,
            Some("resolved" | "resolved_with_pedigree" | "false_positive" | "not_affected")
        )
    }
}

impl Licence {
    fn text(&self) -> String {
        let named = self.license.as_ref();
        let named = named.and_then(|one| one.id.as_ref().or(one.name.as_ref()));
        let text = self.expression.as_ref().or(named);
        text.cloned().unwrap_or_else(|| "nothing".into())
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Components and those within them.
fn all(components: &[Component]) -> Vec<&Component> {
    let within = components.iter().flat_map(|one| all(&one.components));
    components
        .iter()
        .chain(within.collect::<Vec<_>>())
        .collect()
}
