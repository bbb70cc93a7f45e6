//! One attempt, rule by rule. Pure.

use std::{collections::BTreeSet, fmt};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Judgement, Missing,
    judge::{Found, Part},
    simulate::Decided,
    words,
};
use crate::{
    hex::Hex,
    image::Image,
    policy::{self, Policy, canonical},
};

/// What is decided about one attempt, and why.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// Digest of the policy.
    #[schemars(with = "String")]
    pub policy: Hex<32>,
    /// What is decided; absent when that depends on what is missing.
    pub decided: Option<Decided>,
    /// What would have to be known.
    pub missing: BTreeSet<Missing>,
    /// Every rule that speaks of the object, in the order of the policy.
    pub rules: Vec<Considered>,
}

/// A rule that speaks of the object.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Considered {
    /// Its id.
    pub rule: String,
    /// By what it speaks of it.
    pub found: Found,
    /// What part it has in the decision.
    pub part: Part,
    /// Its canonical form.
    pub text: String,
}

impl Explanation {
    /// Of a judgement.
    pub fn new(judgement: Judgement, image: &Image, policy: &Policy) -> Self {
        let decided = Decided::of(&judgement, image, policy);
        let considered = judgement.considered.into_iter();
        let rules = considered.filter_map(|(index, (found, part))| {
            let rule = policy.rules.get(index)?;
            Some(Considered {
                rule: rule.id.clone(),
                found,
                part,
                text: canonical::line(rule),
            })
        });
        Self {
            policy: Hex(policy::digest(policy)),
            decided,
            missing: judgement.missing,
            rules: rules.collect(),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applies => write!(to, "applies"),
            Self::Unknown(missing) => write!(to, "may apply; not known: {}", words(missing)),
            Self::OtherOperation => write!(to, "does not apply: it is about other operations"),
            Self::OtherPort => write!(to, "does not apply: it is about other ports"),
            Self::OtherProtocol => write!(to, "does not apply: it is about another protocol"),
            Self::OutOfScope => write!(to, "does not apply: who tries is not in its `scope`"),
            Self::Excepted => write!(
                to,
                "does not apply: who tries is in its `except` or in `never-deny`"
            ),
            Self::Listed => write!(to, "does not apply: its list holds the program"),
        }
    }
}

impl Found {
    const fn why(self) -> &'static str {
        match self {
            Self::Object => "names the object",
            Self::Place => "names the place",
            Self::Guard => "names something beneath, so this must stay",
            Self::Subtree => "names a folder above",
            Self::Network => "names a network around the address",
            Self::Domain => "speaks of all of its kind",
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.decided {
            Some(decided) if decided.rule.is_some() => writeln!(to, "{decided}")?,
            Some(decided) => writeln!(to, "{decided}: no rule applies")?,
            None => writeln!(to, "undecidable without: {}", words(&self.missing))?,
        }
        for rule in &self.rules {
            let why = rule.found.why();
            writeln!(to, "  rule {:?} {why}, and {}", rule.rule, rule.part)?;
            writeln!(to, "    {}", rule.text)?;
        }
        Ok(())
    }
}
