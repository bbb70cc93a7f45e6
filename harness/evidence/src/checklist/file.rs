//! The format that people write. Its schema is docs/schema/checklist.schema.json.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::Priority;
use crate::{
    moment::Age,
    predicate::{
        alerting::AlertingExpected,
        attestation::Attested,
        backup::Backup,
        command::Expected,
        contract::Contract,
        cyclonedx::{Advisories, Sbom},
        e2e::E2e,
        file::File,
        http::HttpExpected,
        json::Condition,
        junit::Junit,
        perf::PerfCount,
        prometheus::Threshold,
        rollback::Rollback,
        sarif::Sarif,
        tls::TlsExpected,
    },
    rollout::Phase,
    service::{
        alerting::AlertingAsked, http::HttpAsked, prometheus::PrometheusAsked, tls::TlsAsked,
    },
};

/// Raised when a field changes its meaning or goes.
pub const VERSION: u32 = 1;

/// What must be shown before something goes live.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Checklist")]
pub(crate) struct ChecklistFile {
    /// The version of this format: 1.
    #[schemars(with = "u32")]
    pub(super) version: Spanned<u32>,
    /// Its name in files and commands.
    pub(super) id: String,
    /// Its name for people.
    pub(super) title: String,
    /// How many items may be waived at a time.
    #[serde(default)]
    pub(super) most_waivers: usize,
    /// What evidence is about, by name; exactly one source each.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, SubjectTable>")]
    pub(super) subject: BTreeMap<String, Spanned<SubjectTable>>,
    /// Where evidence comes from, by name; exactly one of `file`, `run`,
    /// `command`, `http`, `tls`, `prometheus` and `alerting` each.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, EvidenceTable>")]
    pub(super) evidence: BTreeMap<String, Spanned<EvidenceTable>>,
    /// What must be shown.
    #[schemars(with = "Vec<ItemTable>")]
    pub(super) item: Vec<Spanned<ItemTable>>,
}

/// What evidence is about.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubjectTable {
    /// In words.
    pub(super) what: String,
    /// The content of this file.
    pub(super) file: Option<String>,
    /// The commit that is checked out in this folder.
    pub(super) commit_of: Option<String>,
    /// What this command prints.
    pub(super) output_of: Option<Vec<String>>,
    /// The content of a file whose path this command prints, on a line by
    /// itself.
    pub(super) named_by: Option<Vec<String>>,
    /// The last part of that path.
    pub(super) name: Option<String>,
}

/// Where a piece of evidence comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvidenceTable {
    /// A file that something else has made.
    pub(super) file: Option<String>,
    /// For a file: the subjects that whoever collects vouches for. What the
    /// file says itself is believed over it.
    #[serde(default)]
    pub(super) about: Vec<String>,
    /// A command; what it prints is the evidence, whatever its exit code.
    pub(super) run: Option<Vec<String>>,
    /// For `run`: a file that it writes, which is the evidence instead.
    pub(super) output: Option<String>,
    /// A command; how it ends and what it prints is the evidence.
    pub(super) command: Option<Vec<String>>,
    /// Requests to a running service; the answers are the evidence.
    pub(super) http: Option<HttpAsked>,
    /// An address with TLS; what it shows and speaks is the evidence.
    pub(super) tls: Option<TlsAsked>,
    /// A query of Prometheus; its samples are the evidence.
    pub(super) prometheus: Option<PrometheusAsked>,
    /// A Prometheus and its Alertmanager; their rules and alerts are the
    /// evidence.
    pub(super) alerting: Option<AlertingAsked>,
    /// How long a command may take, 10 minutes when it is not said; or each
    /// question to a service, 10 seconds when it is not said.
    pub(super) timeout: Option<Age>,
    /// How much a command may print; 64 MiB for `run`, 64 KiB for `command`
    /// when it is not said.
    pub(super) most_bytes: Option<usize>,
}

/// One thing that must be shown.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemTable {
    /// Unique.
    #[schemars(with = "String")]
    pub(super) id: Spanned<String>,
    /// The part of the checklist.
    pub(super) area: String,
    /// What must be the case.
    pub(super) text: String,
    /// P0 must be and cannot be waived, P1 should be, P2 is a matter of
    /// maturity; none is as P2.
    pub(super) priority: Option<Priority>,
    /// Who sees to it.
    pub(super) owner: String,
    /// What PASS means.
    pub(super) pass: String,
    /// What FAIL means.
    pub(super) fail: String,
    /// Why it is of no concern here, if it is not.
    #[schemars(with = "Option<String>")]
    pub(super) not_applicable: Option<Spanned<String>>,
    /// The phase of a rollout that it decides, if it does. Phases are P0: none
    /// can be waived.
    pub(super) phase: Option<Phase>,
    /// What must be shown; all of it.
    #[serde(default)]
    #[schemars(with = "Vec<PredicateTable>")]
    pub(super) predicate: Vec<Spanned<PredicateTable>>,
}

/// A claim that rests on one piece of evidence: exactly one of the tests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PredicateTable {
    /// The evidence, by its name above.
    #[schemars(with = "String")]
    pub(super) evidence: Spanned<String>,
    /// How old it may be.
    pub(super) max_age: Age,
    /// The subjects that it must be about; at least one.
    #[schemars(with = "Vec<String>")]
    pub(super) about: Vec<Spanned<String>>,
    /// Cells of `cargo xtask e2e`.
    pub(super) e2e: Option<E2e>,
    /// Verdicts of `cargo xtask perf count`.
    pub(super) perf_count: Option<PerfCount>,
    /// Tests, from anywhere.
    pub(super) junit: Option<Junit>,
    /// Findings, from anywhere.
    pub(super) sarif: Option<Sarif>,
    /// Values in a JSON text.
    pub(super) json: Option<Vec<Condition>>,
    /// A content.
    pub(super) is_file: Option<File>,
    /// How a command ended.
    pub(super) command: Option<Expected>,
    /// A signed statement.
    pub(super) attestation: Option<Attested>,
    /// Backups and restores.
    pub(super) backup: Option<Backup>,
    /// A release that was taken back.
    pub(super) rollback: Option<Rollback>,
    /// An interface against the one before, by a differ's exit code.
    pub(super) contract: Option<Contract>,
    /// What a build is made of, in CycloneDX.
    pub(super) sbom: Option<Sbom>,
    /// What is known against it, in CycloneDX.
    pub(super) advisories: Option<Advisories>,
    /// Answers of a running service.
    pub(super) http: Option<Vec<HttpExpected>>,
    /// Certificates and versions of TLS.
    pub(super) tls: Option<TlsExpected>,
    /// Metrics.
    pub(super) prometheus: Option<Threshold>,
    /// Alert rules and alerts.
    pub(super) alerting: Option<AlertingExpected>,
}
