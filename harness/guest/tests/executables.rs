//! The executables of the counting bench, as far as they can be called here.

use std::process::Command;

#[test]
fn wrong_arguments_are_refused_with_the_usage() {
    let check = |executable: &str, arguments: &[&str], says: &str| {
        let output = Command::new(executable).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    };
    let workload = env!("CARGO_BIN_EXE_workload");
    check(workload, &[], "usage: workload");
    check(workload, &["count", "{}"], "missing field");
    check(workload, &["populate", "many"], "usage: workload");
    check(workload, &["populate", "many", "1"], "invalid digit");
    let null_lsm = env!("CARGO_BIN_EXE_null-lsm");
    check(null_lsm, &["detach"], "usage: null-lsm");
    check(null_lsm, &["attach", "/no/such/file"], "No such file");
}
