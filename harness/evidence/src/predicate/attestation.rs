//! A statement that somebody in a role signed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Reading, Stated};
use crate::{
    cause::Cause,
    sign::{Attestation, Envelope, Opened, SealError},
    trust::Trust,
};

/// What must be signed, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attested {
    /// As what the signer signs; their key must have the role.
    pub role: String,
    /// What they must state, word for word.
    pub states: String,
}

impl Attested {
    pub(super) fn read(&self, bytes: &[u8], trust: &Trust) -> Result<Reading, Cause> {
        let envelope = Envelope::read(bytes).map_err(Cause::unparsable)?;
        let opened: Opened<'_, Attestation> = match envelope.open(trust) {
            Ok(opened) => opened,
            Err(error @ (SealError::Envelope(_) | SealError::Statement(_))) => {
                return Err(Cause::unparsable(error));
            }
            Err(error) => {
                return Err(Cause::Untrusted {
                    why: error.to_string(),
                });
            }
        };
        let claim = &opened.statement.claim;
        let subjects = opened.statement.subject.iter();
        let stated = Stated {
            subjects: subjects
                .filter_map(|subject| Some((subject.name.clone(), subject.identity()?)))
                .collect(),
            at: Some(claim.at),
            commit: None,
            alone: true,
        };
        let mut causes = Vec::new();
        let role = &self.role;
        if claim.role != *role || !opened.signers.iter().any(|signer| signer.has_role(role)) {
            causes.push(Cause::Untrusted {
                why: format!("no signer has the role `{role}` and signed as such"),
            });
        }
        if claim.states != self.states {
            let said = &claim.states;
            causes.push(Cause::failed(format!("it states something else: {said:?}")));
        }
        let names: Vec<&str> = opened
            .signers
            .iter()
            .map(|signer| signer.name.as_str())
            .collect();
        let shown = format!("signed by {} as {role}", names.join(", "));
        Ok(Reading::of(stated, causes, shown))
    }
}
