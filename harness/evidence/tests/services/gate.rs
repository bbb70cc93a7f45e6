//! Collecting about a service that runs, and deciding.

use std::{collections::BTreeMap, path::Path, time::SystemTime};

use evidence::{
    Checklist, Decision, Moment, Trust, Verdict,
    bundle::verify,
    collect::{Request, collect, sign_off},
    evaluate,
    evaluate::Status,
    sign::SecretKey,
};

pub(crate) const TOKEN: &str = "t0ken-for-tests-only";
pub(crate) const KEY: &str = "k3y-for-tests-only";

/// Collect, verify, decide.
pub(crate) fn decide(folder: &Path, text: &str) -> Decision {
    decide_with(folder, text, None)
}

/// The same where two of those who release must sign: keys 2 and 3.
pub(crate) fn decide_signed(folder: &Path, text: &str, signers: &[u8]) -> Decision {
    decide_with(folder, text, Some(signers))
}

fn decide_with(folder: &Path, text: &str, signers: Option<&[u8]>) -> Decision {
    let checklist =
        Checklist::parse("checklist.toml", text).unwrap_or_else(|error| panic!("{error}"));
    let key = SecretKey::from_seed([1; 32]);
    let request = Request {
        checklist: &checklist,
        checklist_text: text,
        folder,
        previous: None,
        waivers: Vec::new(),
        key: &key,
        progress: &|_| {},
    };
    let mut files = collect(&request).unwrap_or_else(|error| panic!("{error}"));
    for (name, bytes) in &files {
        let text = String::from_utf8_lossy(bytes);
        for secret in [TOKEN, KEY] {
            assert!(!text.contains(secret), "a secret is in {name}");
        }
    }
    let now = Moment::at(SystemTime::now());
    for seed in signers.unwrap_or_default() {
        let key = SecretKey::from_seed([*seed; 32]);
        sign_off(&mut files, "release", now, &key).unwrap();
    }
    let mut trust = format!(
        "version = 1\n[[key]]\nname = \"carol\"\nroles = [\"collector\"]\npublic = \"{}\"\n",
        key.public()
    );
    if signers.is_some() {
        for seed in [2, 3] {
            let public = SecretKey::from_seed([seed; 32]).public();
            trust += &format!(
                "[[key]]\nname = \"r{seed}\"\nroles = [\"release\"]\npublic = \"{public}\"\n"
            );
        }
        trust += "[[sign_off]]\nrole = \"release\"\nat_least = 2\n";
    }
    let trust = Trust::parse("trust.toml", &trust).unwrap();
    let bundle = verify(&files, &trust).unwrap_or_else(|refusal| panic!("{refusal}"));
    evaluate(&checklist, &bundle, &trust, Moment::at(SystemTime::now()))
}

/// Items that fail, with the causes.
pub(crate) fn failures(decision: &Decision) -> BTreeMap<String, String> {
    let failed = decision
        .items
        .iter()
        .filter(|item| item.status == Status::Fail);
    let told = failed.map(|item| {
        let causes = item.causes();
        let causes: Vec<String> = causes.iter().map(|(_, cause)| cause.to_string()).collect();
        (item.id.clone(), causes.join("; "))
    });
    let mut failures: BTreeMap<_, _> = told.collect();
    for objection in &decision.objections {
        failures.insert("sign-offs".into(), objection.to_string());
    }
    assert_eq!(failures.is_empty(), decision.verdict == Verdict::Go);
    failures
}

/// Exactly this item fails, because of this; all of it is GO when there is
/// none.
pub(crate) fn check(decision: &Decision, fault: &str, expected: Option<(&str, &str)>) {
    let failures = failures(decision);
    match expected {
        None => assert!(failures.is_empty(), "{fault}: {failures:#?}"),
        Some((item, cause)) => {
            let found: Vec<&String> = failures.keys().collect();
            assert_eq!(found, [item], "{fault}: {failures:#?}");
            assert!(failures[item].contains(cause), "{fault}: {failures:#?}");
        }
    }
}
