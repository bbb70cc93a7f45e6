//! `cargo xtask`: the one command line over the whole project; one file per
//! task.

use clap::{Parser, Subcommand};

/// Everything this project does, from set-up to reports.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {}

fn main() {
    match Cli::parse().task {}
}
