//! What a run that was interrupted has found out.

use std::{fs, io, path::Path, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    atomic,
    outcome::OutcomeKind,
    report::{BootReport, CellReport},
};

/// A line for each cell.
pub(super) const CELLS: &str = "cells.jsonl";
/// A line for each machine.
pub(super) const BOOTS: &str = "boots.jsonl";

/// A line of `cells.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    #[serde(flatten)]
    pub(super) cell: CellReport,
    /// Seconds since the run began.
    pub(super) at: f64,
}

/// What a run has found out before it was interrupted.
#[derive(Debug, Clone, PartialEq)]
pub struct Earlier {
    lines: Vec<Line>,
    /// Its machines.
    pub boots: Vec<BootReport>,
    /// How long it went on.
    pub took: Duration,
}

impl Earlier {
    /// Read it. A last line that was cut off is not there; any other that
    /// cannot be read is an error.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let lines: Vec<Line> = read_lines(&folder.join(CELLS))?;
        let last = lines.iter().map(|line| line.at).fold(0.0, f64::max);
        Ok(Self {
            boots: read_lines(&folder.join(BOOTS))?,
            took: Duration::try_from_secs_f64(last).unwrap_or_default(),
            lines,
        })
    }

    /// The cells that have their outcome; one that could not be judged, or was
    /// not run, has none.
    pub fn decided(&self) -> impl Iterator<Item = &CellReport> {
        self.decided_lines().map(|line| &line.cell)
    }

    fn decided_lines(&self) -> impl Iterator<Item = &Line> {
        let decided = |line: &&Line| match line.cell.outcome {
            OutcomeKind::Passed | OutcomeKind::Failed | OutcomeKind::Skipped => true,
            OutcomeKind::Infra | OutcomeKind::NotRun => false,
        };
        self.lines.iter().filter(decided)
    }

    /// Write the decided ones down again, whole lines only. In place: the file
    /// is locked.
    pub(super) fn write_cells(&self, path: &Path) -> io::Result<()> {
        let mut text = String::new();
        for line in self.decided_lines() {
            text.push_str(&serde_json::to_string(line)?);
            text.push('\n');
        }
        // A copy first, because what is known must not be lost on the way.
        let copy = path.with_extension("jsonl.resumed");
        atomic::write(&copy, text.as_bytes())?;
        fs::write(path, &text)?;
        fs::remove_file(copy)
    }
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let mut all = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let Some(line) = line.strip_suffix('\n') else {
            break;
        };
        let one = serde_json::from_str(line)
            .map_err(|error| format!("{}:{}: {error}", path.display(), index + 1))?;
        all.push(one);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{CELLS, Earlier};
    use std::fs;

    fn line(scenario: &str, outcome: &str, at: f64) -> String {
        format!(
            r#"{{"kernel":"6.12","boot_mode":"bpf-lsm","scenario":"{scenario}","agent":"a","outcome":"{outcome}","code":null,"reason":null,"seconds":null,"restore_seconds":null,"starts_agent":false,"rerun":"","at":{at}}}"#
        )
    }

    #[test]
    fn what_was_judged_is_known_and_a_line_that_was_cut_off_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CELLS);
        let whole = [
            line("a", "passed", 1.0),
            line("b", "infra", 2.0),
            line("c", "failed", 3.5),
        ]
        .join("\n");
        fs::write(
            &path,
            format!("{whole}\n{}", &line("d", "passed", 4.0)[..40]),
        )
        .unwrap();
        let earlier = Earlier::read(folder.path()).unwrap();
        let decided: Vec<&str> = earlier
            .decided()
            .map(|cell| cell.scenario.as_str())
            .collect();
        assert_eq!(decided, ["a", "c"]);
        assert!((earlier.took.as_secs_f64() - 3.5).abs() < 1e-9);
        earlier.write_cells(&path).unwrap();
        let kept = fs::read_to_string(&path).unwrap();
        assert_eq!(kept.lines().count(), 2, "{kept}");
        assert!(kept.ends_with('\n'));
    }

    #[test]
    fn a_line_in_the_middle_that_cannot_be_read_is_told_with_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "{}\n{{\n{}\n",
            line("a", "passed", 1.0),
            line("b", "passed", 1.0)
        );
        fs::write(folder.path().join(CELLS), text).unwrap();
        let error = Earlier::read(folder.path()).unwrap_err();
        assert!(error.contains("cells.jsonl:2:"), "{error}");
    }
}
