use harness_proto::{Access, Attempt, Item, Probe, World, probe::OpenWay};
use scenarios::Rule;

use super::foretell;
use crate::case::{Came, Case};

const DENIED: Came = Came::Denied(1);

fn world() -> World {
    let path = |name: &str| format!("/model/0/{name}");
    World {
        root: "/model/0".into(),
        items: vec![
            Item::Folder(path("a")),
            Item::File(path("a/f")),
            Item::Folder(path("b")),
            Item::Link {
                from: path("a/f"),
                path: path("b/link"),
            },
        ],
    }
}

fn open(path: &str) -> Probe {
    Probe::Open {
        path: format!("/model/0/{path}"),
        access: Access::Read,
        by: OpenWay::default(),
        cwd: None,
    }
}

fn rename(from: &str, to: &str) -> Probe {
    Probe::Rename {
        from: format!("/model/0/{from}"),
        to: format!("/model/0/{to}"),
        exchange: false,
    }
}

/// What comes of it under a rule.
fn check(rule: &str, attempts: &[(usize, Probe, Came)]) {
    let rule: Rule = toml::from_str(&format!("id = \"r\"\n{rule}")).unwrap();
    let tried = attempts.iter().map(|(by, probe, _)| Attempt {
        by: *by,
        probe: probe.clone(),
    });
    let case = Case {
        world: world(),
        rules: vec![rule],
        attempts: tried.collect(),
    };
    let foretold = foretell(&case, true);
    for (index, ((.., expected), foretold)) in attempts.iter().zip(&foretold).enumerate() {
        assert_eq!(foretold.came, *expected, "attempt {index}");
    }
}

#[test]
fn a_rule_about_a_path_holds_for_the_file_by_any_name_and_for_whatever_gets_its_place() {
    check(
        "file = { path = \"/model/0/a/f\", operations = [\"read\"] }",
        &[
            (0, open("a/f"), DENIED),
            (0, open("b/link"), DENIED),
            (0, rename("a/f", "b/moved"), Came::Allowed),
            (0, open("b/moved"), DENIED),
            (
                0,
                Probe::Mkdir {
                    path: "/model/0/a/f".into(),
                },
                Came::Allowed,
            ),
            (0, open("a/f"), DENIED),
        ],
    );
}

#[test]
fn a_folder_on_the_way_stays_for_those_whom_the_rule_means() {
    check(
        "file = { path = \"/model/0/a/f\", operations = [\"read\"] }\nscope = [{ uid = 0 }]",
        &[
            (0, rename("a", "c"), DENIED),
            (1, rename("a", "c"), Came::Allowed),
            (0, open("c/f"), DENIED),
            (1, open("c/f"), Came::Allowed),
        ],
    );
}

#[test]
fn a_missing_folder_on_the_way_stays_missing() {
    check(
        "file = { path = \"/model/0/n/f\", operations = [\"read\"] }",
        &[
            (
                0,
                Probe::Mkdir {
                    path: "/model/0/n".into(),
                },
                DENIED,
            ),
            (
                0,
                Probe::Mkdir {
                    path: "/model/0/m".into(),
                },
                Came::Allowed,
            ),
            (0, rename("m", "n"), DENIED),
        ],
    );
}

#[test]
fn what_is_moved_beneath_a_folder_is_beneath_it_and_no_longer_when_it_leaves() {
    check(
        "file = { subtree = \"/model/0/b\", operations = [\"read\"] }",
        &[
            (0, open("a/f"), Came::Allowed),
            (0, rename("a", "b/a"), Came::Allowed),
            (0, open("b/a/f"), DENIED),
            (0, rename("b/a", "a"), Came::Allowed),
            (0, open("a/f"), Came::Allowed),
        ],
    );
}

#[test]
fn what_the_kernel_refuses_by_itself_it_refuses_before_or_after_the_rules_as_it_does() {
    let rmdir = |path: &str| Probe::Rmdir {
        path: format!("/model/0/{path}"),
    };
    check(
        "file = { path = \"/model/0/b\", operations = [\"delete\"] }",
        &[
            // Not a folder: before any rule is asked.
            (0, rmdir("a/f"), Came::Denied(20)),
            // Not empty: afterwards.
            (0, rmdir("a"), Came::Denied(39)),
            (0, rmdir("b"), DENIED),
            (0, open("absent"), Came::Denied(2)),
            (0, open("a"), Came::Denied(21)),
        ],
    );
}
