//! The one order in which a policy comes into force, at the start and at a
//! reload:
//!
//! check → can this kernel do it? → resolve → image → adopt, or fill maps →
//! read back → attach → switch → canary → detach what is not needed any more.
//!
//! Until the switch the old policy decides; when the canary fails, it is
//! given the word back.

mod objects;

use std::{fmt::Write as _, io, path::Path};

use aegisbpf_abi::{ABI_VERSION, Active, Domain, Meta, Mode, Operation, Operations};
use thiserror::Error;

use crate::{
    canary::{self, CanaryError, CanaryObjects},
    control::Refusal,
    degrade::Degrade,
    exit_code::ExitCode,
    fallback,
    held::{self, Held},
    image::{self, Image, ImageError, Modes, Objects},
    kernel::{
        counters::CounterMap,
        facts::{self, LsmObstacle},
        hooks::{Attachment, Needs},
        identify::Kernel,
        pins,
        policy_maps::{PolicyMaps, PolicyMapsError},
        programs::{Attached, Mechanism, Programs, ProgramsError, attached, own_folder},
        tracepoints::Tracepoints,
    },
    policy::{
        Action, Policy, Target,
        model::{self, Protocol},
    },
    resolve::{ResolveError, Resolver},
    trouble::Trouble,
};
pub use objects::{OWN, resolve};

/// Why a policy did not come into force. What was in force before still is.
#[derive(Debug, Error)]
pub enum StartError {
    /// Rules about paths that stand for nothing.
    #[error("the policy cannot be applied:{}", list(.0))]
    Unresolved(Vec<(String, ResolveError)>),
    /// The policy does not fit.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Enforce was asked for and is impossible.
    #[error(
        "cannot enforce: {obstacle}; rules that would not be enforced: {}; \
         nothing was attached; `--mode audit` reports without denying",
        rules.join(", ")
    )]
    CannotEnforce {
        /// Why.
        obstacle: LsmObstacle,
        /// All rules.
        rules: Vec<String>,
    },
    /// Enforce was asked for, and rules speak of what can be denied by BPF LSM
    /// only.
    #[error(
        "cannot enforce: {obstacle}; rules that would not be enforced: {}; nothing was attached, \
         or changed; `--mode audit` reports without denying",
        reasons(rules)
    )]
    OnlyByLsm {
        /// Why there is no BPF LSM.
        obstacle: LsmObstacle,
        /// Rules, each with what it needs it for.
        rules: Vec<(String, &'static str)>,
    },
    /// Less was asked for than is possible.
    #[error("BPF LSM is active: every domain can be enforced, so leave `--degrade` out")]
    NothingToDegrade,
    /// Neither enforce nor audit is possible.
    #[error("{problem}; nothing was attached, and rules {} are neither enforced nor audited", rules.join(", "))]
    NoBpf {
        /// What is missing.
        problem: String,
        /// All rules.
        rules: Vec<String>,
    },
    /// What is in force cannot be reached.
    #[error("{0}; what is in force stays as long as the agent runs")]
    Bpffs(String),
    /// The kernel refused the programs.
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    /// The kernel has no room for the policy.
    #[error("the kernel has no room for the policy: {0}; what was in force still is")]
    NoRoom(PolicyMapsError),
    /// The kernel refused the maps.
    #[error(transparent)]
    Maps(PolicyMapsError),
    /// The hooks do not decide as they should.
    #[error("the policy was taken back: {0}")]
    Canary(#[from] CanaryError),
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

fn reasons(rules: &[(String, &'static str)]) -> String {
    let named = rules.iter().map(|(rule, why)| format!("{rule} ({why})"));
    named.collect::<Vec<_>>().join(", ")
}

fn list(problems: &[(String, ResolveError)]) -> String {
    problems
        .iter()
        .fold(String::new(), |mut text, (rule, problem)| {
            let _ = write!(text, "\n  rule {rule:?}: {problem}");
            text
        })
}

impl StartError {
    /// The exit status that says it.
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unresolved(_) | Self::Image(_) | Self::NoRoom(_) => ExitCode::PolicyRefused,
            Self::CannotEnforce { .. }
            | Self::Bpffs(_)
            | Self::OnlyByLsm { .. }
            | Self::NoBpf { .. }
            | Self::Canary(_)
            | Self::Programs(
                ProgramsError::Layout(_)
                | ProgramsError::NoHook { .. }
                | ProgramsError::NoContent
                | ProgramsError::NoCgroup,
            ) => ExitCode::CannotEnforce,
            Self::NothingToDegrade => ExitCode::Usage,
            Self::Programs(ProgramsError::Verifier { .. }) => ExitCode::VerifierRefused,
            Self::Programs(_) | Self::Maps(_) | Self::Io { .. } => ExitCode::Internal,
        }
    }
}

impl From<PolicyMapsError> for StartError {
    fn from(error: PolicyMapsError) -> Self {
        if error.is_capacity() {
            Self::NoRoom(error)
        } else {
            Self::Maps(error)
        }
    }
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        Self::new(error.exit_code(), error)
    }
}

/// A policy in force.
#[derive(Debug)]
pub struct InForce {
    /// Its rules.
    pub policy: Policy,
    /// The mode of each domain.
    pub modes: Modes,
    /// What it needs hooks for.
    pub needs: Needs,
    /// Where each rule comes from that an event can name.
    pub origins: Vec<image::Origin>,
    /// The word that put it in force.
    pub active: Active,
    /// What it is.
    pub meta: Meta,
    /// Pinned hooks; no tracepoints, which cannot be pinned.
    pub attached: Vec<Attached>,
    /// Whether it was there already.
    pub adopted: bool,
    /// Descriptors that were open when it came into force.
    pub held: Held,
    /// Rules that are left out, because tracepoints cannot see what they
    /// speak of.
    pub unseen: Vec<String>,
}

/// What brings policies into force, and keeps what it needs for the next.
#[derive(Debug)]
pub struct Enforcer {
    mode: Mode,
    degrade: Degrade,
    /// How it sees what happens.
    pub mechanism: Mechanism,
    /// Why it is not the LSM hooks.
    pub obstacle: Option<LsmObstacle>,
    programs: Programs,
    tracepoints: Tracepoints,
    maps: PolicyMaps,
    /// Of what was denied and reported.
    pub counters: CounterMap,
}

/// Bring a policy into force, in place of the one that is, if any.
pub fn start(
    policy: Policy,
    mode: Mode,
    degrade: Degrade,
) -> Result<(Enforcer, InForce), StartError> {
    let nothing_before = folder_in_force()?.is_none();
    let attempted = attempt(policy, mode, degrade);
    match &attempted {
        Ok(_) => remove_other_programs(),
        // Nothing was in force, so nothing stays.
        Err(_) if nothing_before => pins::remove_all().map_err(|source| StartError::Io {
            what: "cannot remove what a refused policy left",
            source,
        })?,
        Err(_) => {}
    }
    attempted
}

fn attempt(
    policy: Policy,
    mode: Mode,
    degrade: Degrade,
) -> Result<(Enforcer, InForce), StartError> {
    let mut enforcer = Enforcer::new(&policy, mode, degrade)?;
    let in_force = enforcer.bring_into_force(policy)?;
    Ok((enforcer, in_force))
}

/// The programs whose policy is in force, whatever their version.
pub fn folder_in_force() -> Result<Option<(pins::Folder, Active)>, StartError> {
    let folders = pins::folders().map_err(|source| StartError::Io {
        what: "cannot list what is pinned",
        source,
    })?;
    for folder in folders {
        let active = PolicyMaps::new(folder.clone()).active()?;
        if active != Active::NONE {
            return Ok(Some((folder, active)));
        }
    }
    Ok(None)
}

/// Programs of other versions: those that were replaced, and what an
/// interrupted start left.
fn remove_other_programs() {
    for folder in pins::folders().unwrap_or_default() {
        if folder != own_folder()
            && let Err(error) = folder.remove()
        {
            let path = folder.path().display();
            eprintln!("aegisbpf: cannot remove {path}, which does not decide: {error}");
        }
    }
}

impl Enforcer {
    fn new(policy: &Policy, mode: Mode, degrade: Degrade) -> Result<Self, StartError> {
        let rules = || policy.rules.iter().map(|rule| rule.id.clone()).collect();
        facts::bpffs()
            .and_then(|()| facts::programs_load())
            .map_err(|problem| StartError::NoBpf {
                problem,
                rules: rules(),
            })?;
        let obstacle = facts::lsm().err();
        let mechanism = match (&obstacle, mode) {
            (None, _) if degrade != Degrade::default() => return Err(StartError::NothingToDegrade),
            (None, _) => Mechanism::Lsm,
            // The programs that can deny need the kernel's types, too.
            (Some(_), Mode::Enforce) if facts::has_btf() => Mechanism::Cgroup,
            (Some(obstacle), Mode::Enforce) => {
                return Err(StartError::CannotEnforce {
                    obstacle: obstacle.clone(),
                    rules: rules(),
                });
            }
            (Some(_), _) => Mechanism::Tracepoints,
        };
        let programs = Programs::open(mechanism)?;
        Ok(Self {
            mode,
            degrade,
            mechanism,
            obstacle,
            programs,
            counters: CounterMap::open().map_err(CanaryError::from)?,
            tracepoints: Tracepoints::default(),
            maps: PolicyMaps::new(own_folder()),
        })
    }

    /// Bring a policy into force in place of the one that is.
    pub fn bring_into_force(&mut self, policy: Policy) -> Result<InForce, StartError> {
        facts::bpffs().map_err(StartError::Bpffs)?;
        self.programs.pin_again()?;
        let (policy, unseen) = self.in_sight(policy)?;
        let image = self.image(&policy)?;
        let meta = self.meta(&image);
        let before = self.maps.active()?;
        let adopted = self.can_adopt(before, &image, &meta);
        let active = if adopted {
            self.attach_tracepoints(&image)?;
            canary::run(&image.modes, &image.needs, &self.counters)?;
            before
        } else {
            self.switch(before, &image, &meta)?
        };
        self.programs.hold()?;
        let held = self.held(&image, &policy)?;
        Ok(InForce {
            held,
            attached: attached(self.programs.folder())?,
            policy,
            modes: image.modes,
            needs: image.needs,
            origins: image.origins,
            active,
            meta,
            adopted,
            unseen,
        })
    }

    /// Whether the policy in force still is, and really decides.
    pub fn test(&self, in_force: &InForce) -> Result<(), Trouble> {
        let tried = canary::run(&in_force.modes, &in_force.needs, &self.counters);
        let pinned = facts::bpffs().and_then(|()| self.maps.pinned());
        let active = pinned.and_then(|()| self.maps.active().map_err(|error| error.to_string()));
        let detached = match self.mechanism {
            Mechanism::Tracepoints => Vec::new(),
            _ => self.programs.detached(&in_force.needs),
        };
        Trouble::look(tried, active, in_force.active, detached)
    }

    /// Which descriptors are open that the policy would not let be opened.
    fn held(&mut self, image: &Image, policy: &Policy) -> Result<Held, StartError> {
        if self.mechanism != Mechanism::Lsm {
            return Ok(Held::default());
        }
        let mut kernel = Kernel::new(&mut self.programs)?;
        let mut ask = |path: &Path, folders| kernel.facts(path, folders);
        Ok(held::look(image, policy, Path::new("/proc"), &mut ask))
    }

    /// A policy without what cannot be seen here, and the ids of that; an error
    /// when it was to be enforced.
    fn in_sight(&self, policy: Policy) -> Result<(Policy, Vec<String>), StartError> {
        let obstacle = match (self.mechanism, &self.obstacle) {
            (Mechanism::Tracepoints, _) => return Ok(fallback::in_sight(policy, |_| true)),
            (Mechanism::Cgroup, Some(obstacle)) => obstacle,
            _ => return Ok((policy, Vec::new())),
        };
        let named = |rule: &model::Rule| {
            let why = only_by_lsm(rule, self.degrade)?;
            Some((rule.id.clone(), why))
        };
        let mut rules: Vec<_> = policy.rules.iter().filter_map(named).collect();
        let of_network = |rule: &model::Rule| rule.target.speaks_of(Domain::Network);
        if rules.is_empty() && !policy.rules.iter().any(of_network) {
            // Then nothing at all would be enforced.
            let given_up = "given up by `--degrade`, and no other rule is left";
            let all = policy.rules.iter();
            rules = all.map(|rule| (rule.id.clone(), given_up)).collect();
        }
        if rules.is_empty() {
            Ok(fallback::in_sight(policy, |rule| !of_network(rule)))
        } else {
            let obstacle = obstacle.clone();
            Err(StartError::OnlyByLsm { obstacle, rules })
        }
    }

    /// Everything that can be known of a policy without writing it into maps.
    pub fn rehearse(&mut self, policy: &Policy) -> Result<Image, StartError> {
        let (policy, _) = self.in_sight(policy.clone())?;
        let image = self.image(&policy)?;
        if self.mechanism != Mechanism::Tracepoints {
            self.programs.check(&image.needs)?;
        }
        Ok(image)
    }

    fn image(&mut self, policy: &Policy) -> Result<Image, StartError> {
        let modes = Modes::for_policy(policy, self.mode);
        canary::prepare()?;
        match self.mechanism {
            Mechanism::Lsm => {
                let (objects, canary) = self.objects(policy, canary::objects)?;
                Ok(image::build(policy, &objects, modes, &canary)?)
            }
            Mechanism::Tracepoints => {
                let objects = Objects::default();
                let mut image = image::build(policy, &objects, modes, &canary::names_only())?;
                image.add_names(fallback::paths(policy).iter().map(AsRef::as_ref));
                // The canary tries no more than this can see.
                image.needs.operations = image.needs.operations.and(fallback::SEEN);
                Ok(image)
            }
            Mechanism::Cgroup => {
                let objects =
                    self.objects(&policy.about(Domain::Network), |_| Ok(canary::names_only()))?;
                let modes = self.degrade.lower(modes);
                let mut image = image::build(policy, &objects.0, modes, &objects.1)?;
                image.add_names(fallback::paths(policy).iter().map(AsRef::as_ref));
                let network = Operations::PEER.with(Operations::LOCAL);
                let seen = fallback::SEEN.with(network);
                image.needs.operations = image.needs.operations.and(seen);
                image.needs.attachment = Attachment::Cgroup;
                Ok(image)
            }
        }
    }

    /// What a policy speaks of, and the canary's objects.
    fn objects(
        &mut self,
        policy: &Policy,
        canary: impl FnOnce(&mut Resolver<'_>) -> Result<CanaryObjects, CanaryError>,
    ) -> Result<(Objects, CanaryObjects), StartError> {
        let mut kernel = Kernel::new(&mut self.programs)?;
        let mut resolver = Resolver::new(&mut kernel).map_err(|source| StartError::Io {
            what: "cannot read the mount table",
            source,
        })?;
        let canary = canary(&mut resolver)?;
        let objects = resolve(policy, OWN.iter().map(Path::new), &mut resolver)?;
        Ok((objects, canary))
    }

    /// Those of what is audited without BPF LSM: they end with the agent.
    fn attach_tracepoints(&mut self, image: &Image) -> Result<(), StartError> {
        if self.mechanism != Mechanism::Lsm {
            self.tracepoints.attach(&mut self.programs, &image.modes)?;
        }
        Ok(())
    }

    fn meta(&self, image: &Image) -> Meta {
        Meta {
            abi: ABI_VERSION,
            mechanism: self.mechanism.number(),
            modes: Domain::ALL.map(|domain| image.modes.of(domain) as u32),
            rules: u32::try_from(image.rules.len()).unwrap_or(u32::MAX),
            reserved: 0,
            hooks: self.programs.bits_of(&image.needs),
            digest: image.digest(),
        }
    }

    /// Whether what is pinned is exactly what would be made: the same rules on
    /// the same objects in the same modes, every hook attached, every map as
    /// it should be.
    fn can_adopt(&self, active: Active, image: &Image, meta: &Meta) -> bool {
        self.mechanism != Mechanism::Tracepoints
            && active != Active::NONE
            && active == image.active(active.generation())
            && self.programs.detached(&image.needs).is_empty()
            && self.maps.verify(active, image, meta).is_ok()
    }

    fn switch(&mut self, before: Active, image: &Image, meta: &Meta) -> Result<Active, StartError> {
        let last = match folder_in_force()? {
            Some((_, active)) => active.generation().max(before.generation()),
            None => before.generation(),
        };
        // The slot of the policy in force is never written to.
        let mut next = last + 1;
        if before != Active::NONE && image.active(next).slot() == before.slot() {
            next += 1;
        }
        let active = image.active(next);
        self.maps.fill(active, image, meta)?;
        self.maps.verify(active, image, meta)?;
        if self.mechanism != Mechanism::Tracepoints {
            self.programs.attach(&image.needs)?;
        }
        self.attach_tracepoints(image)?;
        self.maps.activate(active)?;
        if let Err(problem) = canary::run(&image.modes, &image.needs, &self.counters) {
            self.maps.activate(before)?;
            return Err(problem.into());
        }
        self.maps.wait_for_programs(active)?;
        if before != Active::NONE {
            self.maps.empty(before.slot())?;
        }
        self.programs.detach_all_but(&image.needs)?;
        Ok(active)
    }
}

/// Why a rule cannot be enforced without BPF LSM, unless it was given up.
fn only_by_lsm(rule: &model::Rule, degrade: Degrade) -> Option<&'static str> {
    match &rule.target {
        Target::Network { operations, .. } if operations.has(Operation::Listen) => {
            Some("listen: no program on a cgroup is asked about that")
        }
        Target::Network { .. } if rule.action == Action::Kill => {
            Some("kill: no program on a cgroup can do that")
        }
        // It connects in the same call, and only that is asked about.
        Target::Network {
            operations,
            protocol,
            ..
        } if operations.has(Operation::Send)
            && !operations.has(Operation::Connect)
            && *protocol != Some(Protocol::Udp) =>
        {
            Some("send by TCP Fast Open: write `protocol: udp`, or name `connect` as well")
        }
        Target::Network { .. } => None,
        Target::File { .. } | Target::Exec(_) => {
            let lost = |domain| rule.target.speaks_of(domain) && !degrade.allows(domain);
            match (lost(Domain::File), lost(Domain::Exec)) {
                (false, false) => None,
                (true, false) => Some("file: `--degrade file=audit` reports it instead"),
                (false, true) => Some("exec: `--degrade exec=audit` reports it instead"),
                (true, true) => Some("file, exec: `--degrade file,exec=audit` reports it instead"),
            }
        }
        Target::Kernel { .. } => Some("kernel"),
    }
}
