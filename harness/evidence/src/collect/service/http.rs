//! The requests of a checklist.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{
    client::{Client, Got},
    secrets::Secrets,
};
use crate::{
    moment::Age,
    predicate::command::Output,
    service::http::{Answer, Answers, HttpAsked, HttpFacts, HttpRequest, Signed},
};

const MORE: usize = 4096;

pub(super) fn ask(
    asked: &HttpAsked,
    secrets: &mut Secrets,
    (folder, timeout): (&Path, Age),
) -> Result<HttpFacts, String> {
    let ca_file = asked.ca_file.as_ref().map(|path| folder.join(path));
    let client = Client::new(ca_file.as_deref(), timeout)?;
    // All of them first, so that an early answer cannot repeat a later secret.
    let prepared: Vec<_> = asked
        .request
        .iter()
        .map(|request| Ok((request, prepare(request, secrets)?)))
        .collect::<Result<_, String>>()?;
    let answers = prepared.into_iter().map(|(request, (headers, body))| {
        let mut answers: Vec<Answers> = Vec::new();
        for _ in 0..request.times {
            let kept = usize::try_from(request.keep_body).unwrap_or(usize::MAX);
            // More than is kept, because striking out makes a text shorter.
            let most = kept.saturating_add(MORE).saturating_add(secrets.longest());
            let place = (request.method.as_str(), request.url.as_str());
            let got = client.ask(place, &headers, &body, most);
            let answer = match got {
                Ok(got) => keep(request, &got, got.body.len() == most, secrets),
                Err(why) => Answer::Nothing(secrets.strike(&why)),
            };
            match answers.last_mut() {
                Some(last) if last.answer == answer => last.times += 1,
                _ => answers.push(Answers { times: 1, answer }),
            }
        }
        (request.name.clone(), answers)
    });
    Ok(answers.collect())
}

/// Headers and body to send.
fn prepare(
    request: &HttpRequest,
    secrets: &mut Secrets,
) -> Result<(BTreeMap<String, String>, String), String> {
    let mut headers = request.headers.clone();
    for (name, secret) in &request.secret_headers {
        let text = secrets.read(secret)?;
        headers.insert(name.clone(), format!("{}{text}", secret.before));
    }
    let mut body = request.body.clone().unwrap_or_default();
    if let Some(signed) = &request.signed {
        let key = secrets.read(&signed.key)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        headers.insert(signed.header.clone(), signature(signed, &key, &body, now));
        if signed.altered {
            body.push(' ');
        }
    }
    Ok((headers, body))
}

/// What the header says.
fn signature(signed: &Signed, key: &str, body: &str, now: Duration) -> String {
    let age = signed.age.map_or(Duration::ZERO, |age| age.0);
    let timestamp = now.saturating_sub(age).as_secs().to_string();
    let content = signed
        .content
        .replace("{timestamp}", &timestamp)
        .replace("{body}", body);
    let mut hex = String::new();
    // Every key has a length that HMAC takes.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) {
        mac.update(content.as_bytes());
        for byte in mac.finalize().into_bytes() {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
    }
    signed
        .value
        .replace("{timestamp}", &timestamp)
        .replace("{hex}", &hex)
}

fn keep(request: &HttpRequest, got: &Got, is_part: bool, secrets: &Secrets) -> Answer {
    let headers = request.keep_headers.iter().filter_map(|name| {
        let name = name.to_ascii_lowercase();
        let value = secrets.strike(got.headers.get(&name)?);
        Some((name, value))
    });
    let text = secrets.strike(&String::from_utf8_lossy(&got.body));
    let most = usize::try_from(request.keep_body).unwrap_or(usize::MAX);
    // The end of what was read may be the beginning of a secret.
    let unsure = if is_part { secrets.longest() } else { 0 };
    let end = text.floor_char_boundary(most.min(text.len().saturating_sub(unsure)));
    Answer::Answered {
        status: got.status,
        headers: headers.collect(),
        body: Output {
            cut: is_part || end < text.len(),
            text: text[..end].to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Signed, signature};
    use crate::service::secret::Secret;

    /// The digest is that of `openssl dgst -sha256 -hmac key`.
    #[test]
    fn a_webhook_is_signed_as_others_verify_it() {
        let signed = Signed {
            header: "x-signature".into(),
            key: Secret {
                env: Some("KEY".into()),
                file: None,
                before: String::new(),
            },
            content: "{timestamp}.{body}".into(),
            value: "t={timestamp},v1={hex}".into(),
            age: Some("10m".parse().unwrap()),
            altered: false,
        };
        let value = signature(&signed, "key", "{}", Duration::from_secs(1600));
        assert_eq!(
            value,
            "t=1000,v1=c32de42341dece79a1511c9e7f74a2734112edcfcf48943c976faf07047065db"
        );
    }
}
