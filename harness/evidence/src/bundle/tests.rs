use super::{Entry, Files, Previous, folder, manifest::Manifest, verify, verify::subjects};
use crate::{
    canonical, collect,
    digest::Digest,
    sign::{BundleClaim, Envelope, SecretKey, Statement},
    trust::Trust,
};

fn key() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

fn trust() -> Trust {
    let text = format!(
        "version = 1\n[[key]]\nname = \"c\"\nroles = [\"collector\"]\npublic = \"{}\"",
        key().public()
    );
    Trust::parse("trust.toml", &text).unwrap()
}

fn manifest(sequence: u64, previous: Option<Digest>) -> Manifest {
    Manifest {
        schema_version: 1,
        checklist: Digest::of(b"checklist"),
        subjects: std::collections::BTreeMap::new(),
        collected: "2026-11-25T12:00:00Z".parse().unwrap(),
        evidence: std::collections::BTreeMap::new(),
        missing: std::collections::BTreeMap::new(),
        waivers: Vec::new(),
        sequence,
        previous: previous.map(|root| Previous { root }),
    }
}

#[test]
fn a_bundle_names_the_one_before_unless_it_is_the_first() {
    let check = |sequence, previous, accepted| {
        let files = collect::seal(
            &manifest(sequence, previous),
            &[b"checklist".to_vec()],
            &key(),
        );
        let result = verify(&files.unwrap(), &trust());
        assert_eq!(result.is_ok(), accepted, "{sequence} {previous:?}");
    };
    check(0, None, true);
    check(1, Some(Digest::of(b"before")), true);
    check(1, None, false);
    check(0, Some(Digest::of(b"before")), false);
}

/// The files of a manifest, with the statement signed by these.
fn signed_by(manifest: &Manifest, keys: &[&SecretKey]) -> Files {
    let root = Digest::of(&canonical::write(manifest).unwrap());
    let claim = BundleClaim {
        checklist: manifest.checklist,
        collected: manifest.collected,
        sequence: manifest.sequence,
    };
    let statement = Statement::new(subjects(manifest, root), claim);
    let envelope = Envelope::seal(&statement, keys).unwrap();
    folder::files_of(manifest, &[b"checklist".to_vec()], &envelope).unwrap()
}

#[test]
fn only_a_collector_can_sign_a_collection_and_nobody_is_nobody() {
    let other = SecretKey::from_seed([2; 32]);
    let text = format!(
        "version = 1\n[[key]]\nname = \"c\"\nroles = [\"collector\"]\npublic = \"{}\"\n\
         [[key]]\nname = \"r\"\nroles = [\"release\"]\npublic = \"{}\"\n",
        key().public(),
        other.public()
    );
    let trust = Trust::parse("trust.toml", &text).unwrap();
    let check = |keys: &[&SecretKey], refusal: &str| {
        let result = verify(&signed_by(&manifest(0, None), keys), &trust);
        let found = result.map_or_else(|refusal| refusal.to_string(), |_| String::new());
        assert_eq!(found, refusal);
    };
    check(&[&key()], "");
    check(
        &[&other],
        "statement.json: r does not have the role `collector`",
    );
    check(
        &[&key(), &other],
        "statement.json: r does not have the role `collector`",
    );
    check(&[&key(), &key()], "statement.json: c signed twice");
    check(&[], "statement.json: nobody signed it");
}

#[test]
fn a_length_that_is_not_that_of_the_content_is_refused() {
    let mut manifest = manifest(0, None);
    let entry = Entry {
        digest: Digest::of(b"checklist"),
        bytes: 9,
        made: manifest.collected,
        about: std::collections::BTreeMap::new(),
    };
    manifest.evidence.insert("e".into(), entry);
    assert!(verify(&signed_by(&manifest, &[&key()]), &trust()).is_ok());
    manifest.evidence.get_mut("e").unwrap().bytes = 10;
    let refusal = verify(&signed_by(&manifest, &[&key()]), &trust()).unwrap_err();
    assert!(refusal.to_string().contains("another length"), "{refusal}");
}

#[test]
fn a_folder_is_read_as_it_was_written_and_links_are_refused() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("bundle");
    let files = collect::seal(&manifest(0, None), &[b"checklist".to_vec()], &key()).unwrap();
    folder::write(&path, &files).unwrap();
    assert_eq!(folder::read(&path).unwrap(), files);
    std::os::unix::fs::symlink("manifest.json", path.join("other")).unwrap();
    let error = folder::read(&path).unwrap_err().to_string();
    assert!(error.contains("no plain file"), "{error}");
}
