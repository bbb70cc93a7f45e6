//! Many attempts, summed up by rule. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

use aegisbpf_abi::Reference;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Judgement, Missing, Verdict, word, words};
use crate::{
    hex::Hex,
    image::{Image, Origin},
    policy::{self, Policy},
};

/// What another policy would have made of recorded events.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Simulation {
    /// Digest of the policy.
    #[schemars(with = "String")]
    pub policy: Hex<32>,
    /// Events that were held against it.
    pub events: usize,
    /// Of these: the same rule decides the same.
    pub unchanged: usize,
    /// Of these: another rule or another verdict.
    pub changed: usize,
    /// Of these: the event does not tell enough.
    pub undecidable: usize,
    /// Records that are no attempts, such as `ready` or `canary`.
    pub other_records: usize,
    /// Lines that are no records.
    pub unreadable: usize,
    /// What became of the events, those that change first.
    pub outcomes: Vec<Outcome>,
}

/// What became of events that are alike.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Outcome {
    /// In which way they are alike.
    #[serde(flatten)]
    pub kind: Kind,
    /// How many there are.
    pub events: usize,
    /// Line of the first, from 1.
    pub line: usize,
    /// The first, for people.
    pub example: String,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Kind {
    /// Another rule or another verdict.
    Changed {
        /// As it was recorded.
        recorded: Decided,
        /// As it would be.
        simulated: Decided,
    },
    /// The event does not tell enough.
    Undecidable {
        /// As it was recorded.
        recorded: Decided,
        /// What it would have to tell.
        missing: BTreeSet<Missing>,
    },
    /// The same rule decides the same.
    Unchanged {
        /// As it was and would be.
        recorded: Decided,
    },
}

/// A verdict, and whose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Decided {
    /// What is decided.
    pub verdict: Verdict,
    /// The rule; absent where none decides, or nobody knows which.
    pub rule: Option<String>,
    /// It was only reported, because the domain was in audit mode.
    pub would: bool,
}

impl Decided {
    /// Out of a judgement, if it decides.
    pub fn of(judgement: &Judgement, image: &Image, policy: &Policy) -> Option<Self> {
        let decision = judgement.decided()?;
        Some(Self {
            verdict: Verdict::of_effect(decision.effect()),
            rule: rule(decision.rule(), image, policy).map(str::to_owned),
            would: false,
        })
    }

    /// A `would-deny` may be of a rule that kills as well.
    fn is_as(&self, recorded: &Self) -> bool {
        let alike = recorded.would && self.verdict == Verdict::Killed;
        (alike || self.verdict == recorded.verdict) && self.rule == recorded.rule
    }
}

/// The id of a rule that decides.
pub fn rule<'a>(reference: Reference, image: &Image, policy: &'a Policy) -> Option<&'a str> {
    match image.origin(reference)? {
        Origin::Policy(index) => policy.rules.get(index).map(|rule| rule.id.as_str()),
        Origin::Canary => None,
    }
}

impl Simulation {
    /// Of a policy, of nothing yet.
    pub fn new(policy: &Policy) -> Self {
        Self {
            policy: Hex(policy::digest(policy)),
            events: 0,
            unchanged: 0,
            changed: 0,
            undecidable: 0,
            other_records: 0,
            unreadable: 0,
            outcomes: Vec::new(),
        }
    }

    /// Sum up events: what was recorded, what would be decided, line and
    /// example of each.
    pub fn sum_up(
        &mut self,
        events: impl Iterator<Item = (Decided, Result<Decided, BTreeSet<Missing>>, usize, String)>,
    ) {
        let mut outcomes: BTreeMap<Kind, Outcome> = BTreeMap::new();
        for (recorded, simulated, line, example) in events {
            self.events += 1;
            let kind = match simulated {
                Ok(simulated) if simulated.is_as(&recorded) => {
                    self.unchanged += 1;
                    Kind::Unchanged { recorded }
                }
                Ok(simulated) => {
                    self.changed += 1;
                    Kind::Changed {
                        recorded,
                        simulated,
                    }
                }
                Err(missing) => {
                    self.undecidable += 1;
                    Kind::Undecidable { recorded, missing }
                }
            };
            let outcome = outcomes.entry(kind.clone()).or_insert(Outcome {
                kind,
                events: 0,
                line,
                example,
            });
            outcome.events += 1;
        }
        self.outcomes = outcomes.into_values().collect();
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.would {
            "would-deny".to_owned()
        } else {
            word(&self.verdict)
        };
        write!(to, "{verdict}")?;
        match &self.rule {
            Some(rule) => write!(to, " by {rule:?}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Simulation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            let what = match &outcome.kind {
                Kind::Changed {
                    recorded,
                    simulated,
                } => format!("changed: {recorded} → {simulated}"),
                Kind::Undecidable { recorded, missing } => {
                    let missing = words(missing);
                    format!("undecidable: {recorded}; the event does not tell: {missing}")
                }
                Kind::Unchanged { recorded } => format!("unchanged: {recorded}"),
            };
            writeln!(to, "{:>8}  {what}", outcome.events)?;
            writeln!(
                to,
                "          such as line {}: {}",
                outcome.line, outcome.example
            )?;
        }
        let mut others = String::new();
        if self.other_records > 0 {
            write!(others, "; {} other records", self.other_records)?;
        }
        if self.unreadable > 0 {
            write!(others, "; {} lines are no records", self.unreadable)?;
        }
        writeln!(
            to,
            "{} events: {} changed, {} undecidable, {} unchanged{others}",
            self.events, self.changed, self.undecidable, self.unchanged
        )
    }
}
