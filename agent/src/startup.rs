//! The one order in which a policy comes into force, at the start and at a
//! reload:
//!
//! read → check → can this kernel do it? → resolve → image → adopt or load →
//! attach → read back → switch → canary → remove the old generation.
//!
//! Until the switch the old generation decides; when the canary fails, it is
//! given the word back.

use std::{collections::BTreeMap, fmt::Write as _, io, path::Path};

use aegisbpf_abi::Mode;
use thiserror::Error;

use crate::{
    canary::{self, CanaryError},
    exit_code::ExitCode,
    image::{self, Image, ImageError, Modes},
    kernel::{
        facts::{self, LsmObstacle},
        generation::{self, Generation, GenerationError, Mechanism},
        pins,
    },
    policy::{Policy, PolicyError, parse},
    resolve::{ResolveError, Resolved, Resolver},
};

/// Why a policy did not come into force. What was in force before still is.
#[derive(Debug, Error)]
pub enum StartError {
    /// The policy makes no sense.
    #[error(transparent)]
    Policy(#[from] PolicyError),
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
    /// Neither enforce nor audit is possible.
    #[error("{problem}; nothing was attached, and rules {} are neither enforced nor audited", rules.join(", "))]
    NoBpf {
        /// What is missing.
        problem: String,
        /// All rules.
        rules: Vec<String>,
    },
    /// The kernel refused.
    #[error(transparent)]
    Generation(#[from] GenerationError),
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
            Self::Policy(_) | Self::Unresolved(_) | Self::Image(_) => ExitCode::PolicyRefused,
            Self::CannotEnforce { .. }
            | Self::NoBpf { .. }
            | Self::Canary(_)
            | Self::Generation(GenerationError::Layout(_)) => ExitCode::CannotEnforce,
            Self::Generation(GenerationError::Verifier { .. }) => ExitCode::VerifierRefused,
            Self::Generation(_) | Self::Io { .. } => ExitCode::Internal,
        }
    }
}

/// A policy in force.
#[derive(Debug)]
pub struct InForce {
    /// Its rules.
    pub policy: Policy,
    /// Its mode in each domain.
    pub modes: Modes,
    /// How it sees what happens.
    pub mechanism: Mechanism,
    /// Why it is not the LSM hooks.
    pub obstacle: Option<LsmObstacle>,
    /// Programs and maps.
    pub generation: Generation,
    /// Whether they were there already.
    pub adopted: bool,
}

/// Bring a policy into force, in place of the one that is, if any.
pub fn bring_into_force(path: &Path, mode: Mode) -> Result<InForce, StartError> {
    let before = generation::active()?;
    let attempted = attempt(path, mode, before);
    match &attempted {
        Ok(new) => remove_all_but(new.generation.number),
        // Nothing was in force, so nothing stays.
        Err(_) if before == 0 => pins::remove_all().map_err(|source| StartError::Io {
            what: "cannot remove what a refused policy left",
            source,
        })?,
        Err(_) => {}
    }
    attempted
}

fn attempt(path: &Path, mode: Mode, before: u64) -> Result<InForce, StartError> {
    let policy = parse::read(path)?;
    let modes = Modes::for_policy(&policy, mode);
    let rules = || policy.rules.iter().map(|rule| rule.id.clone()).collect();
    facts::bpffs()
        .and_then(|()| facts::programs_load())
        .map_err(|problem| StartError::NoBpf {
            problem,
            rules: rules(),
        })?;
    let obstacle = facts::lsm().err();
    let mechanism = match (&obstacle, mode) {
        (None, _) => Mechanism::Lsm,
        (Some(obstacle), Mode::Enforce) => {
            return Err(StartError::CannotEnforce {
                obstacle: obstacle.clone(),
                rules: rules(),
            });
        }
        (Some(_), _) => Mechanism::Tracepoints,
    };
    let resolver = Resolver::new().map_err(|source| StartError::Io {
        what: "cannot read the mount table",
        source,
    })?;
    let resolved = match mechanism {
        Mechanism::Lsm => resolve(&policy, &resolver)?,
        Mechanism::Tracepoints => BTreeMap::new(),
    };
    let canary = canary::prepare(&resolver)?;
    let image = image::build(&policy, &resolved, modes, &canary)?;
    let (generation, adopted) = switch(&image, mechanism, before)?;
    Ok(InForce {
        policy,
        modes,
        mechanism,
        obstacle,
        generation,
        adopted,
    })
}

fn resolve(policy: &Policy, resolver: &Resolver) -> Result<BTreeMap<usize, Resolved>, StartError> {
    let mut found = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        let Some(path) = rule.target.path() else {
            continue;
        };
        match resolver.resolve(path.as_path()) {
            Ok(resolved) => {
                found.insert(index, resolved);
            }
            Err(problem) => problems.push((rule.id.clone(), problem)),
        }
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(StartError::Unresolved(problems))
    }
}

fn switch(
    image: &Image,
    mechanism: Mechanism,
    before: u64,
) -> Result<(Generation, bool), StartError> {
    if before != 0
        && mechanism == Mechanism::Lsm
        && let Some(adopted) = generation::adopt(before, image)
    {
        canary::run(&image.modes)?;
        return Ok((adopted, true));
    }
    let last = pins::generations()
        .map_err(|source| StartError::Io {
            what: "cannot list the generations",
            source,
        })?
        .into_iter()
        .max()
        .unwrap_or(0);
    let loaded = generation::load(last.max(before) + 1, image, mechanism)?;
    generation::activate(loaded.number)?;
    if let Err(problem) = canary::run(&image.modes) {
        generation::activate(before)?;
        let number = loaded.number;
        drop(loaded);
        let _ = pins::remove_generation(number);
        return Err(problem.into());
    }
    Ok((loaded, false))
}

/// Generations that do not speak: the one that was replaced, and what an
/// interrupted start left.
fn remove_all_but(number: u64) {
    for other in pins::generations().unwrap_or_default() {
        if other != number
            && let Err(error) = pins::remove_generation(other)
        {
            eprintln!("aegisbpf: cannot remove generation {other}, which does not speak: {error}");
        }
    }
}
