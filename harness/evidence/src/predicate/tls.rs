//! Certificates of a running service, and the versions of TLS that it speaks.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use x509_parser::parse_x509_certificate;

use super::{Reading, Stated};
use crate::{
    cause::Cause,
    moment::Moment,
    service::{
        Record,
        tls::{Plaintext, Spoken, TlsAsked, TlsFacts, Verified, Version},
    },
};

const SECONDS_OF_DAY: i64 = 24 * 60 * 60;

/// What must be so at an address. That the certificate is for the name and
/// leads to somebody who is trusted always must.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsExpected {
    /// For how many days from the decision on every certificate must be valid.
    days_left: u32,
    /// The oldest version of TLS that may be spoken.
    minimum: Version,
    /// What may be behind every address of `plaintext`.
    #[serde(default)]
    plaintext: Option<Without>,
}

/// What may be there without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Without {
    /// Nobody listens.
    Closed,
    /// Nobody listens, or everything leads to `https`, or is refused as a bad
    /// request.
    Redirects,
}

impl TlsExpected {
    /// A try without TLS that is judged and not made, or made and not judged.
    pub(crate) fn misfit(&self, asked: &TlsAsked) -> Option<String> {
        match (self.plaintext, asked.plaintext.is_empty()) {
            (Some(_), true) => Some("its evidence names no address in `plaintext`".into()),
            (None, false) => Some("say what may be behind `plaintext` of its evidence".into()),
            _ => None,
        }
    }

    pub(super) fn read(
        &self,
        bytes: &[u8],
        asked: Option<&TlsAsked>,
        now: Moment,
    ) -> Result<Reading, Cause> {
        let record: Record<TlsAsked, TlsFacts> = Record::read(bytes, asked)?;
        let facts = &record.facts;
        let stated = Stated {
            at: Some(record.started),
            ..Stated::default()
        };
        let mut causes = Vec::new();
        match &facts.verified {
            Verified::Yes => {}
            Verified::No(why) => {
                causes.push(Cause::failed(format!(
                    "the certificate is not valid: {why}"
                )));
            }
            Verified::Unseen(why) => {
                causes.push(Cause::inconclusive(format!(
                    "no certificate was seen: {why}"
                )));
            }
        }
        let (mut least, mut seen) = (i64::MAX, 0);
        for certificate in &facts.chain {
            let days = days_left(certificate, now)?;
            (least, seen) = (least.min(days), seen + 1);
        }
        if seen == 0 && facts.verified == Verified::Yes {
            return Err(Cause::unparsable("a valid chain without a certificate"));
        }
        if seen > 0 && least < i64::from(self.days_left) {
            let most = self.days_left;
            causes.push(Cause::failed(format!(
                "a certificate is valid for {least} more days; {most} must be left"
            )));
        }
        self.versions(facts, &mut causes);
        if let Some(without) = self.plaintext {
            for address in &record.asked.plaintext {
                let found = facts.plaintext.get(address);
                causes.extend(without.cause(address, found));
            }
        }
        let minimum = self.minimum;
        let shown = format!("valid for {least} more days, TLS {minimum} or newer");
        Ok(Reading::of(stated, causes, shown))
    }

    fn versions(&self, facts: &TlsFacts, causes: &mut Vec<Cause>) {
        let mut good = false;
        for version in Version::ALL {
            match (facts.versions.get(&version), version >= self.minimum) {
                (Some(Spoken::Yes), true) => good = true,
                (Some(Spoken::Yes), false) => {
                    causes.push(Cause::failed(format!("it speaks TLS {version}")));
                }
                // What is refused is no matter, and one good version is enough.
                (Some(Spoken::No(_)), _) | (Some(Spoken::Unsure(_)) | None, true) => {}
                (Some(Spoken::Unsure(why)), false) => causes.push(Cause::inconclusive(format!(
                    "whether it speaks TLS {version} is unknown: {why}"
                ))),
                (None, false) => causes.push(Cause::inconclusive(format!(
                    "whether it speaks TLS {version} was not tried"
                ))),
            }
        }
        if !good {
            let minimum = self.minimum;
            causes.push(Cause::inconclusive(format!(
                "it was not seen to speak TLS {minimum} or newer"
            )));
        }
    }
}

impl Without {
    fn cause(self, address: &str, found: Option<&Plaintext>) -> Option<Cause> {
        match (found, self) {
            (Some(Plaintext::Refused), _)
            | (Some(Plaintext::Ended | Plaintext::Answered { status: 400, .. }), Self::Redirects) => {
                None
            }
            (
                Some(Plaintext::Answered {
                    status: 300..=399,
                    location: Some(location),
                }),
                Self::Redirects,
            ) if location.starts_with("https://") => None,
            (Some(Plaintext::Ended), Self::Closed) => Some(Cause::failed(format!(
                "{address} is open, though it says nothing"
            ))),
            (Some(Plaintext::Answered { status, .. }), _) => Some(Cause::failed(format!(
                "{address} answers with {status} without TLS"
            ))),
            (Some(Plaintext::Unsure(why)), _) => Some(Cause::inconclusive(format!(
                "whether {address} answers without TLS is unknown: {why}"
            ))),
            (None, _) => Some(Cause::inconclusive(format!("{address} was not tried"))),
        }
    }
}

/// Whole days; negative when it is over.
fn days_left(certificate: &str, now: Moment) -> Result<i64, Cause> {
    let der = STANDARD.decode(certificate).map_err(Cause::unparsable)?;
    let (_, parsed) = parse_x509_certificate(&der)
        .map_err(|error| Cause::unparsable(format!("a certificate: {error}")))?;
    let until = parsed.validity().not_after.timestamp();
    Ok((until - now.seconds()).div_euclid(SECONDS_OF_DAY))
}
