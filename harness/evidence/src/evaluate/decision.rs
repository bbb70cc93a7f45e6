//! What is decided. Its schema is docs/schema/gate-decision.schema.json.

use std::{collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use crate::{
    cause::Cause,
    checklist::{Item, Priority},
    digest::{Digest, Identity},
    moment::Moment,
    rollout::Rollout,
};

/// Raised when a field changes its meaning or goes; new ones do not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// The decision and everything that it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Decision {
    /// The version of this format.
    pub schema_version: u32,
    /// GO or NO-GO.
    pub verdict: Verdict,
    /// The checklist's id.
    pub checklist: String,
    /// The checklist's title.
    pub title: String,
    /// When it was decided.
    pub decided: Moment,
    /// What the evidence is known by.
    pub evidence_root: Digest,
    /// When it was collected.
    pub collected: Moment,
    /// Who signed that.
    pub collector: String,
    /// The bundle's place in its chain.
    pub sequence: u64,
    /// Whether the keys are for trying things out, so that nobody else need
    /// believe it.
    pub development_keys: bool,
    /// What is to go live.
    pub subjects: BTreeMap<String, Identity>,
    /// What stands against it besides items.
    pub objections: Vec<Objection>,
    /// Every item, in the checklist's order.
    pub items: Vec<ItemResult>,
    /// Where a rollout stands, if the checklist has phases.
    pub rollout: Option<Rollout>,
    /// Every waiver in the bundle.
    pub waivers: Vec<WaiverResult>,
    /// Every role that must sign off.
    pub sign_offs: Vec<SignOffResult>,
    /// What passes or is waived now and will not for ever, the next first.
    pub expiries: Vec<Expiry>,
}

/// May it go live?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Verdict {
    /// Yes.
    #[serde(rename = "GO")]
    Go,
    /// No.
    #[serde(rename = "NO-GO")]
    NoGo,
}

/// What stands against going live besides items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "objection")]
pub enum Objection {
    /// The evidence was collected for another checklist.
    OtherChecklist {
        /// The one that is asked about.
        expected: Digest,
        /// The one that it was collected for.
        found: Digest,
    },
    /// The evidence was collected later than now.
    FromTheFuture {
        /// When it says that it was collected.
        collected: Moment,
    },
    /// Too few signed off.
    SignOffs {
        /// As what.
        role: String,
        /// How many did.
        signed: usize,
        /// How many must.
        at_least: usize,
    },
}

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ItemResult {
    /// Its id.
    pub id: String,
    /// Its area.
    pub area: String,
    /// What must be the case.
    pub text: String,
    /// How much it matters.
    pub priority: Option<Priority>,
    /// Who sees to it.
    pub owner: String,
    /// What PASS or FAIL means, whichever it is.
    pub means: String,
    /// Which it is.
    pub status: Status,
    /// Why it is of no concern here, if it is not.
    pub not_applicable: Option<String>,
    /// Everything that must be shown.
    pub predicates: Vec<PredicateResult>,
    /// The waiver that holds, by its place among the waivers.
    pub waiver: Option<usize>,
}

/// What an item comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// All is shown.
    Pass,
    /// Something is not.
    Fail,
    /// Something is not, and may be missing for a while.
    Waived,
    /// It is of no concern here.
    NotApplicable,
}

/// What became of a predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PredicateResult {
    /// The evidence, by its name in the checklist.
    pub evidence: String,
    /// The kind of test.
    pub kind: String,
    /// The content of the evidence, if there is any.
    pub digest: Option<Digest>,
    /// When it was made.
    pub made: Option<Moment>,
    /// Until when it is fresh.
    pub fresh_until: Option<Moment>,
    /// What it shows, if it does.
    pub shown: Option<String>,
    /// Why not, if it does not.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub causes: Vec<Cause>,
}

/// What became of a waiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WaiverResult {
    /// The item that it is for.
    pub item: String,
    /// Who wrote it.
    pub author: String,
    /// Who signed that it may be.
    pub approvers: Vec<String>,
    /// Who sees to it that the item gets mended.
    pub owner: String,
    /// Why the item fails.
    pub reason: String,
    /// What is done meanwhile.
    pub compensating_control: String,
    /// Until when.
    pub expires: Option<Moment>,
    /// Why it does not hold, if it does not.
    pub refused: Vec<String>,
}

/// Who signed off as something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SignOffResult {
    /// As what.
    pub role: String,
    /// How many must.
    pub at_least: usize,
    /// Who did.
    pub signed: Vec<String>,
}

/// Something that will not hold for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Expiry {
    /// Until when it holds.
    pub at: Moment,
    /// Of which item.
    pub item: String,
    /// The evidence, or `waiver`.
    pub what: String,
}

impl ItemResult {
    pub(crate) fn new(item: &Item, predicates: Vec<PredicateResult>) -> Self {
        let shown = predicates.iter().all(|one| one.causes.is_empty());
        let status = match &item.not_applicable {
            Some(_) => Status::NotApplicable,
            None if shown && !predicates.is_empty() => Status::Pass,
            None => Status::Fail,
        };
        Self {
            id: item.id.clone(),
            area: item.area.clone(),
            text: item.text.clone(),
            priority: item.priority,
            owner: item.owner.clone(),
            means: match status {
                Status::Pass => item.pass.clone(),
                _ => item.fail.clone(),
            },
            status,
            not_applicable: item.not_applicable.clone(),
            predicates,
            waiver: None,
        }
    }

    /// Every cause against it.
    pub fn causes(&self) -> Vec<(&str, &Cause)> {
        const NONE: Cause = Cause::NoPredicate;
        if self.predicates.is_empty() && self.status == Status::Fail {
            return vec![("no evidence", &NONE)];
        }
        let causes = self.predicates.iter();
        causes
            .flat_map(|one| {
                one.causes
                    .iter()
                    .map(|cause| (one.evidence.as_str(), cause))
            })
            .collect()
    }
}

impl Expiry {
    pub(super) fn of(item: &ItemResult) -> Vec<Self> {
        let fresh = item.predicates.iter().filter(|one| one.causes.is_empty());
        let expiry = |one: &PredicateResult| {
            Some(Self {
                at: one.fresh_until?,
                item: item.id.clone(),
                what: one.evidence.clone(),
            })
        };
        match item.status {
            Status::Pass => fresh.filter_map(expiry).collect(),
            _ => Vec::new(),
        }
    }
}

impl Decision {
    /// The items of an area.
    pub fn of_area(&self, area: &str) -> impl Iterator<Item = &ItemResult> {
        self.items.iter().filter(move |item| item.area == area)
    }

    /// The areas, in the order in which they first come.
    pub fn areas(&self) -> Vec<&str> {
        let mut areas: Vec<&str> = Vec::new();
        for item in &self.items {
            if !areas.contains(&item.area.as_str()) {
                areas.push(&item.area);
            }
        }
        areas
    }

    /// How many items came to this.
    pub fn count(&self, status: Status) -> usize {
        let items = self.items.iter();
        items.filter(|item| item.status == status).count()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Go => "GO",
            Self::NoGo => "NO-GO",
        })
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherChecklist { expected, found } => write!(
                f,
                "other-checklist: the evidence was collected for the checklist {}, not {}",
                found.short(),
                expected.short()
            ),
            Self::FromTheFuture { collected } => {
                write!(
                    f,
                    "from-the-future: the evidence was collected at {collected}"
                )
            }
            Self::SignOffs {
                role,
                signed,
                at_least,
            } => write!(
                f,
                "sign-offs: {signed} of the {at_least} that are needed as `{role}`"
            ),
        }
    }
}

/// The schema of the decision.
pub fn schema() -> Schema {
    schema_for!(Decision)
}
