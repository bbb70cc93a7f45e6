use std::{path::Path, sync::LazyLock};

use super::*;
use crate::{policy, signature::statement::key_id};
use proptest::prelude::*;

const TEXT: &str = "version: 1\nrules:\n  - id: a # why\n    file: { path: /etc/shadow }\n";
/// 2026-06-01.
const NOW: u64 = 1_780_272_000;

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn trust(more: &str) -> Trust {
    let public = Hex(key().public().to_bytes());
    Trust::parse(&format!(
        "names = [\"production\"]\n[[key]]\nname = \"ops\"\npublic = \"{public}\"\n\
         not-before = 2026-01-01T00:00:00Z\nexpires = 2027-01-01T00:00:00Z\n{more}"
    ))
    .unwrap()
}

static TRUST: LazyLock<Trust> = LazyLock::new(|| trust(""));
static DIGEST: LazyLock<Hex<32>> = LazyLock::new(digest);

fn digest() -> Hex<32> {
    Hex(policy::digest(
        &policy::parse(Path::new("p"), TEXT).unwrap(),
    ))
}

fn statement() -> Statement {
    Statement {
        name: "production".into(),
        key: key_id(&key().public()),
        counter: 41,
        not_before: NOW - 10,
        expires: NOW + 10,
        policy: digest(),
        text: Hex(Sha256::digest(TEXT).into()),
    }
}

fn check(text: &[u8], signature: &[u8]) -> Result<(Signed, String), SignatureError> {
    let offered = Offered {
        text,
        policy: *DIGEST,
        signature,
    };
    verify(offered, &TRUST, Some(NOW), None)
}

fn signed(change: impl Fn(&mut Statement)) -> Vec<u8> {
    let mut statement = statement();
    change(&mut statement);
    key().sign(statement).unwrap().to_text().into_bytes()
}

#[test]
fn a_signed_policy_is_believed() {
    let (signed, signer) = check(TEXT.as_bytes(), &signed(|_| {})).unwrap();
    assert_eq!((signed.statement.counter, signer.as_str()), (41, "ops"));
}

#[test]
fn every_change_of_one_byte_of_policy_or_signature_is_refused() {
    let signature = signed(|_| {});
    let changes = |bytes: &[u8], refused: &dyn Fn(&[u8]) -> bool| {
        let mut changed = bytes.to_owned();
        for position in 0..bytes.len() {
            for difference in 1..=u8::MAX {
                changed[position] = bytes[position] ^ difference;
                assert!(refused(&changed), "byte {position} ^ {difference}");
            }
            changed[position] = bytes[position];
            let shorter = [&bytes[..position], &bytes[position + 1..]].concat();
            assert!(refused(&shorter), "without byte {position}");
            let longer = [&bytes[..position], b" ", &bytes[position..]].concat();
            assert!(refused(&longer), "a space before byte {position}");
        }
    };
    changes(TEXT.as_bytes(), &|text| check(text, &signature).is_err());
    changes(&signature, &|changed| {
        check(TEXT.as_bytes(), changed).is_err()
    });
}

#[test]
fn bytes_that_move_between_neighbouring_fields_are_refused() {
    let bytes = statement().to_bytes();
    let mut fields = Vec::new();
    let mut rest = &bytes[..];
    while let Some((length, after)) = rest.split_first_chunk() {
        let (field, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        fields.push(field.to_vec());
        rest = after;
    }
    assert_eq!(fields.len(), 8);
    let joined = |fields: &[Vec<u8>]| -> Vec<u8> {
        let part = |field: &Vec<u8>| {
            let length = u32::try_from(field.len()).unwrap();
            [&length.to_be_bytes()[..], field].concat()
        };
        fields.iter().flat_map(part).collect()
    };
    assert_eq!(joined(&fields), bytes);
    let signature = Signed::from_bytes(&signed(|_| {})).unwrap().signature;
    for left in 0..fields.len() - 1 {
        for moved in 1..=fields[left].len() {
            let mut changed = fields.clone();
            let tail = changed[left].split_off(fields[left].len() - moved);
            changed[left + 1].splice(0..0, tail);
            // Either it is no statement, or it is another one, which was not
            // signed.
            let changed = joined(&changed);
            assert_ne!(changed, bytes);
            if let Ok(statement) = Statement::from_bytes(&changed) {
                let file = Signed {
                    statement,
                    signature,
                }
                .to_text();
                assert!(check(TEXT.as_bytes(), file.as_bytes()).is_err());
            }
        }
    }
}

#[test]
fn what_is_wrong_with_a_statement_is_said() {
    let check = |change: &dyn Fn(&mut Statement), part: &str| {
        let problem = check(TEXT.as_bytes(), &signed(change))
            .unwrap_err()
            .to_string();
        assert!(problem.contains(part), "{problem}");
    };
    check(
        &|statement| statement.expires = NOW,
        "valid from 2026-05-31T23:59:50Z until 2026-06-01T00:00:00Z",
    );
    check(
        &|statement| statement.not_before = NOW + 1,
        "statement 41 is valid from",
    );
    check(
        &|statement| statement.name = "staging".into(),
        "trust file takes production",
    );
    check(
        &|statement| statement.policy = Hex([0; 32]),
        "another policy",
    );
    check(&|statement| statement.text = Hex([0; 32]), "another text");
}

#[test]
fn an_older_counter_is_refused_and_the_same_one_only_holds_for_its_text() {
    let signature = signed(|_| {});
    let with_floor = |counter, text| {
        let offered = Offered {
            text: TEXT.as_bytes(),
            policy: digest(),
            signature: &signature,
        };
        verify(
            offered,
            &trust(""),
            Some(NOW),
            Some(Floor { counter, text }),
        )
        .is_ok()
    };
    let (same, other) = (statement().text, Hex([1; 32]));
    assert!(with_floor(40, other));
    assert!(with_floor(41, same));
    assert!(!with_floor(41, other));
    assert!(!with_floor(42, same));
}

#[test]
fn keys_have_a_time_and_can_be_revoked() {
    let signature = signed(|statement| {
        statement.not_before = 0;
        statement.expires = u64::MAX;
    });
    let at = |now, trust: &Trust| {
        let offered = Offered {
            text: TEXT.as_bytes(),
            policy: digest(),
            signature: &signature,
        };
        verify(offered, trust, Some(now), None).map(drop)
    };
    let year = 365 * 24 * 3600;
    assert_eq!(at(NOW, &trust("")), Ok(()));
    assert!(matches!(
        at(NOW + year, &trust("")),
        Err(SignatureError::Time { .. })
    ));
    assert!(matches!(
        at(NOW - year, &trust("")),
        Err(SignatureError::Time { .. })
    ));
    let revoked = trust("revoked = \"lost\"\n");
    assert!(matches!(
        at(NOW, &revoked),
        Err(SignatureError::Revoked { .. })
    ));
    let nobody = Trust::default();
    assert!(matches!(
        at(NOW, &nobody),
        Err(SignatureError::UnknownKey { .. })
    ));
}

#[test]
fn mistakes_in_a_trust_file_name_the_line() {
    let entry = "[[key]]\nname = \"a\"\nnot-before = 2026-01-01T00:00:00Z\nexpires = 2027-01-01T00:00:00Z\n";
    let public = format!("public = \"{}\"\n", Hex(key().public().to_bytes()));
    let check = |text: &str, part: &str| {
        let problem = Trust::parse(text).unwrap_err();
        assert!(problem.contains(part), "{problem}");
    };
    check(
        &format!("{entry}{public}typo = 1\n"),
        "unknown field `typo`",
    );
    check(
        &format!("{entry}{public}{entry}{public}"),
        "line 6: key \"a\" is in the file already",
    );
    check(
        &format!("{entry}public = \"00\"\n"),
        "64 hexadecimal digits",
    );
    check(
        &format!("{entry}public = \"{}\"\n", Hex([0; 32])),
        "is no Ed25519 public key",
    );
    check(
        &format!("{entry}{public}").replace("00Z", "00+01:00"),
        "must be a moment in UTC",
    );
}

#[test]
fn a_secret_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let made = SecretKey::create(&path).unwrap().public();
    assert_eq!(SecretKey::read(&path).unwrap().public(), made);
    assert!(SecretKey::create(&path).is_err());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(
        SecretKey::read(&path)
            .unwrap_err()
            .to_string()
            .contains("chmod 600")
    );
}

proptest! {
    /// So two statements never have the same bytes.
    #[test]
    fn a_statement_is_read_back_from_its_bytes(
        name in "\\PC{1,30}", key: [u8; 16], counter: u64,
        not_before in 0..u64::MAX, policy: [u8; 32], text: [u8; 32],
    ) {
        let statement = Statement {
            name, key: Hex(key), counter, not_before, expires: u64::MAX,
            policy: Hex(policy), text: Hex(text),
        };
        prop_assert_eq!(Statement::from_bytes(&statement.to_bytes()), Ok(statement));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = Statement::from_bytes(&bytes);
        let _ = Signed::from_bytes(&bytes);
    }
}
