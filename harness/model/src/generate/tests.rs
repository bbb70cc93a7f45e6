use super::case;
use crate::{
    case::Abilities,
    coverage::{Coverage, Object},
    oracle::foretell,
};

const ALL: Abilities = Abilities::ALL;

#[test]
fn a_case_follows_from_its_seed_and_number_and_can_be_made() {
    for number in 0..300 {
        let made = case(7, number, ALL);
        assert!(made.is_sound(), "{made:#?}");
        assert_eq!(made, case(7, number, ALL));
        assert_ne!(made, case(8, number, ALL));
    }
}

#[test]
fn without_rules_no_rule_speaks() {
    for number in 0..50 {
        let foretold = foretell(&case(7, number, ALL), false);
        assert!(foretold.iter().all(|one| one.spoken.is_empty()));
    }
}

#[test]
fn more_than_a_fifth_is_denied_and_every_kind_of_rule_decides() {
    let mut coverage = Coverage::default();
    let (mut tried, mut denied) = (0_u64, 0_u64);
    for number in 0..100 {
        let case = case(1, number, ALL);
        for foretold in foretell(&case, true) {
            tried += u64::from(foretold.came != crate::Came::NoVerdict);
            if let Some(spoken) = foretold.decided() {
                denied += u64::from(spoken.action != scenarios::rule::Action::Audit);
                coverage.add(&case.rules, spoken);
            }
        }
    }
    assert!(denied * 4 > tried, "{denied} of {tried}");
    let missing = coverage.missing(&Object::ALL);
    assert!(missing.is_empty(), "{missing:?}");
}
