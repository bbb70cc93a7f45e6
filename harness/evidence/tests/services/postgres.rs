//! PostgreSQL, as a user without privileges, because it refuses to run as root.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use crate::server::{Server, done, free_port, libraries, prefix};

/// Who has nothing.
const NOBODY: u32 = 65534;

/// The programs, where that user can read them.
pub(crate) struct Programs {
    pub(crate) bin: PathBuf,
    libraries: PathBuf,
}

/// A server that runs.
pub(crate) struct Postgres {
    pub(crate) port: u16,
    pub(crate) uri: String,
    _server: Server,
}

impl Programs {
    /// A copy in this folder, since those of the cache may be below somebody's
    /// home; or those of the machine, when the newest are installed.
    pub(crate) fn copied(folder: &Path) -> Self {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        let of_prefix = prefix().join("usr/lib/postgresql");
        let root = if of_prefix.is_dir() {
            for part in ["usr/lib", "usr/share/postgresql"] {
                let to = folder.join(part);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                let from = prefix().join(part);
                done(Command::new("cp").arg("--archive").args([&from, &to]));
            }
            folder.join("usr/lib/postgresql")
        } else {
            PathBuf::from("/usr/lib/postgresql")
        };
        let versions = fs::read_dir(&root);
        let versions = versions.expect("no PostgreSQL: run `cargo xtask test --services`");
        let bins = versions.flatten().map(|entry| entry.path().join("bin"));
        let newest = bins.filter(|bin| bin.join("postgres").is_file()).max();
        Self {
            bin: newest.expect("no PostgreSQL: run `cargo xtask test --services`"),
            libraries: libraries(&prefix()),
        }
    }

    /// One of them, as somebody who may run it.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if nix::unistd::geteuid().is_root() {
            let id = NOBODY.to_string();
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
        }
        command.arg("--").arg(self.bin.join(name));
        self.set_up(&mut command);
        command
    }

    /// So that a command finds them.
    pub(crate) fn set_up(&self, command: &mut Command) {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.bin.display()))
            .env("LD_LIBRARY_PATH", &self.libraries)
            // No time zone, language or connection of whoever runs the tests.
            .env("LC_ALL", "C")
            .env_remove("PGHOST")
            .env_remove("PGDATABASE");
    }
}

impl Postgres {
    /// A new cluster in this folder.
    pub(crate) fn start(programs: &Programs, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        if nix::unistd::geteuid().is_root() {
            chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = folder.join("data");
        done(
            programs
                .program("initdb")
                .args([
                    "--auth=trust",
                    "--username=postgres",
                    "--no-sync",
                    "--pgdata",
                ])
                .arg(&data)
                .current_dir("/"),
        );
        let port = free_port();
        let mut command = programs.program("postgres");
        command
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c"])
            .arg(format!("unix_socket_directories={}", folder.display()))
            .args(["-p", &port.to_string(), "-D"])
            .arg(&data)
            .current_dir("/");
        let mut server = Server::start(&mut command, folder, "postgres");
        let uri = format!("postgresql://postgres@127.0.0.1:{port}/postgres");
        server.wait("PostgreSQL", || {
            let mut ready = programs.program("pg_isready");
            ready.args(["--quiet", "--dbname", &uri]).current_dir("/");
            ready.status().is_ok_and(|status| status.success())
        });
        Self {
            port,
            uri,
            _server: server,
        }
    }

    pub(crate) fn run(&self, programs: &Programs, sql: &str) {
        let mut psql = programs.program("psql");
        psql.args(["--no-psqlrc", "--quiet", &self.uri, "--command", sql])
            .current_dir("/");
        done(&mut psql);
    }
}
