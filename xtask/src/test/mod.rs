//! `cargo xtask test`: everything that must hold before a change is merged.
//! `.ci/run` calls it.

mod summary;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use kernel_matrix::Tier;

use self::summary::{Row, Verdict};
use crate::exit_code::{ExitCode, OrExit as _};
use crate::process::Invocation;
use crate::progress::Stages;
use crate::{build, deny, e2e, setup, workspace};

/// What to leave out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave out the smoke tier of `e2e`, and so QEMU and kernels.
    #[arg(long)]
    no_e2e: bool,
    /// Only the tests of evidence about running services: nginx, Prometheus,
    /// Alertmanager and PostgreSQL, which are fetched as packages of the
    /// distribution first, and run on loopback.
    #[arg(long, conflicts_with = "no_e2e")]
    services: bool,
}

/// The task: set-up, then every stage, also after one that failed.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.services {
        return services();
    }
    let toolchain = if args.no_e2e {
        setup::for_build()?
    } else {
        setup::for_vms()?
    };
    let options = build::Options::new(toolchain)?;
    let logs = logs()?;
    let object = build::build_bpf(&options)?;
    let mut rows: Vec<_> = [
        ("formatting", cargo().args(["fmt", "--all", "--check"])),
        ("clippy", clippy(&object)),
        ("clippy of the BPF programs", build::clippy_bpf(&options)),
        (
            "unit, property, snapshot and tidy tests",
            cargo_test(&object),
        ),
    ]
    .into_iter()
    .map(|(name, command)| stage(name, &command, &logs))
    .collect();
    rows.push(if deny::is_installed() {
        stage("licences and sources", &deny::without_advisories(), &logs)
    } else {
        Row::not_run("licences and sources", deny::NOT_INSTALLED)
    });
    rows.push(Row::not_run(SERVICES, "cargo xtask test --services"));
    rows.push(end_to_end(args));
    eprintln!("\n{}", summary::table(&rows));
    Ok(summary::exit_code(&rows))
}

const SERVICES: &str = "evidence about running services";

/// These tests are ignored by a plain `cargo test`, which says so; asked for,
/// they fail where a server is missing.
fn services() -> Result<ExitCode> {
    let servers = setup::for_services()?;
    let logs = logs()?;
    let command = cargo()
        .env("AEGISBPF_SERVERS", servers)
        .args(["test", "--package", "evidence", "--test", "services"])
        .args(["--", "--ignored", "--test-threads", "2"]);
    let rows = [stage(SERVICES, &command, &logs)];
    eprintln!("\n{}", summary::table(&rows));
    Ok(summary::exit_code(&rows))
}

fn logs() -> Result<PathBuf> {
    let logs = workspace::target_dir().join("xtask-test");
    fs::create_dir_all(&logs)
        .with_context(|| format!("cannot create {}", logs.display()))
        .or_exit(ExitCode::Infrastructure)?;
    Ok(logs)
}

fn end_to_end(args: &Args) -> Row {
    const NAME: &str = "end to end, smoke tier";
    if args.no_e2e {
        return Row::not_run(NAME, "--no-e2e");
    }
    let started = Instant::now();
    let code = match e2e::end_to_end(&e2e::Options::tier(Tier::Smoke)) {
        Ok(done) => {
            eprintln!("   cells  in {}", done.folder.join("summary.md").display());
            done.exit_code
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::of(&error)
        }
    };
    Row {
        name: NAME,
        verdict: match code {
            ExitCode::Ok => Verdict::Passed,
            code => Verdict::Failed(code),
        },
        took: Some(started.elapsed()),
    }
}

fn cargo() -> Invocation {
    Invocation::cargo().dir(workspace::root())
}

/// The BPF programs compile for their own target only, in a stage of theirs.
const HOST_PACKAGES: [&str; 3] = ["--workspace", "--exclude", "aegisbpf-programs"];

fn clippy(object: &Path) -> Invocation {
    // `--keep-going`, `--no-fail-fast`: a person mends what failed in one go.
    cargo()
        .env(build::OBJECT_VARIABLE, object)
        .args(["clippy", "--keep-going"])
        .args(HOST_PACKAGES)
        .args(["--all-targets", "--", "-D", "warnings"])
}

fn cargo_test(object: &Path) -> Invocation {
    cargo()
        .env(build::OBJECT_VARIABLE, object)
        .arg("test")
        .args(HOST_PACKAGES)
        .arg("--no-fail-fast")
        // A snapshot without its accepted text is a failure, not a new file.
        .env("INSTA_UPDATE", "no")
}

/// Runs a command as a stage. Its whole output goes into a file, and the end
/// of it to the terminal if it fails.
fn stage(name: &'static str, command: &Invocation, logs: &Path) -> Row {
    let stage = Stages::new("test").start(name);
    stage.announce("…");
    let log = logs.join(format!("{}.log", name.replace([' ', ','], "-")));
    let mut file = File::create(&log).ok();
    let result = command.run(|line| {
        stage.line(line);
        // Losing the copy loses no verdict: the error holds the end of it.
        if let Some(file) = &mut file {
            let _ = writeln!(file, "{line}");
        }
    });
    let verdict = match result {
        Ok(()) => Verdict::Passed,
        Err(error) => {
            stage.print(&format!("{error}\nall of it: {}", log.display()));
            Verdict::Failed(ExitCode::Failed)
        }
    };
    let took = stage.done(verdict.word());
    Row {
        name,
        verdict,
        took: Some(took),
    }
}
