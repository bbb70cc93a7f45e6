//! `cargo xtask gate import` and `export`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use evidence::{
    Checklist,
    import::{Imported, ItemStatus, export::markdown},
};
use serde_json::Value;

use crate::{
    exit_code::{ExitCode, OrExit as _},
    output,
};

/// Read a checklist as people write it: task lists, tables with a status, bullets
/// under priorities, sign-offs; in Markdown, HTML, or copied from a page.
/// Nothing is dropped: what is none of this is told as unplaced.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// The document.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON: areas with their items, sign-offs, and what was not placed.
    #[arg(long)]
    json: bool,
}

/// Give a checklist back as Markdown, ticked.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// What `import --json` printed, a document that it reads, or a checklist
    /// in TOML.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// As Markdown; there is no other format yet.
    #[arg(long, required = true)]
    markdown: bool,
    /// For a checklist in TOML: tick what this decision, a `gate.json`, found.
    #[arg(long, value_name = "FILE")]
    decision: Option<PathBuf>,
}

pub(super) fn import(args: &ImportArgs) -> Result<ExitCode> {
    let imported = Imported::read(&read(&args.file)?);
    if args.json {
        output::print_json(&imported)?;
    } else {
        output::print(&summary(&imported))?;
    }
    Ok(ExitCode::Ok)
}

pub(super) fn export(args: &ExportArgs) -> Result<ExitCode> {
    let text = read(&args.file)?;
    let extension = args
        .file
        .extension()
        .and_then(|extension| extension.to_str());
    let imported = match extension {
        Some("json") => serde_json::from_str(&text)
            .with_context(|| format!("{} is not what import prints", args.file.display()))
            .or_exit(ExitCode::Usage)?,
        Some("toml") => {
            let name = args.file.display().to_string();
            let checklist = Checklist::parse(&name, &text).or_exit(ExitCode::Usage)?;
            let decision = args.decision.as_deref().map(decision).transpose()?;
            Imported::of_checklist(&checklist, &|id| status(decision.as_ref()?, id))
        }
        _ => Imported::read(&text),
    };
    output::print(&markdown(&imported))?;
    Ok(ExitCode::Ok)
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .or_exit(ExitCode::Usage)?;
    // A stray byte is no reason to lose the rest of a document.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn decision(path: &Path) -> Result<Value> {
    serde_json::from_str(&read(path)?)
        .with_context(|| format!("{} is no decision", path.display()))
        .or_exit(ExitCode::Usage)
}

/// What a decision says of an item.
fn status(decision: &Value, id: &str) -> Option<ItemStatus> {
    let items = decision["items"].as_array()?;
    let item = items.iter().find(|item| item["id"] == id)?;
    match item["status"].as_str()? {
        "pass" => Some(ItemStatus::Pass),
        "fail" => Some(ItemStatus::Fail),
        "waived" => Some(ItemStatus::Partial),
        "not-applicable" => Some(ItemStatus::NotApplicable),
        _ => None,
    }
}

fn summary(imported: &Imported) -> String {
    let mut text = markdown(imported);
    for unplaced in &imported.unplaced {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "not placed, line {}: {}",
            unplaced.line, unplaced.text
        );
    }
    text
}
