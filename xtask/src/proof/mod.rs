//! `cargo xtask evidence`: collecting, checking and signing. What it means is
//! in the crate `evidence`; here are the files and the command line.
//!
//! | module | holds |
//! | --- | --- |
//! | [`checklist`] | finding a checklist by name or path |
//! | [`collect`] | running what a checklist asks for |
//! | [`keys`] | key files, trust files, development keys |
//! | `sign` | sign-offs, attestations, waivers |
//! | [`verify`] | checking a bundle |

pub(crate) mod checklist;
pub(crate) mod collect;
pub(crate) mod keys;
mod sign;
pub(crate) mod verify;

use anyhow::Result;
use clap::Subcommand;

use crate::exit_code::ExitCode;

/// Collect, check and sign evidence; see docs/gate.md.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run and read what a checklist asks for, and sign what was found.
    Collect(collect::Args),
    /// Check a bundle offline: every file, every signature, enough sign-offs.
    /// Exit codes: 0 accepted, 1 refused, 2 bad usage, 3 it cannot be read.
    Verify(verify::Args),
    /// Make a key; print what goes into a trust file.
    Key(keys::Args),
    /// Sign the root of a bundle: I have seen this evidence and agree.
    SignOff(sign::SignOffArgs),
    /// Sign a statement that is evidence by itself.
    Attest(sign::AttestArgs),
    /// Sign that an item may fail for a while; takes two keys, the author's and
    /// the approver's.
    Waive(sign::WaiveArgs),
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Collect(args) => collect::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Key(args) => keys::run(args),
        Command::SignOff(args) => sign::sign_off(args),
        Command::Attest(args) => sign::attest(args),
        Command::Waive(args) => sign::waive(args),
    }
}
