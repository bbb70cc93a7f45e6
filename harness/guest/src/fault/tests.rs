//! The guards; what they guard against is tried in guests.

use std::cell::Cell;
use std::rc::Rc;

use super::{Faults, Guard};
use crate::attempt::AttemptError;

fn noting(said: &Rc<Cell<Vec<&'static str>>>, name: &'static str) -> Guard {
    let said = Rc::clone(said);
    Guard::new(move || {
        let mut names = said.take();
        names.push(name);
        said.set(names);
        Ok(())
    })
}

#[test]
fn a_fault_is_put_right_once_when_it_is_told_to() {
    let said = Rc::default();
    let mut faults = Faults::default();
    faults.add("a", noting(&said, "a"));
    assert_eq!(
        faults.lift("b").unwrap_err(),
        "no fault called b is in place"
    );
    assert_eq!(faults.lift("a"), Ok(()));
    assert!(faults.lift("a").is_err());
    drop(faults);
    assert_eq!(said.take(), ["a"]);
}

#[test]
fn whatever_is_still_in_place_is_put_right_at_the_end_the_last_first() {
    let said = Rc::default();
    let mut faults = Faults::default();
    for name in ["a", "b", "c"] {
        faults.add(name, noting(&said, name));
    }
    faults.lift("b").unwrap();
    // As when the cell goes no further.
    drop(faults);
    assert_eq!(said.take(), ["b", "c", "a"]);
}

#[test]
fn a_guard_that_cannot_put_it_right_says_so() {
    let mut faults = Faults::default();
    let refuse = || {
        Err(AttemptError {
            attempt: "unmount /x".into(),
            source: std::io::ErrorKind::ResourceBusy.into(),
        })
    };
    faults.add("a", Guard::new(refuse));
    assert!(faults.lift("a").unwrap_err().starts_with("unmount /x: "));
}
