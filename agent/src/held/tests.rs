use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::PathBuf,
};

use aegisbpf_abi::NameHash;

use super::*;
use crate::{
    canary,
    image::{self, Modes, Objects},
    policy,
    resolve::{Place, Resolved},
};

/// A copy of this process's folder of `/proc`, as another's.
struct Proc {
    root: tempfile::TempDir,
}

impl Proc {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let of_other = root.path().join("1");
        std::os::unix::fs::symlink("/proc/self", of_other).unwrap();
        Self { root }
    }
}

/// By the host's own inode numbers, with the folders of the path.
fn ask(path: &Path, folders: bool) -> Result<Option<FileFacts>, IdentifyError> {
    let real = fs::canonicalize(path)?;
    let key = |path: &Path| Key::object(fs::metadata(path).unwrap().ino(), 0, 7);
    let mut facts = FileFacts {
        object: key(&real),
        ..FileFacts::default()
    };
    if folders {
        facts.name = NameHash::of(real.file_name().unwrap_or_default().as_encoded_bytes());
        for (folder, above) in facts.folders.iter_mut().zip(real.ancestors().skip(1)) {
            *folder = key(above);
        }
    }
    Ok(Some(facts))
}

fn rules(text: &str) -> Policy {
    policy::parse(Path::new("x.yaml"), &format!("version: 1\nrules:\n{text}")).unwrap()
}

fn held(policy: &Policy, path: &Path, mode: Mode, proc: &Path) -> Held {
    let facts = ask(path, true).unwrap().unwrap();
    let folder = facts.folders[0];
    let found = Resolved {
        object: Some(facts.object),
        places: [Place {
            folder,
            key: folder.place(facts.name),
        }]
        .into(),
        roots: [(facts.object, BTreeSet::new())].into(),
        ..Resolved::default()
    };
    let files = (0..policy.rules.len()).map(|index| (index, vec![found.clone()]));
    let objects = Objects {
        files: files.collect(),
        ..Objects::default()
    };
    let modes = Modes::for_policy(policy, mode);
    let image = image::build(policy, &objects, modes, &canary::names_only()).unwrap();
    look(&image, policy, proc, &mut ask)
}

struct File_ {
    _folder: tempfile::TempDir,
    path: PathBuf,
    opened: File,
}

fn opened() -> File_ {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "x").unwrap();
    let opened = File::open(&path).unwrap();
    File_ {
        path,
        opened,
        _folder: folder,
    }
}

#[test]
fn a_descriptor_is_listed_with_its_rule_and_what_becomes_of_it() {
    let (file, proc) = (opened(), Proc::new());
    let check = |rule: &str, expected: Option<model::Held>| {
        let policy = rules(&format!("- id: secret\n  {rule}\n"));
        let held = held(&policy, &file.path, Mode::Enforce, proc.root.path());
        let fd = u32::try_from(file.opened.as_raw_fd()).unwrap();
        let listed = held.listed.iter().find(|one| one.fd == fd);
        assert_eq!(listed.map(|one| one.held), expected, "{rule}");
        if let Some(one) = listed {
            assert_eq!((one.pid, one.rule.as_str()), (1, "secret"));
            assert_eq!(one.operations, ["read"]);
        }
        let revoked = expected == Some(model::Held::Revoke);
        assert_eq!(
            (held.found, held.revoked),
            (u64::from(expected.is_some()), u64::from(revoked))
        );
    };
    let path = file.path.display();
    let keep = Some(model::Held::Keep);
    check(&format!("file: {{ path: {path} }}"), keep);
    check(
        &format!("held: revoke\n  file: {{ path: {path}, operations: [read, write] }}"),
        Some(model::Held::Revoke),
    );
    // Nothing is read or written.
    check(
        &format!("file: {{ path: {path}, operations: [delete] }}"),
        None,
    );
    // It was not opened for that.
    check(
        &format!("file: {{ path: {path}, operations: [write] }}"),
        None,
    );
    check(&format!("action: audit\n  file: {{ path: {path} }}"), None);
    let uid = rustix::process::getuid().as_raw();
    check(
        &format!("scope: [{{ uid: {uid} }}]\n  file: {{ path: {path} }}"),
        keep,
    );
    check(
        &format!(
            "scope: [{{ uid: {} }}]\n  file: {{ path: {path} }}",
            uid + 1
        ),
        None,
    );
    check(
        &format!("except: [{{ uid: {uid} }}]\n  file: {{ path: {path} }}"),
        None,
    );
}

#[test]
fn what_is_beneath_a_subtree_is_listed() {
    let (file, proc) = (opened(), Proc::new());
    let folder = file.path.parent().unwrap();
    let policy = rules(&format!(
        "- id: tree\n  file: {{ subtree: {} }}\n",
        folder.display()
    ));
    let found = held(&policy, folder, Mode::Enforce, proc.root.path());
    assert_eq!(found.listed[0].rule, "tree");
    assert_eq!(found.found, 1);
}

#[test]
fn in_audit_nothing_is_held_against_a_rule() {
    let (file, proc) = (opened(), Proc::new());
    let policy = rules(&format!(
        "- id: a\n  file: {{ path: {} }}\n",
        file.path.display()
    ));
    let found = held(&policy, &file.path, Mode::Audit, proc.root.path());
    assert_eq!(found, Held::default());
}

#[test]
fn all_are_counted_and_the_first_are_listed() {
    let (file, proc) = (opened(), Proc::new());
    let others: Vec<File> = (0..LISTED)
        .map(|_| File::open(&file.path).unwrap())
        .collect();
    let policy = rules(&format!(
        "- id: a\n  file: {{ path: {} }}\n",
        file.path.display()
    ));
    let found = held(&policy, &file.path, Mode::Enforce, proc.root.path());
    assert_eq!(
        (found.found, found.listed.len()),
        (others.len() as u64 + 1, LISTED)
    );
}

#[test]
fn what_ended_meanwhile_is_no_error_and_what_is_refused_is_counted() {
    let file = opened();
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("7")).unwrap();
    fs::create_dir(root.path().join("8")).unwrap();
    // No folder can be read there.
    fs::write(root.path().join("8/fd"), "").unwrap();
    let policy = rules(&format!(
        "- id: a\n  file: {{ path: {} }}\n",
        file.path.display()
    ));
    let found = held(&policy, &file.path, Mode::Enforce, root.path());
    assert_eq!((found.found, found.unseen), (0, 1));
}
