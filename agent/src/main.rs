//! The command line of AegisBPF.

use std::{path::PathBuf, process, time::Duration};

use aegisbpf::{
    canary,
    cli::{self, PolicyCommand},
    daemon::{self, DaemonError, Settings},
    degrade::Degrade,
    detach::{self, DetachError},
    exit_code::ExitCode,
    health,
    lock::{Lock, LockError},
};
use aegisbpf_abi::Mode;
use clap::{Parser, Subcommand, ValueEnum};
use rustix::process::{Resource, Rlimit, setrlimit};

/// A compact Linux runtime-security agent: denies in the kernel, with eBPF
/// LSM, what its policy says, and reports every denial.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_long_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  it did what was asked
  1  something failed that should not
  2  the command line is wrong
  3  this kernel, as booted, cannot enforce the policy; nothing was attached
  4  the policy is wrong; whatever was in force still is
  5  another agent is running
  6  not healthy (such as DEGRADED), or nothing to act on
  7  the kernel's verifier refused a program";

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring a policy into force and report on standard output, as JSON lines.
    ///
    /// Enforcement does not end with this process: a restart takes it over,
    /// `detach` ends it. SIGHUP reads the policy again; a policy with a
    /// mistake is refused and the old one goes on. SIGTERM stops the reporting.
    #[command(
        after_help = "Example:\n  aegisbpf run --policy /etc/aegisbpf/policy.yaml --mode audit"
    )]
    Run {
        /// The policy (YAML). Without it the stored one, as `policy apply` left
        /// it; where none is stored, /etc/aegisbpf/policy.yaml.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// What to do about an operation that a rule denies.
        #[arg(long)]
        mode: ModeArgument,
        /// Without BPF LSM, enforce the rules about the network and only report
        /// what rules about these domains speak of: `file,exec=audit`. Without
        /// this, a policy with such rules is refused there.
        #[arg(long, value_name = "DOMAINS=audit")]
        degrade: Option<Degrade>,
        /// How often to try the canary, which the hooks must deny, again: 30s, 5m, at
        /// least 1s; or `never`. Where it is not denied, the agent is DEGRADED:
        /// it says so on both outputs, and `health` ends with status 6.
        #[arg(long, value_name = "TIME", default_value = "60s", value_parser = canary_every)]
        canary_every: CanaryEvery,
    },
    /// Say what is in force and whether everything it needs is there.
    Health {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look at policies, bring them into force, take them back, and sign them.
    Policy(PolicyCommand),
    /// End enforcement: detach every hook and drop every map.
    Detach,
    /// Do nothing: what the canary's program runs when it is not denied.
    #[command(hide = true)]
    Canary {
        /// Try this operation under the name of the canary.
        #[arg(long = "try", hide = true)]
        operation: Option<String>,
        #[arg(hide = true)]
        _script: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeArgument {
    /// Report it, and let it go on. Without BPF LSM tracepoints report it.
    Audit,
    /// Deny it with EPERM and report it. Refuses to start where it cannot.
    Enforce,
}

/// `None` for never.
#[derive(Debug, Clone, Copy)]
struct CanaryEvery(Option<Duration>);

fn canary_every(text: &str) -> Result<CanaryEvery, String> {
    if text == "never" {
        return Ok(CanaryEvery(None));
    }
    match humantime::parse_duration(text) {
        Ok(time) if time < Duration::from_secs(1) => {
            Err("is less than 1s; to turn it off, write `never`".into())
        }
        Ok(time) => Ok(CanaryEvery(Some(time))),
        Err(error) => Err(error.to_string()),
    }
}

fn main() -> process::ExitCode {
    match Cli::parse().command {
        Command::Run {
            policy,
            mode,
            degrade,
            canary_every: CanaryEvery(canary_every),
        } => {
            if degrade.is_some() && matches!(mode, ModeArgument::Audit) {
                let problem =
                    "`--degrade` is for `--mode enforce`: in audit nothing is denied anyway";
                return fail(ExitCode::Usage, &problem).into();
            }
            run(&Settings {
                policy,
                mode: match mode {
                    ModeArgument::Audit => Mode::Audit,
                    ModeArgument::Enforce => Mode::Enforce,
                },
                degrade: degrade.unwrap_or_default(),
                canary_every,
            })
            .into()
        }
        Command::Health { json } => show_health(json),
        Command::Policy(command) => cli::run(command).into(),
        Command::Detach => end_enforcement().into(),
        Command::Canary {
            operation: Some(operation),
            ..
        } => process::exit(canary::as_child(&operation)),
        Command::Canary { .. } => ExitCode::Ok.into(),
    }
}

fn fail(code: ExitCode, message: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("aegisbpf: {message}");
    code
}

fn run(settings: &Settings) -> ExitCode {
    let _lock = match take_lock() {
        Ok(lock) => lock,
        Err(code) => return code,
    };
    // Kernels before 5.11 charge maps to this limit. Where it may not be
    // raised, making the maps says so.
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    let _ = setrlimit(Resource::Memlock, unlimited);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(ExitCode::Internal, &error),
    };
    match runtime.block_on(daemon::run(settings)) {
        Ok(()) => ExitCode::Ok,
        Err(DaemonError::Start(refusal)) => fail(refusal.code, &refusal.reason),
        Err(error) => fail(ExitCode::Internal, &error),
    }
}

fn take_lock() -> Result<Lock, ExitCode> {
    Lock::take().map_err(|error| match error {
        LockError::Taken { .. } => fail(ExitCode::AlreadyRunning, &error),
        LockError::Io(_) => fail(ExitCode::Internal, &error),
    })
}

fn show_health(json: bool) -> process::ExitCode {
    let health = health::examine();
    if json {
        match serde_json::to_string(&health) {
            Ok(text) => println!("{text}"),
            Err(error) => return fail(ExitCode::Internal, &error).into(),
        }
    } else {
        print!("{}", health.to_table());
    }
    health.exit_code()
}

fn end_enforcement() -> ExitCode {
    let _lock = match take_lock() {
        Ok(lock) => lock,
        Err(code) => return code,
    };
    match detach::detach() {
        Ok(()) => ExitCode::Ok,
        Err(error @ DetachError::Nothing) => fail(ExitCode::Unhealthy, &error),
        Err(error) => fail(ExitCode::Internal, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::canary_every;
    use std::time::Duration;

    #[test]
    fn how_often_the_canary_is_tried_is_a_time_or_never() {
        let check = |text: &str, expected: Option<Option<Duration>>| {
            let parsed = canary_every(text).ok().map(|every| every.0);
            assert_eq!(parsed, expected, "{text}");
        };
        check("30s", Some(Some(Duration::from_secs(30))));
        check("never", Some(None));
        check("0s", None);
        check("999ms", None);
        check("30", None);
        assert!(canary_every("0s").unwrap_err().contains("write `never`"));
    }
}
