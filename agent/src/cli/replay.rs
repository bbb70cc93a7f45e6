//! `simulate` and `explain`.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use aegisbpf_abi::{Domain, Operation};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::{at, internal, print, stored, unreadable};
use crate::{
    control::Refusal,
    exit_code::ExitCode,
    policy::{self, Policy, model::Protocol},
    replay::{
        Attempt, Host, Missing, What, Who,
        explain::Explanation,
        judge,
        record::{self, Event},
        simulate::{Decided, Simulation},
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Say what another policy would have made of recorded events.
    ///
    /// Takes the JSON lines that `aegisbpf run` prints. An event tells of what
    /// some rule spoke, so this shows what a policy changes of what is
    /// reported now, not what it would deny besides: record with an `audit`
    /// rule that is wide enough first. Files are found by inode and name at the
    /// paths of the policies on this machine, cgroups by id; what an event does
    /// not tell is counted as undecidable, never as unchanged. Which program it
    /// was, only the rule tells that was recorded: give its policy with
    /// --recorded.
    #[command(after_help = "Examples:\n  \
        journalctl -u aegisbpf -o cat | aegisbpf policy simulate new.yaml -\n  \
        aegisbpf policy simulate new.yaml events.jsonl --recorded old.yaml --json\n\n\
        Exit status: 0 simulated, whatever changes; 1 cannot read; 4 the policy is wrong.")]
    Simulate {
        /// The other policy (YAML).
        file: PathBuf,
        /// The events; - for standard input.
        events: PathBuf,
        /// The policy under which they were recorded. Without it, the paths of the stored one are
        /// looked at.
        #[arg(long, value_name = "FILE")]
        recorded: Option<PathBuf>,
    },
    /// Say which rule decides about an event, or about an operation, and why.
    ///
    /// What is not said of who tries is not known: where a rule depends on it,
    /// the answer says so. It is taken to be neither init nor the agent, which no
    /// rule denies anything, unless --program says so.
    #[command(after_help = "Examples:\n  \
        aegisbpf policy explain --operation read --path /etc/shadow --uid 1000 --program /usr/bin/cat\n  \
        aegisbpf policy explain --operation connect --peer 169.254.169.254:80 --protocol tcp --uid 0\n  \
        aegisbpf policy explain --event '{\"type\":\"denial\",…}' --policy new.yaml\n\n\
        Exit status: 0 explained, also when it is undecidable; 1 cannot read; 2 the question \
        makes no sense; 4 the policy is wrong; 6 no policy is stored.")]
    Explain {
        /// The policy (YAML); without it the stored one.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// A line that `aegisbpf run` printed.
        #[arg(
            long,
            value_name = "JSON",
            conflicts_with = "operation",
            required_unless_present = "operation"
        )]
        event: Option<String>,
        /// What is tried: read, exec, connect, module-load …
        #[arg(long)]
        operation: Option<String>,
        #[command(flatten)]
        question: Question,
    },
}

#[derive(Debug, Args)]
pub(super) struct Question {
    /// The file that it is about.
    #[arg(long, requires = "operation")]
    path: Option<PathBuf>,
    /// The peer, or the local address: 192.0.2.1:443 or [2001:db8::1]:443.
    #[arg(long, value_name = "ADDRESS:PORT", requires = "operation")]
    peer: Option<SocketAddr>,
    /// tcp or udp.
    #[arg(long, value_parser = protocol, requires = "peer")]
    protocol: Option<Protocol>,
    /// Real user id of who tries.
    #[arg(long, requires = "operation")]
    uid: Option<u32>,
    /// The program that tries.
    #[arg(long, value_name = "PATH", requires = "operation")]
    program: Option<PathBuf>,
    /// Its cgroup, from the root of the v2 hierarchy.
    #[arg(long, value_name = "PATH", requires = "operation")]
    cgroup: Option<PathBuf>,
    /// Number of its mount namespace.
    #[arg(long, value_name = "NUMBER", requires = "operation")]
    mount_namespace: Option<u32>,
}

fn protocol(name: &str) -> Result<Protocol, String> {
    let value = serde_json::Value::from(name);
    serde_json::from_value(value).map_err(|error| error.to_string())
}

pub(super) fn run(verb: Verb, as_json: bool) -> Result<(), Refusal> {
    match verb {
        Verb::Simulate {
            file,
            events,
            recorded,
        } => {
            let policy = policy::read(&file).map_err(unreadable)?;
            let recorded = recorded.map(|file| policy::read(&file).map_err(unreadable));
            show(
                &simulate(&policy, recorded.transpose()?.as_ref(), &events)?,
                as_json,
            )
        }
        Verb::Explain {
            policy,
            event,
            operation,
            question,
        } => {
            let policy = match policy {
                Some(file) => policy::read(&file).map_err(unreadable)?,
                None => stored(None)?,
            };
            let mut host = Host::here().map_err(internal)?;
            let image = host.image(&policy)?;
            let attempt = match event {
                Some(line) => {
                    let event = record::read(&line).map_err(senseless)?;
                    let event = event.ok_or_else(|| senseless("it is of no attempt"))?;
                    host.look_for(std::slice::from_ref(&event), &[&policy]);
                    event.attempt(&host, None).map_err(senseless)?
                }
                None => asked(
                    operation.as_deref().unwrap_or_default(),
                    &question,
                    &mut host,
                )?,
            };
            let judgement = judge(&image, &attempt);
            show(&Explanation::new(judgement, &image, &policy), as_json)
        }
    }
}

fn show(answer: &(impl Serialize + std::fmt::Display), as_json: bool) -> Result<(), Refusal> {
    if as_json {
        print(&json!(answer).to_string())
    } else {
        print(&answer.to_string())
    }
}

fn senseless(problem: impl std::fmt::Display) -> Refusal {
    Refusal::new(ExitCode::Usage, format!("cannot explain this: {problem}"))
}

fn simulate(
    policy: &Policy,
    recorded: Option<&Policy>,
    events: &Path,
) -> Result<Simulation, Refusal> {
    let input: Box<dyn std::io::Read> = if events == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(events).map_err(|error| at(events, error))?)
    };
    let mut host = Host::here().map_err(internal)?;
    let image = host.image(policy)?;
    let mut simulation = Simulation::new(policy);
    let mut known: Vec<(usize, Event)> = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(input).split(b'\n')) {
        let line = line.map_err(|error| at(events, error))?;
        match record::read(&String::from_utf8_lossy(&line)) {
            _ if line.trim_ascii().is_empty() => {}
            Ok(Some(event)) if event.verdict().is_ok() && event.operation().is_ok() => {
                known.push((number, event));
            }
            Ok(None) => simulation.other_records += 1,
            Ok(Some(_)) | Err(_) => simulation.unreadable += 1,
        }
    }
    let all: Vec<Event> = known.iter().map(|(_, event)| event.clone()).collect();
    let stored = if recorded.is_none() {
        stored(None).ok()
    } else {
        None
    };
    let others = recorded.into_iter().chain(&stored);
    host.look_for(&all, &others.chain([policy]).collect::<Vec<_>>());
    simulation.sum_up(known.iter().filter_map(|(line, event)| {
        let was = Decided {
            verdict: event.verdict().ok()?,
            rule: event.rule.clone(),
            would: event.verdict == "would-deny",
        };
        let judgement = judge(&image, &event.attempt(&host, recorded).ok()?);
        let simulated = match Decided::of(&judgement, &image, policy) {
            _ if event.reason.is_some() => Err(BTreeSet::from([Missing::Sight])),
            Some(decided) => Ok(decided),
            None => Err(judgement.missing),
        };
        Some((was, simulated, *line, event.shown()))
    }));
    Ok(simulation)
}

/// What is asked about on the command line.
fn asked(operation: &str, question: &Question, host: &mut Host) -> Result<Attempt, Refusal> {
    let known = record::operation(operation).ok_or_else(|| {
        let names: BTreeSet<&str> = Operation::ALL.iter().map(|one| one.name()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        senseless(format!(
            "{operation:?} is no operation: write one of {}",
            names.join(", ")
        ))
    })?;
    let executed = known.domain() == Domain::Exec;
    let what = match (known.domain(), &question.path, question.peer) {
        (Domain::File | Domain::Exec, Some(path), None) => host.at(path, executed),
        (Domain::Network, None, Some(peer)) => What::Peer {
            address: record::octets(peer.ip()),
            port: peer.port(),
            protocol: question.protocol.map(Protocol::number),
        },
        (Domain::Kernel, Some(path), None) => host.at(path, false),
        (Domain::Kernel, None, None) => What::Kernel,
        (Domain::Network, ..) => return Err(senseless(format!("{operation} needs --peer"))),
        (Domain::Kernel, ..) => return Err(senseless(format!("{operation} has no peer"))),
        _ => return Err(senseless(format!("{operation} needs --path"))),
    };
    let program = question.program.as_deref();
    let cgroup = question.cgroup.as_deref();
    Ok(Attempt {
        operations: vec![known.alone()],
        what,
        who: Who {
            program: program.map(|path| host.program(path)).transpose()?,
            uid: question.uid,
            not: match program {
                Some(_) => BTreeSet::new(),
                None => host.own(),
            },
            mount_namespace: question.mount_namespace,
            cgroup: cgroup
                .map(|path| host.cgroup_at(path))
                .transpose()?
                .unwrap_or_default(),
        },
    })
}
