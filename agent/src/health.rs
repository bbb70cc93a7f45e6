//! What is true of the prerequisites and of the pinned state. Nothing is
//! taken from a file that says so: the kernel is asked.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, process, time::Duration};

use aegisbpf_abi::{ABI_VERSION, Active, Domain, Meta, Mode};
use serde::Serialize;

use crate::{
    control::{DaemonHealth, Request, Response, socket},
    held::Held,
    hex,
    image::Modes,
    kernel::{
        counters::Counters,
        facts, hooks,
        memory::{self, MapMemory},
        pins::Folder,
        policy_maps::PolicyMaps,
        programs::{self, Attached, Mechanism},
        tenants::{self, TenantCounters},
    },
    lock::Lock,
    paths,
    record::{self, Domains},
    startup,
};

/// How long the daemon may take to say how it is; it may be busy with a policy.
const PATIENCE: Duration = Duration::from_secs(10);

/// The answer of `aegisbpf health`.
#[derive(Debug, Serialize)]
pub struct Health {
    /// Whether every check is as it should be.
    pub healthy: bool,
    /// Whether a daemon runs.
    pub daemon: Daemon,
    /// State of each domain.
    pub domains: Domains,
    /// Generation in force; 0 for none.
    pub generation: u64,
    /// SHA-256 of what is in the maps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<String>,
    /// Pinned hooks.
    pub links: Vec<Link>,
    /// What the maps of the policy in force take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<MapMemory>,
    /// The kernel's counters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
    /// The same for each tenant: the scope of a rule.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<String, TenantCounters>,
    /// How often the daemon tries its canary, and why it is degraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Descriptors that were open when the daemon's policy came into force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Each thing that was looked at.
    pub checks: Vec<Check>,
}

/// The daemon.
#[derive(Debug, Serialize)]
pub struct Daemon {
    /// Whether it runs.
    pub running: bool,
    /// Its process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// The canary of the daemon.
#[derive(Debug, Serialize)]
pub struct Canary {
    /// How often it is tried; null for never.
    pub every_ms: Option<u64>,
    /// Whether it failed the last time.
    pub degraded: bool,
}

/// One pinned hook.
#[derive(Debug, Serialize)]
pub struct Link {
    /// The hook of LSM, or of the cgroup at the root.
    pub hook: String,
    /// The kernel's id of the link.
    pub link_id: u32,
    /// The kernel's id of the program.
    pub program_id: u32,
}

/// One check.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}

/// Look at everything.
pub fn examine() -> Health {
    let mut checks = Vec::new();
    let mut check = |name, result: Result<String, String>| {
        let (ok, detail) = match result {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        checks.push(Check { name, ok, detail });
    };
    let holder = Lock::holder();
    let running = holder.as_ref().ok().copied().flatten();
    let daemon = Daemon {
        running: running.is_some(),
        pid: running.flatten(),
    };
    check(
        "daemon",
        match holder {
            Ok(Some(_)) => Ok("is running".into()),
            Ok(None) => Err("is not running: nobody reads the events".into()),
            Err(error) => Err(error.to_string()),
        },
    );
    let asked = daemon.running.then(ask_daemon);
    if let Some(asked) = &asked {
        check(
            "canary",
            asked.as_ref().map_err(Clone::clone).and_then(canary),
        );
    }
    let asked = asked.and_then(Result::ok);
    check("bpffs", facts::bpffs().map(|()| "is mounted".into()));
    check(
        "bpf",
        facts::programs_load().map(|()| "programs load".into()),
    );
    let found = match startup::folder_in_force() {
        Ok(Some((folder, active))) => Found::look(&folder, active),
        Ok(None) => Err("no policy is in force".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let number = found.as_ref().map_or(0, |found| found.active.generation());
    let described = found
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|found| describe(&found.meta));
    check(
        "policy",
        described
            .as_ref()
            .map(|_| format!("generation {number} is in force"))
            .map_err(Clone::clone),
    );
    let (modes, mechanism) = described.unwrap_or((Modes::OFF, Mechanism::Tracepoints));
    if mechanism == Mechanism::Lsm {
        check(
            "bpf-lsm",
            facts::lsm()
                .map(|()| "is active".into())
                .map_err(|obstacle| obstacle.to_string()),
        );
    }
    if mechanism != Mechanism::Tracepoints {
        let mut domains = Domain::ALL.iter();
        if domains.any(|domain| modes.of(*domain) != Mode::Off) {
            check(
                "hooks",
                found.as_ref().map_err(Clone::clone).and_then(Found::hooks),
            );
        }
    }
    // What tracepoints see, nobody does without the daemon.
    let fallback = |mode| record::state(mode, mechanism) == "fallback";
    let mut now = modes;
    if !daemon.running && modes.0.into_iter().any(fallback) {
        check("fallback", Err("tracepoints end with the daemon".into()));
        now.0 = modes
            .0
            .map(|mode| if fallback(mode) { Mode::Off } else { mode });
    }
    Health {
        healthy: checks.iter().all(|check| check.ok),
        domains: Domains::new(&now, mechanism),
        generation: number,
        policy_digest: found
            .as_ref()
            .ok()
            .map(|found| hex::encode(&found.meta.digest)),
        links: found.as_ref().map(Found::links).unwrap_or_default(),
        maps: found.map(|found| found.maps).unwrap_or_default(),
        counters: Counters::read().ok(),
        tenants: tenants::read().unwrap_or_default(),
        canary: asked.as_ref().map(|asked| Canary {
            every_ms: asked.canary_every_ms,
            degraded: asked.degraded.is_some(),
        }),
        held: asked.map(|asked| asked.held),
        daemon,
        checks,
    }
}

/// What only the daemon knows.
fn ask_daemon() -> Result<DaemonHealth, String> {
    match socket::ask_within(PATIENCE, Path::new(paths::CONTROL), &Request::Health) {
        Ok(Some(Response::Health(health))) => Ok(*health),
        Ok(Some(other)) => Err(format!("the daemon answered another question: {other:?}")),
        Ok(None) => Err("the daemon does not listen yet".into()),
        Err(error) => Err(format!("the daemon does not answer: {error}")),
    }
}

fn canary(daemon: &DaemonHealth) -> Result<String, String> {
    match (&daemon.degraded, daemon.canary_every_ms) {
        (Some(reason), _) => Err(format!("DEGRADED: {reason}")),
        (None, Some(every)) => Ok(format!("was denied; tried every {every} ms")),
        (None, None) => Ok("was denied when the policy came into force".into()),
    }
}

/// What is in force.
struct Found {
    active: Active,
    meta: Meta,
    attached: Vec<Attached>,
    maps: Vec<MapMemory>,
    /// Hooks that the policy needs and that are not attached.
    missing: Vec<String>,
}

impl Found {
    /// Whether every hook is attached that the policy needs.
    fn hooks(&self) -> Result<String, String> {
        if self.missing.is_empty() && !self.attached.is_empty() {
            Ok(format!("{} are attached", self.attached.len()))
        } else {
            Err(format!("not attached: {}", self.missing.join(", ")))
        }
    }

    fn links(&self) -> Vec<Link> {
        let links = self.attached.iter().map(|attached| Link {
            hook: attached.hook.clone(),
            link_id: attached.link_id,
            program_id: attached.program_id,
        });
        links.collect()
    }

    fn look(folder: &Folder, active: Active) -> Result<Self, String> {
        let maps = PolicyMaps::new(folder.clone());
        let meta = maps.meta(active).map_err(|error| error.to_string())?;
        let maps = memory::of_policy(folder, active).map_err(|error| error.to_string())?;
        let attached = programs::attached(folder).map_err(|error| error.to_string())?;
        let missing = hooks::names(meta.hooks)
            .filter(|hook| attached.iter().all(|attached| attached.hook != *hook))
            .map(str::to_owned)
            .collect();
        Ok(Self {
            active,
            meta,
            attached,
            maps,
            missing,
        })
    }
}

fn describe(meta: &Meta) -> Result<(Modes, Mechanism), String> {
    if meta.abi != ABI_VERSION {
        return Err(format!(
            "was loaded by an agent of ABI {}; this one has {ABI_VERSION}",
            meta.abi
        ));
    }
    let mechanism = Mechanism::from_number(meta.mechanism)
        .ok_or_else(|| format!("has the unknown mechanism {}", meta.mechanism))?;
    let modes = Modes(
        meta.modes
            .map(|number| Mode::from_number(u64::from(number))),
    );
    Ok((modes, mechanism))
}

impl Health {
    /// For people.
    pub fn to_table(&self) -> String {
        let mut table = String::new();
        for check in &self.checks {
            let mark = if check.ok { "ok  " } else { "FAIL" };
            let _ = writeln!(table, "{mark}  {:<22} {}", check.name, check.detail);
        }
        let Domains {
            file,
            exec,
            network,
            kernel,
        } = self.domains;
        let _ = write!(
            table,
            "\nfile: {file}   exec: {exec}   network: {network}   kernel: {kernel}\n"
        );
        for (tenant, counted) in &self.tenants {
            let TenantCounters {
                denied,
                killed,
                audited,
            } = counted;
            let _ = writeln!(
                table,
                "{tenant}: {denied} denied, {killed} killed, {audited} audited"
            );
        }
        if let Some(held) = self.held.as_ref().filter(|held| held.found > 0) {
            let (found, revoked) = (held.found, held.revoked);
            let _ = writeln!(
                table,
                "descriptors open before a rule: {found}, of them revoked {revoked}"
            );
        }
        table
    }

    /// The exit status that says it.
    pub fn exit_code(&self) -> process::ExitCode {
        use crate::exit_code::ExitCode;
        if self.healthy {
            ExitCode::Ok.into()
        } else {
            ExitCode::Unhealthy.into()
        }
    }
}
