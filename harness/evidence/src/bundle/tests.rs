use super::{Previous, folder, manifest::Manifest, verify};
use crate::{collect, digest::Digest, sign::SecretKey, trust::Trust};

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
