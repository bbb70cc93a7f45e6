//! `cargo xtask`: the one command line over the whole project; one file per
//! task.
//!
//! It is a library with a thin binary so that the tidy tests can walk the
//! command tree and other test targets can run tasks.

pub mod adapter;
pub mod build;
pub mod capacity;
pub mod cli;
pub mod deny;
pub mod doctor;
pub mod e2e;
pub mod exit_code;
pub mod gate;
pub mod matrix;
pub mod model;
pub mod output;
pub mod perf;
pub mod powercut;
pub mod process;
pub mod progress;
pub mod proof;
pub mod report;
pub mod repro;
pub mod room;
pub mod rustc;
pub mod sbom;
pub mod setup;
mod single;
pub mod soak;
pub mod teeth;
pub mod test;
pub mod workspace;
