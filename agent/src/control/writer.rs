//! What becomes of a request. Everything about a policy is checked before
//! anything changes; what is in force changes first, the record of it second,
//! and when the record cannot be written, what was in force is brought back.

use std::path::Path;

use super::{Applied, Apply, Refusal, Rehearsal, Request, Response};
use crate::{
    exit_code::ExitCode,
    hex::Hex,
    history::{Entry, Event, Files, History, HistoryError, Kept, Operator},
    image::Image,
    paths,
    policy::{
        self, Policy,
        lint::{self, Host, Severity},
    },
    replay,
    signature::{self, Offered, Signed, Trust},
};

/// Bytes of the longest reason in the history.
const MAX_REASON: usize = 1000;

/// What brings a policy into force.
pub trait Enforce {
    /// In place of the one that is; when it fails, that one still is.
    fn enforce(&mut self, policy: Policy) -> Result<Applied, Refusal>;
    /// Everything up to that, changing nothing.
    fn rehearse(&mut self, policy: &Policy) -> Result<Rehearsal, Refusal>;
}

/// Leaves it to the next start.
#[derive(Debug)]
pub struct NextStart;

impl Enforce for NextStart {
    fn enforce(&mut self, _: Policy) -> Result<Applied, Refusal> {
        Ok(Applied::default())
    }

    fn rehearse(&mut self, policy: &Policy) -> Result<Rehearsal, Refusal> {
        let host = replay::Host::here().map_err(|error| Refusal::new(ExitCode::Internal, error))?;
        Ok(Rehearsal::of(&host.image(policy)?, false))
    }
}

impl Rehearsal {
    /// Of a policy that was compiled.
    pub fn of(image: &Image, kernel_asked: bool) -> Self {
        Self {
            map_bytes: image.map_bytes(),
            hooks: image
                .needs
                .hooks()
                .map(|hook| hook.name.to_owned())
                .collect(),
            kernel_asked,
        }
    }
}

/// What a policy must be like to be applied here.
#[derive(Debug)]
pub struct Rules {
    /// What the host cannot do without.
    pub host: Host,
    /// Whose signatures are believed, and whether there must be one.
    pub trust: Trust,
}

impl Rules {
    /// Those of this host.
    pub fn here() -> Result<Self, Refusal> {
        let host = Host::here().map_err(|error| Refusal::new(ExitCode::Internal, error))?;
        let trust = Trust::read(Path::new(paths::TRUST)).map_err(Refusal::policy)?;
        Ok(Self { host, trust })
    }
}

/// The one writer.
#[derive(Debug)]
pub struct Writer<F, E> {
    history: History<F>,
    rules: Rules,
    /// What it brings policies into force with.
    pub enforcer: E,
}

/// Who asks, and when.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Who.
    pub by: Operator,
    /// Seconds since 1970.
    pub at: u64,
}

impl From<HistoryError> for Refusal {
    fn from(error: HistoryError) -> Self {
        let code = match error {
            HistoryError::Unknown(_) => ExitCode::Unhealthy,
            HistoryError::Io { .. } | HistoryError::Broken { .. } => ExitCode::Internal,
        };
        Self::new(code, error)
    }
}

impl<F: Files, E: Enforce> Writer<F, E> {
    /// A writer of this history.
    pub fn new(history: History<F>, rules: Rules, enforcer: E) -> Self {
        Self {
            history,
            rules,
            enforcer,
        }
    }

    /// Until when the policy that waits for it must be confirmed, in seconds since
    /// 1970.
    pub fn confirm_by(&self) -> Option<u64> {
        self.history
            .state()
            .pending
            .as_ref()
            .map(|it| it.confirm_by)
    }

    /// Whether a policy is stored.
    pub fn has_policy(&self) -> bool {
        self.history.state().current.is_some()
    }

    /// Answer a request.
    pub fn answer(&mut self, asked: Asked, request: Request) -> Response {
        let done = |entry| Response::Done(Box::new(entry));
        let answer = match request {
            Request::Apply(apply) => self.apply(asked, &apply).map(Response::Applied),
            Request::Confirm => self.confirm(asked).map(done),
            Request::Rollback { to } => self.rollback(asked, to).map(done),
            Request::Reset => self.reset(asked).map(done),
            Request::Status => Ok(Response::Status(Box::new(self.history.state().clone()))),
            Request::Health => Err(Refusal::new(ExitCode::Unhealthy, "no daemon runs")),
            Request::History => self.checked_entries().map(Response::History),
            Request::Text { of } => self.text(of).map(Response::Text),
        };
        answer.unwrap_or_else(Response::Refused)
    }

    /// Bring into force what is to be at a start or a reload: the policy that is offered,
    /// or else the one that is stored. One that was not confirmed in time is
    /// taken back first.
    pub fn start(&mut self, asked: Asked, offered: Option<&Apply>) -> Result<Applied, Refusal> {
        if let Some(back_to) = self.overdue(asked.at) {
            self.record_return(asked, back_to)?;
        }
        let current = self.history.state().current.clone();
        match (offered, current) {
            (Some(apply), Some(current)) if self.history.text(current.text)? == apply.text => {
                self.bring_back(&current)
            }
            (Some(apply), _) => self.apply(asked, apply),
            (None, Some(current)) => self.bring_back(&current),
            (None, None) => Err(Refusal::new(ExitCode::Unhealthy, "no policy is stored")),
        }
    }

    /// Take back what was not confirmed in time; to be called now and then.
    pub fn tick(&mut self, asked: Asked) -> Result<Option<Entry>, Refusal> {
        let Some(back_to) = self.overdue(asked.at) else {
            return Ok(None);
        };
        if let Some(kept) = &back_to {
            self.bring_back(kept)?;
        }
        self.record_return(asked, back_to).map(Some)
    }

    /// The policy to go back to, when it is time. `None` in it: to none.
    #[expect(clippy::option_option, reason = "whether, and to which")]
    fn overdue(&self, now: u64) -> Option<Option<Kept>> {
        let pending = self.history.state().pending.as_ref();
        let overdue = pending.filter(|pending| pending.confirm_by <= now);
        overdue.map(|pending| pending.back_to.clone())
    }

    fn record_return(&mut self, asked: Asked, back_to: Option<Kept>) -> Result<Entry, Refusal> {
        let reason = "not confirmed in time".to_owned();
        let event = match back_to {
            Some(policy) => Event::RolledBack { policy, reason },
            None => Event::Reset { reason },
        };
        Ok(self.history.record(asked.at, asked.by, event)?)
    }

    fn apply(&mut self, asked: Asked, apply: &Apply) -> Result<Applied, Refusal> {
        let parsed = policy::parse(Path::new(&apply.name), &apply.text).map_err(Refusal::policy);
        let digest = parsed
            .as_ref()
            .ok()
            .map(|policy| Hex(policy::digest(policy)));
        let applied = parsed.and_then(|policy| self.check_and_apply(asked, apply, policy));
        if let Err(refusal) = &applied
            && !apply.dry_run
        {
            let mut reason = refusal.reason.clone();
            reason.truncate(reason.floor_char_boundary(MAX_REASON));
            let event = Event::Refused {
                policy: digest,
                reason,
            };
            // The refusal itself is what the operator has to hear.
            let _ = self.history.record(asked.at, asked.by, event);
        }
        applied
    }

    fn check_and_apply(
        &mut self,
        asked: Asked,
        apply: &Apply,
        policy: Policy,
    ) -> Result<Applied, Refusal> {
        let digest = Hex(policy::digest(&policy));
        if let Some(expected) = apply.sha256
            && expected != digest
        {
            return Err(Refusal::policy(format!(
                "the policy's digest is {digest}, not {expected}"
            )));
        }
        let findings = lint::lint(&policy, &self.rules.host);
        let (errors, warnings): (Vec<_>, Vec<_>) = findings
            .into_iter()
            .partition(|finding| finding.severity == Severity::Error);
        if !errors.is_empty() {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            return Err(Refusal::policy(errors.join("\n")));
        }
        let signer = self.signer(apply, digest, asked.at)?;
        if apply.confirm_within.is_some() && self.history.state().current.is_none() {
            return Err(Refusal::new(
                ExitCode::Unhealthy,
                "there is no stored policy to go back to: apply without --confirm-within",
            ));
        }
        let confirm_by = apply
            .confirm_within
            .map(|seconds| asked.at.saturating_add(seconds));
        let mut applied = Applied::default();
        if apply.dry_run {
            applied.rehearsal = Some(self.enforcer.rehearse(&policy)?);
        } else {
            let text = self.history.keep(&apply.text)?;
            let (signer, signed) = signer.unzip();
            applied = self.enforcer.enforce(policy)?;
            let before = self.history.state().current.clone();
            let event = Event::Applied {
                policy: Kept {
                    policy: digest,
                    text,
                    signer,
                    signed,
                },
                live: applied.generation.is_some(),
                confirm_by,
            };
            if let Err(error) = self.history.record(asked.at, asked.by, event) {
                let back = before.map(|before| self.bring_back(&before));
                let result = match back {
                    Some(Ok(_)) => "the policy before is in force again".to_owned(),
                    Some(Err(error)) => format!("and the new one is in force: {}", error.reason),
                    None => "and the new one is in force until the next start".to_owned(),
                };
                let code = ExitCode::Internal;
                return Err(Refusal::new(code, format!("{error}; {result}")));
            }
        }
        applied.policy = Some(digest);
        applied.warnings = warnings;
        applied.confirm_by = confirm_by;
        Ok(applied)
    }

    fn signer(
        &self,
        apply: &Apply,
        policy: Hex<32>,
        now: u64,
    ) -> Result<Option<(String, Signed)>, Refusal> {
        let Some(signature) = &apply.signature else {
            if self.rules.trust.require_signature {
                return Err(Refusal::policy("the policy is not signed, and must be"));
            }
            return Ok(None);
        };
        let offered = Offered {
            text: apply.text.as_bytes(),
            policy,
            signature: signature.as_bytes(),
        };
        let floor = self.history.state().floor;
        signature::verify(offered, &self.rules.trust, Some(now), floor)
            .map(|(signed, name)| Some((name, signed)))
            .map_err(|error| Refusal::policy(format!("the signature is refused: {error}")))
    }

    /// Bring a policy into force that was applied before. When signatures are
    /// required, its own must still be believed, whatever the time.
    fn bring_back(&mut self, kept: &Kept) -> Result<Applied, Refusal> {
        let text = self.history.text(kept.text)?;
        if self.rules.trust.require_signature {
            let Some(signed) = &kept.signed else {
                return Err(Refusal::policy("the policy is not signed, and must be"));
            };
            let signature = signed.to_text();
            let offered = Offered {
                text: text.as_bytes(),
                policy: kept.policy,
                signature: signature.as_bytes(),
            };
            signature::verify(offered, &self.rules.trust, None, None).map_err(Refusal::policy)?;
        }
        let name = format!("stored as {}", kept.text);
        let policy = policy::parse(Path::new(&name), &text).map_err(Refusal::policy)?;
        self.enforcer.enforce(policy)
    }

    fn confirm(&mut self, asked: Asked) -> Result<Entry, Refusal> {
        if self.history.state().pending.is_none() {
            return Err(Refusal::new(
                ExitCode::Unhealthy,
                "no policy waits to be confirmed",
            ));
        }
        if self.overdue(asked.at).is_some() {
            let problem = "it is too late to confirm it: the policy is being taken back";
            return Err(Refusal::new(ExitCode::Unhealthy, problem));
        }
        Ok(self.history.record(asked.at, asked.by, Event::Confirmed)?)
    }

    fn rollback(&mut self, asked: Asked, to: Option<String>) -> Result<Entry, Refusal> {
        let current = self.history.state().current.clone();
        let policy = match to {
            Some(digest) => self.history.find(&digest)?,
            None => self
                .history
                .before(current.as_ref())?
                .ok_or_else(|| Refusal::new(ExitCode::Unhealthy, "no other policy was applied"))?,
        };
        self.bring_back(&policy)?;
        let reason = "asked for".to_owned();
        let event = Event::RolledBack { policy, reason };
        Ok(self.history.record(asked.at, asked.by, event)?)
    }

    fn reset(&mut self, asked: Asked) -> Result<Entry, Refusal> {
        let reason = "asked for".to_owned();
        Ok(self
            .history
            .record(asked.at, asked.by, Event::Reset { reason })?)
    }

    fn checked_entries(&self) -> Result<Vec<Entry>, Refusal> {
        self.history.verify()?;
        Ok(self.history.entries()?)
    }

    fn text(&self, of: Option<String>) -> Result<String, Refusal> {
        let current = self.history.state().current.clone();
        let kept = match of {
            Some(digest) => self.history.find(&digest)?,
            None => {
                current.ok_or_else(|| Refusal::new(ExitCode::Unhealthy, "no policy is stored"))?
            }
        };
        Ok(self.history.text(kept.text)?)
    }
}

#[cfg(test)]
mod tests;
