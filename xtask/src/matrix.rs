//! `cargo xtask matrix`: which kernels are tested, and getting them.

mod list;
mod progress;
mod show;
mod update;

use std::{collections::BTreeSet, path::PathBuf, time::Instant};

use anyhow::{Result, anyhow};
use clap::Subcommand;
use kernel_matrix::{
    BootMode, Kernel, Matrix, MirrorError, Mirrors, Store, Tier, cache, mirror::Origin,
};

pub use self::progress::KernelProgress;
use crate::exit_code::{ExitCode, OrExit as _};
use crate::output;

/// Kernels are Debian's own packages, pinned by size and SHA-256 in
/// kernel-matrix/matrix.lock. They are kept in $AEGISBPF_CACHE, else
/// $XDG_CACHE_HOME/aegisbpf, else ~/.cache/aegisbpf.
///
/// Exit codes: 0 done; 2 bad usage, such as a kernel that is not in the
/// matrix; 3 a download, a mirror or the disk failed.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show every kernel of the matrix and whether it is in the cache.
    List {
        /// Only the kernels that this tier tests.
        #[arg(long, value_parser = tier_parser())]
        tier: Option<Tier>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Download kernels, verify and unpack them, and make what each boot mode
    /// needs. What is there and intact is left alone; an interrupted download
    /// goes on where it was.
    Fetch {
        /// Series such as 6.12; without any, those of --tier.
        #[arg(value_name = "SERIES", conflicts_with = "tier")]
        kernels: Vec<String>,
        /// The kernels that this tier tests.
        #[arg(long, default_value = "pr", value_parser = tier_parser())]
        tier: Tier,
        #[command(flatten)]
        mirror: MirrorArgs,
    },
    /// Pin the newest package of each kernel in matrix.toml: read the signed
    /// index of its suite and write matrix.lock.
    Update {
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        mirror: MirrorArgs,
    },
    /// Show all that is known about one kernel.
    Show {
        /// A series such as 6.12.
        #[arg(value_name = "SERIES", required_unless_present = "kernel_image")]
        kernel: Option<String>,
        /// A kernel of your own instead: a bzImage or a vmlinux ELF file.
        #[arg(long, value_name = "PATH", conflicts_with = "kernel")]
        kernel_image: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Where packages are downloaded from; for each command that may download.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct MirrorArgs {
    /// The Debian mirror: the address of a folder that has debian/ and
    /// debian-security/ in it. Default: $AEGISBPF_DEBIAN_MIRROR, else the
    /// apt sources of this machine if it runs Debian.
    #[arg(long, value_name = "URL", value_parser = mirror_address)]
    pub mirror: Option<String>,
}

fn mirror_address(address: &str) -> Result<String, MirrorError> {
    Mirrors::from_base(Origin::Flag, address).map(|_| address.to_owned())
}

/// Reads a tier, with the names in the help.
pub fn tier_parser() -> impl clap::builder::TypedValueParser<Value = Tier> {
    use clap::builder::{PossibleValuesParser, TypedValueParser as _};
    PossibleValuesParser::new(Tier::ALL.map(Tier::name)).try_map(|name| name.parse::<Tier>())
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let load = || Matrix::load().or_exit(ExitCode::Usage);
    let open = |mirror| -> Result<Store> {
        let folder = cache::folder().or_exit(ExitCode::Usage)?;
        Ok(Store::open(&folder, mirror))
    };
    match args.command {
        Command::Update { dry_run, mirror } => update::run(mirror.mirror.as_deref(), dry_run),
        Command::List { tier, json } => {
            let (matrix, store) = (load()?, open(None)?);
            let kernels = matrix.in_tier(tier.unwrap_or(Tier::Nightly));
            let rows: Vec<_> = kernels
                .map(|kernel| list::Row::new(kernel, store.is_present(kernel)))
                .collect();
            output::print(&if json {
                list::json(&rows)?
            } else {
                list::table(&rows)
            })?;
            Ok(ExitCode::Ok)
        }
        Command::Fetch {
            kernels,
            tier,
            mirror,
        } => {
            let matrix = load()?;
            let kernels = selected(&matrix, &kernels, tier)?;
            fetch(&open(mirror.mirror)?, &kernels)
        }
        Command::Show {
            kernel,
            kernel_image,
            json,
        } => {
            let kernel = match (kernel, kernel_image) {
                (_, Some(path)) => Kernel::from_image(&path).or_exit(ExitCode::Usage)?,
                (name, None) => load()?
                    .kernel(&name.unwrap_or_default())
                    .or_exit(ExitCode::Usage)?
                    .clone(),
            };
            let details = show::Details::new(&kernel, open(None)?.look(&kernel));
            output::print(&if json {
                details.json()?
            } else {
                details.text()
            })?;
            Ok(ExitCode::Ok)
        }
    }
}

/// The kernels named, each once, or those of the tier.
fn selected<'a>(matrix: &'a Matrix, names: &[String], tier: Tier) -> Result<Vec<&'a Kernel>> {
    if names.is_empty() {
        return Ok(matrix.in_tier(tier).collect());
    }
    let mut seen = BTreeSet::new();
    let mut kernels = Vec::new();
    for name in names {
        let kernel = matrix.kernel(name).or_exit(ExitCode::Usage)?;
        if seen.insert(kernel.series) {
            kernels.push(kernel);
        }
    }
    Ok(kernels)
}

/// Goes on after a failure: the other kernels are of use without that one.
fn fetch(store: &Store, kernels: &[&Kernel]) -> Result<ExitCode> {
    let mut failed = Vec::new();
    for kernel in kernels {
        let progress = KernelProgress::default();
        let started = Instant::now();
        let made = BootMode::ALL
            .into_iter()
            .try_for_each(|mode| store.boot_image(kernel, mode, &progress).map(drop));
        progress.clear();
        match made {
            Ok(()) => output::print(&format!(
                "{:>5}  ready in {:.1} s  {}\n",
                kernel.series,
                started.elapsed().as_secs_f64(),
                kernel.description()
            ))?,
            Err(error) => {
                eprintln!("{:>5}  FAILED  {error}", kernel.series);
                failed.push(kernel.series.to_string());
            }
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::Ok);
    }
    let (failed, all) = (failed.join(", "), kernels.len());
    Err(anyhow!(
        "not every one of {all} kernels is ready; missing: {failed}"
    ))
    .or_exit(ExitCode::Infrastructure)
}
