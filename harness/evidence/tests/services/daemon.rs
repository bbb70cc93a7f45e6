//! A daemon with bearer authentication, TLS and backups.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use crate::{
    app::{App, Behaviour},
    gate::{KEY, TOKEN, decide, failures},
    nginx::{Nginx, Proxy},
    pki::Certificate,
    postgres::{Postgres, Programs},
    server::done,
};

const TEXT: &str = include_str!("../../../../docs/checklists/services/daemon.toml");
const DRILL: &str = include_str!("../../../../docs/checklists/services/postgres-drill.sh");
const HOUR: Duration = Duration::from_hours(1);

/// What does not change between the faults.
struct Databases {
    programs: Programs,
    original: Postgres,
    copy: Postgres,
    /// After the servers, which run in it.
    _folder: tempfile::TempDir,
}

impl Databases {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = Programs::copied(folder.path());
        let original = Postgres::start(&programs, &folder.path().join("original"));
        let copy = Postgres::start(&programs, &folder.path().join("copy"));
        original.run(
            &programs,
            "CREATE TABLE accounts (id int PRIMARY KEY, name text); \
             INSERT INTO accounts SELECT n, 'account ' || n FROM generate_series(1, 1000) n; \
             CREATE TABLE \"odd|\"\"name\" (at timestamptz, what jsonb); \
             INSERT INTO \"odd|\"\"name\" VALUES (now(), '{\"a\": [1, 2]}')",
        );
        Self {
            programs,
            original,
            copy,
            _folder: folder,
        }
    }

    fn back_up(&self, folder: &Path) {
        let mut drill = Command::new(folder.join("postgres-drill.sh"));
        drill
            .args(["backup", &self.original.uri])
            .arg(folder.join("backups"));
        self.programs.set_up(&mut drill);
        done(&mut drill);
    }
}

/// A good daemon with three backups, a fault, and what fails then.
fn told(
    databases: &Databases,
    proxy: &Proxy,
    fault: impl Fn(&Path),
    change: impl Fn(String) -> String,
) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let backups = folder.join("backups");
    fs::create_dir(&backups).unwrap();
    for (name, text) in [
        ("release.tar", "release"),
        ("token", TOKEN),
        ("postgres-drill.sh", DRILL),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    done(
        Command::new("chmod")
            .arg("+x")
            .arg(folder.join("postgres-drill.sh")),
    );
    for age in [48, 24, 0] {
        databases.back_up(folder);
        set_age(&newest(&backups), age * HOUR);
    }
    fault(&backups);
    let app = App::start(&Behaviour::default(), KEY);
    let nginx = Nginx::start(proxy, folder, app.port, TOKEN);
    let bin = databases.programs.bin.display();
    // What finds the programs is no part of the example.
    let path = std::env::var("PATH").unwrap_or_default();
    let run = format!("run = [\"env\", \"PATH={bin}:{path}\", \"./postgres-drill.sh\"");
    let text = TEXT
        .replace("localhost:8443", &format!("localhost:{}", nginx.tls_port))
        .replace("localhost:8080", &format!("localhost:{}", nginx.plain_port))
        .replace(
            "localhost:5433",
            &format!("127.0.0.1:{}", databases.copy.port),
        )
        .replace("run = [\"./postgres-drill.sh\"", &run)
        .replace("env = \"DAEMON_TOKEN\"", "file = \"token\"");
    failures(&decide(folder, &change(text)))
}

fn dumps(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let mut dumps: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|one| one == "dump"))
        .collect();
    dumps.sort();
    dumps
}

/// Their names are the moments at which they were made.
fn newest(folder: &Path) -> PathBuf {
    dumps(folder).pop().unwrap()
}

fn remove(paths: &[PathBuf]) {
    for path in paths {
        fs::remove_file(path).unwrap();
    }
}

fn set_age(path: &Path, age: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn good_proxy() -> Proxy {
    Proxy {
        protocols: "TLSv1.3",
        ..Proxy::default()
    }
}

#[test]
#[ignore = "needs servers: cargo xtask test --services"]
fn half_a_dump_does_not_get_the_name_of_a_backup() {
    let databases = Databases::start();
    let folder = tempfile::tempdir().unwrap();
    let (drill, dump) = (
        folder.path().join("drill.sh"),
        folder.path().join("pg_dump"),
    );
    fs::write(&drill, DRILL).unwrap();
    // It begins, and ends in error.
    fs::write(
        &dump,
        "#!/bin/sh\nfor word; do case $word in --file=*) echo half >\"${word#--file=}\" ;; esac; done\nexit 1\n",
    )
    .unwrap();
    done(Command::new("chmod").arg("+x").args([&drill, &dump]));
    let mut command = Command::new(&drill);
    command
        .args(["backup", &databases.original.uri])
        .arg(folder.path());
    databases.programs.set_up(&mut command);
    let path = format!(
        "{}:{}:{}",
        folder.path().display(),
        databases.programs.bin.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let ended = command.env("PATH", path).status().unwrap();
    assert!(!ended.success());
    assert_eq!(dumps(folder.path()), Vec::<PathBuf>::new());
}

#[test]
#[ignore = "needs servers: cargo xtask test --services"]
#[expect(clippy::too_many_lines, reason = "a table of faults")]
fn a_daemon_is_go_when_it_is_good_and_no_go_for_each_fault() {
    let databases = Databases::start();
    let same = |text: String| text;
    let told_of = |fault: &dyn Fn(&Path)| told(&databases, &good_proxy(), fault, same);
    assert_eq!(told_of(&|_| {}), BTreeMap::new());

    let backups = |name: &str, fault: &dyn Fn(&Path), cause: &str| {
        let told = told_of(fault);
        assert_eq!(
            told.keys().collect::<Vec<_>>(),
            ["backup"],
            "{name}: {told:#?}"
        );
        assert!(told["backup"].contains(cause), "{name}: {told:#?}");
    };
    backups(
        "no backup",
        &|folder| remove(&dumps(folder)),
        "failed: there is no backup",
    );
    backups(
        "an old one",
        &|folder| remove(&dumps(folder)[1..]),
        "the last backup is 2days",
    );
    backups(
        "a day left out",
        &|folder| fs::remove_file(&dumps(folder)[1]).unwrap(),
        "there was none for 2days",
    );
    backups(
        "half a backup",
        &|folder| cut(&newest(folder)),
        "failed: the last backup was not verified",
    );
    backups(
        "an empty one",
        &|folder| fs::write(newest(folder), "").unwrap(),
        "failed: the last backup is empty",
    );
    // It is whole, but of a moment when there was less.
    backups(
        "rows lost",
        &|folder| {
            databases.original.run(
                &databases.programs,
                "CREATE TABLE kept AS TABLE accounts; DELETE FROM accounts WHERE id > 10",
            );
            let before = fs::read(newest(folder).with_extension("dump.contents")).unwrap();
            databases.back_up(folder.parent().unwrap());
            databases.original.run(
                &databases.programs,
                "INSERT INTO accounts SELECT * FROM kept WHERE id > 10; DROP TABLE kept",
            );
            fs::write(newest(folder).with_extension("dump.contents"), before).unwrap();
        },
        "public.accounts was 1000 rows",
    );

    // The copy has no such role: every row comes back, and a right does not.
    backups(
        "a right lost",
        &|folder| {
            databases.original.run(
                &databases.programs,
                "CREATE ROLE reporter; GRANT SELECT ON accounts TO reporter",
            );
            databases.back_up(folder.parent().unwrap());
            databases.original.run(
                &databases.programs,
                "DROP OWNED BY reporter; DROP ROLE reporter",
            );
        },
        "exit status of pg_restore was 0",
    );

    let proxies = |name: &str, change: &dyn Fn(&mut Proxy), item: &str, cause: &str| {
        let mut proxy = good_proxy();
        change(&mut proxy);
        let told = told(&databases, &proxy, |_| {}, same);
        assert_eq!(told.keys().collect::<Vec<_>>(), [item], "{name}: {told:#?}");
        assert!(told[item].contains(cause), "{name}: {told:#?}");
    };
    proxies(
        "no token",
        &|one| one.asks_for_token = false,
        "authentication",
        "`anonymous` was answered with 200",
    );
    proxies(
        "any token",
        &|one| one.takes_any_token = true,
        "authentication",
        "`wrong-token` was answered with 200",
    );
    proxies(
        "old TLS",
        &|one| one.protocols = "TLSv1.2 TLSv1.3",
        "tls",
        "it speaks TLS 1.2",
    );
    proxies(
        "plaintext",
        &|one| one.redirects = false,
        "tls",
        "answers with 404 without TLS",
    );
    proxies(
        "ends soon",
        &|one| one.certificate = Certificate::EndsSoon,
        "tls",
        "14 must be left",
    );

    let told = told(
        &databases,
        &good_proxy(),
        |_| {},
        |text| {
            text.replace(
                &format!("127.0.0.1:{}", databases.copy.port),
                &format!("127.0.0.1:{}", databases.original.port),
            )
        },
    );
    assert!(
        told["backup"].contains("failed: it was restored where it came from"),
        "{told:#?}"
    );
}
