//! `cargo xtask doctor`: what is there, what is missing and how to mend it,
//! and which accelerator works. Changes nothing but the cached answer about
//! the accelerator.

mod diagnosis;

use anyhow::Result;
use harness::accel::{self, Accel};
use kernel_matrix::{Matrix, Mirrors, Silent, Store, Tier, mirror};

use self::diagnosis::{Accelerator, Check, Diagnosis, Status};
use crate::exit_code::ExitCode;
use crate::setup::step::State;
use crate::{deny, output, setup, workspace};

/// How to look and how to tell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Take this accelerator as it is, instead of trying KVM with a kernel.
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    accel: AccelChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum AccelChoice {
    /// KVM where it really works, else TCG.
    Auto,
    /// The processor, through /dev/kvm.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// The task; fails where something is missing that other tasks need.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut checks = vec![compiler()?];
    checks.extend(tools()?);
    checks.push(mirror());
    checks.push(kernels()?);
    checks.push(cargo_deny());
    let diagnosis = Diagnosis {
        checks,
        accelerator: accelerator(match args.accel {
            AccelChoice::Auto => None,
            AccelChoice::Kvm => Some(Accel::Kvm),
            AccelChoice::Tcg => Some(Accel::Tcg),
        }),
    };
    if args.json {
        output::print_json(&diagnosis)?;
    } else {
        output::print(&diagnosis.table())?;
    }
    Ok(if diagnosis.is_healthy() {
        ExitCode::Ok
    } else {
        ExitCode::Infrastructure
    })
}

fn compiler() -> Result<Check> {
    let rustc = crate::rustc::Rustc::detect()?;
    Ok(Check::found(
        "rustc",
        format!("{} for {}", rustc.release, rustc.host),
    ))
}

fn tools() -> Result<impl Iterator<Item = Check>> {
    Ok(setup::check_all()?
        .into_iter()
        .map(|(name, state)| match state {
            State::Present { detail } => Check::found(name, detail),
            State::Missing { why, remedy } => Check::wanting(name, Status::Missing, why, remedy),
        }))
}

/// Wanted only until the kernels are in the cache.
fn mirror() -> Check {
    const NAME: &str = "Debian mirror";
    match Mirrors::discover(None) {
        Ok(found) => Check::found(
            NAME,
            match found.origin {
                mirror::Origin::Flag => "from --mirror".to_owned(),
                mirror::Origin::Variable => format!("from {}", mirror::VARIABLE),
                mirror::Origin::AptSources => "from this machine's apt sources".to_owned(),
            },
        ),
        Err(error) => Check::wanting(
            NAME,
            Status::Optional,
            error.to_string(),
            format!("set {}, or pass --mirror", mirror::VARIABLE),
        ),
    }
}

fn kernels() -> Result<Check> {
    const NAME: &str = "kernels";
    let store = Store::open(&workspace::cache_dir()?, None);
    let matrix = Matrix::load()?;
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    for kernel in matrix.in_tier(Tier::Pr) {
        let into = if store.is_present(kernel) {
            &mut present
        } else {
            &mut absent
        };
        into.push(kernel.series.to_string());
    }
    Ok(if absent.is_empty() {
        Check::found(NAME, format!("in the cache: {}", present.join(", ")))
    } else {
        Check::wanting(
            NAME,
            Status::Optional,
            format!("not in the cache: {}", absent.join(", ")),
            "`cargo xtask e2e` downloads them when it needs them, `cargo xtask matrix fetch` now",
        )
    })
}

fn cargo_deny() -> Check {
    if deny::is_installed() {
        Check::found("cargo-deny", "installed".to_owned())
    } else {
        Check::wanting(
            "cargo-deny",
            Status::Optional,
            "not installed; `cargo xtask test` leaves its checks out".to_owned(),
            "cargo xtask deny --install",
        )
    }
}

/// Unknown as long as there is no QEMU, or no kernel to try it with.
fn accelerator(forced: Option<Accel>) -> Accelerator {
    let detect = || -> Result<Accelerator> {
        let cache = workspace::cache_dir()?;
        let store = Store::open(&cache, None);
        let matrix = Matrix::load()?;
        let Some(kernel) = matrix
            .kernels()
            .filter(|kernel| store.is_present(kernel))
            .last()
        else {
            return Ok(Accelerator::Unknown {
                reason: "no kernel in the cache to try it with; run `cargo xtask matrix fetch`"
                    .to_owned(),
            });
        };
        let image = store.ensure(kernel, &Silent)?;
        let found = accel::detect(setup::qemu(), &image, &cache, forced)?;
        Ok(Accelerator::Known {
            accel: found.accel,
            reason: found.reason,
        })
    };
    detect().unwrap_or_else(|error| Accelerator::Unknown {
        reason: format!("{error:#}"),
    })
}
