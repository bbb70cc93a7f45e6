use std::path::Path;

use super::{
    fake::{FakeDisk, Fault, Unsynced},
    *,
};

const ROOT: &str = "/lib/aegisbpf/history";
const OLD: &str = "version: 1\nrules: []\n";
const NEW: &str = "version: 1\nrules: [] # new\n";
const OPERATOR: Operator = Operator { uid: 0, pid: 1 };

fn open(disk: &FakeDisk) -> Result<History<FakeDisk>, HistoryError> {
    History::open(disk.clone(), Path::new(ROOT))
}

fn kept(text: &str) -> Kept {
    let digest = Hex(Sha256::digest(text).into());
    Kept {
        policy: digest,
        text: digest,
        signer: None,
        signed: None,
    }
}

fn applied(text: &str, confirm_by: Option<u64>) -> Event {
    Event::Applied {
        policy: kept(text),
        live: true,
        confirm_by,
    }
}

/// The two steps of applying a policy.
fn apply<F: Files>(history: &mut History<F>, text: &str) -> Result<(), HistoryError> {
    history.keep(text)?;
    history.record(7, OPERATOR, applied(text, None)).map(drop)
}

/// A disk on which the old policy was applied and has reached the platters.
fn with_old() -> FakeDisk {
    let disk = FakeDisk::new();
    apply(&mut open(&disk).unwrap(), OLD).unwrap();
    disk.after_power_loss(Unsynced::Lost, Unsynced::Lost)
}

/// The text that is in force on what is left of a disk, after checking all of
/// it; or what is wrong.
fn survivor(disk: &FakeDisk) -> Result<String, String> {
    let history = open(disk).map_err(|error| error.to_string())?;
    history.verify().map_err(|error| error.to_string())?;
    let current = history
        .state()
        .current
        .clone()
        .ok_or("nothing is in force")?;
    history
        .text(current.text)
        .map_err(|error| error.to_string())
}

/// Apply the new policy with a fault; whether it said that it did, and what
/// each kind of power loss leaves.
fn outcomes(fault: Fault) -> (bool, Vec<Result<String, String>>) {
    let mut disk = with_old();
    disk.fault = fault;
    let done = open(&disk)
        .and_then(|mut history| apply(&mut history, NEW))
        .is_ok();
    let kinds = [Unsynced::Lost, Unsynced::Half, Unsynced::Kept];
    let left = kinds
        .iter()
        .flat_map(|names| kinds.map(|contents| survivor(&disk.after_power_loss(*names, contents))));
    (done, left.collect())
}

fn steps_of_applying() -> (usize, Vec<usize>) {
    let disk = with_old();
    apply(&mut open(&disk).unwrap(), NEW).unwrap();
    (disk.steps(), disk.syncs())
}

#[test]
fn power_loss_after_any_step_leaves_the_whole_old_or_the_whole_new_policy() {
    let (mut old, mut new) = (0, 0);
    for step in 0..=steps_of_applying().0 {
        let (done, left) = outcomes(Fault::PowerCut(step));
        for text in left {
            let text = text.unwrap_or_else(|problem| panic!("after step {step}: {problem}"));
            assert!(
                text == NEW || (text == OLD && !done),
                "after step {step}: {text}"
            );
            if text == NEW { new += 1 } else { old += 1 }
        }
    }
    assert!(old > 0 && new > 0, "{old} {new}");
}

#[test]
fn an_error_at_any_step_leaves_the_whole_old_or_the_whole_new_policy_and_the_next_try_works() {
    for step in 0..steps_of_applying().0 {
        let (done, left) = outcomes(Fault::Error(step));
        assert!(!done, "step {step}");
        for text in left {
            let text = text.unwrap_or_else(|problem| panic!("step {step}: {problem}"));
            assert!(text == NEW || text == OLD, "step {step}: {text}");
        }
        let mut disk = with_old();
        let mut history = open(&disk).unwrap();
        history.files.fault = Fault::Error(disk.steps() + step);
        let _ = apply(&mut history, NEW);
        history.files.fault = Fault::None;
        apply(&mut history, NEW).unwrap();
        disk.fault = Fault::None;
        assert_eq!(survivor(&disk).as_deref(), Ok(NEW), "step {step}");
    }
}

/// The teeth of the two tests above: each wait for the disk is needed.
#[test]
fn leaving_out_any_sync_of_a_first_policy_is_noticed() {
    let first = |fault| {
        let mut disk = FakeDisk::new();
        disk.fault = fault;
        let done = open(&disk)
            .and_then(|mut history| apply(&mut history, NEW))
            .is_ok();
        assert!(done);
        let kinds = [Unsynced::Lost, Unsynced::Half, Unsynced::Kept];
        let whole = kinds.iter().all(|names| {
            kinds.iter().all(|contents| {
                survivor(&disk.after_power_loss(*names, *contents)).as_deref() == Ok(NEW)
            })
        });
        (whole, disk.syncs())
    };
    let (whole, syncs) = first(Fault::None);
    assert!(whole);
    assert_eq!(syncs.len(), 7);
    for sync in syncs {
        assert!(
            !first(Fault::LyingSync(sync)).0,
            "the sync in step {sync} is not needed"
        );
    }
}

#[test]
fn a_change_of_any_byte_is_noticed() {
    let disk = with_old();
    let entry = Path::new(ROOT).join("entries/0000000001");
    let policy = Path::new(ROOT)
        .join("policies")
        .join(kept(OLD).text.to_string());
    for path in [entry, policy] {
        for position in 0..disk.read(&path).unwrap().len() {
            disk.spoil(&path, position);
            let problem = survivor(&disk).unwrap_err();
            assert!(problem.contains("the history is broken"), "{problem}");
            disk.spoil(&path, position);
        }
    }
    assert_eq!(survivor(&disk).as_deref(), Ok(OLD));
}

#[test]
fn an_entry_that_is_missing_or_not_the_next_is_noticed() {
    let disk = with_old();
    let mut history = open(&disk).unwrap();
    apply(&mut history, NEW).unwrap();
    apply(&mut history, OLD).unwrap();
    let entry = |number: u64| Path::new(ROOT).join("entries").join(file_name(number));
    let (second, third) = (entry(2), entry(3));
    let mut files = disk.clone();
    files.rename(&second, Path::new("/second")).unwrap();
    assert!(survivor(&disk).unwrap_err().contains("entry 2 is missing"));
    files.rename(&third, &second).unwrap();
    assert!(survivor(&disk).unwrap_err().contains("does not follow"));
}

#[test]
fn an_unconfirmed_policy_goes_back_to_the_last_confirmed_one() {
    let disk = with_old();
    let mut history = open(&disk).unwrap();
    for (text, deadline) in [(NEW, 10), ("third", 20)] {
        history.keep(text).unwrap();
        history
            .record(7, OPERATOR, applied(text, Some(deadline)))
            .unwrap();
    }
    let reopened = open(&disk).unwrap();
    assert_eq!(reopened.state(), history.state());
    let pending = history.state().pending.clone().unwrap();
    assert_eq!((pending.confirm_by, pending.back_to), (20, Some(kept(OLD))));
    history.record(8, OPERATOR, Event::Confirmed).unwrap();
    assert_eq!(history.state().pending, None);
    assert_eq!(history.state().current, Some(kept("third")));
}

#[test]
fn every_kind_of_entry_is_read_back() {
    let statement = crate::signature::Statement {
        name: "production".into(),
        key: Hex([1; 16]),
        counter: 3,
        not_before: 1,
        expires: 2,
        policy: Hex([2; 32]),
        text: Hex([3; 32]),
    };
    let policy = Kept {
        signer: Some("ops".into()),
        signed: Some(crate::signature::Signed {
            statement,
            signature: Hex([4; 64]),
        }),
        ..kept(OLD)
    };
    let reason = "because".to_owned();
    let events = [
        Event::Applied {
            policy: policy.clone(),
            live: false,
            confirm_by: Some(9),
        },
        Event::Confirmed,
        Event::RolledBack {
            policy: policy.clone(),
            reason: reason.clone(),
        },
        Event::Reset {
            reason: reason.clone(),
        },
        Event::Refused {
            policy: Some(policy.policy),
            reason,
        },
    ];
    let disk = with_old();
    let mut history = open(&disk).unwrap();
    for event in &events {
        history.record(7, OPERATOR, event.clone()).unwrap();
    }
    let read = open(&disk).unwrap();
    let read_events = read
        .entries()
        .unwrap()
        .into_iter()
        .skip(1)
        .map(|entry| entry.event);
    assert_eq!(read_events.collect::<Vec<_>>(), events);
    let text = policy.text;
    assert_eq!(read.state().floor, Some(Floor { counter: 3, text }));
    assert_eq!(read.state().current, None);
}

#[test]
fn a_policy_is_found_by_the_beginning_of_its_digest() {
    let history = open(&with_old()).unwrap();
    let digest = kept(OLD).policy.to_string();
    assert_eq!(history.find(&digest[..8]).unwrap(), kept(OLD));
    for wrong in ["", &digest[..7], "0000000000"] {
        assert!(matches!(history.find(wrong), Err(HistoryError::Unknown(_))));
    }
}

#[test]
fn it_works_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("state/history");
    let mut history = History::open(Disk, &root).unwrap();
    apply(&mut history, OLD).unwrap();
    std::fs::write(root.join("entries/.0000000002"), "torn").unwrap();
    let mut history = History::open(Disk, &root).unwrap();
    apply(&mut history, NEW).unwrap();
    assert_eq!(History::open(Disk, &root).unwrap().verify().unwrap(), 2);
}
