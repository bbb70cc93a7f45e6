//! Where a run's results are.
//!
//! ```text
//! cells.jsonl                      one line for each cell, as it ends
//! boots.jsonl                      one line for each machine, once it is ready
//! boots/<kernel>/<mode>/           console.log, qemu.log
//! cells/<kernel>/<mode>/<scenario>/<agent>/
//!     console.log, qemu.log        the machine's
//!     program.json                 what was done and what was expected
//!     observations.jsonl           what was seen
//!     <process>.<stream>.log       what the agent wrote
//!     outcome.json                 what became of it, and how to run it again
//! ```

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use harness_proto::LogStream;

use super::{
    BootResult, CellResult, Earlier,
    earlier::{BOOTS, CELLS, Line},
};
use crate::{
    atomic,
    cell::{Again, Cell, Group},
    expectation::Program,
    report::{BootReport, CellReport},
    room::{Kept, cannot_write},
    session::Record,
};

/// The folder of a run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    lines: Mutex<File>,
    /// For the command that runs a cell again.
    again: Again,
    begun: Instant,
    /// How long a run had gone on before it was resumed.
    before: Duration,
}

/// The folder of one cell.
#[derive(Debug)]
pub struct CellRecord {
    path: PathBuf,
}

/// Errors are for an outcome's reason: each names the file.
fn on(path: &Path) -> impl FnOnce(io::Error) -> String + '_ {
    move |error| cannot_write(Kept::Results, path, &error)
}

impl RunFolder {
    /// Make the folder, or take over that of an earlier run. It is this run's
    /// alone until it is dropped; its `cells.jsonl` is empty.
    pub fn create(path: &Path, again: Again) -> Result<Self, String> {
        fs::create_dir_all(path).map_err(on(path))?;
        let lines_path = path.join(CELLS);
        let was_a_run = lines_path.exists();
        let lines = locked(path)?;
        remove_results(path, was_a_run)?;
        // Only now is it nobody else's; on the same file, so the lock stays.
        File::create(&lines_path).map_err(on(&lines_path))?;
        Ok(Self::new(path, lines, again, Duration::ZERO))
    }

    /// Take over a run that was interrupted, with what it has found out.
    pub fn resume(path: &Path, again: Again) -> Result<(Self, Earlier), String> {
        let lines_path = path.join(CELLS);
        if !lines_path.exists() {
            return Err(format!("{} holds no run to resume", path.display()));
        }
        let lines = locked(path)?;
        let earlier = Earlier::read(path)?;
        // A line that was cut off would swallow the next one.
        earlier.write_cells(&lines_path).map_err(on(&lines_path))?;
        remove_reports(path)?;
        let folder = Self::new(path, lines, again, earlier.took);
        Ok((folder, earlier))
    }

    fn new(path: &Path, lines: File, again: Again, before: Duration) -> Self {
        Self {
            path: path.to_owned(),
            lines: Mutex::new(lines),
            again,
            begun: Instant::now(),
            before,
        }
    }

    /// How long the run has gone on, and went on before it was resumed.
    pub fn elapsed(&self) -> Duration {
        self.before + self.begun.elapsed()
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a cell's files are.
    pub fn cell_path(&self, cell: &Cell) -> PathBuf {
        self.path.join("cells").join(cell.folder())
    }

    /// The command that runs a cell again.
    pub fn repro_command(&self, cell: &Cell) -> String {
        cell.repro_command(&self.again)
    }

    /// The logs of a cell that are there, by file name.
    pub fn cell_logs(&self, cell: &Cell) -> BTreeMap<String, String> {
        let Ok(entries) = fs::read_dir(self.cell_path(cell)) else {
            return BTreeMap::new();
        };
        entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let name = path.file_name()?.to_str()?.to_owned();
                let wanted = Path::new(&name)
                    .extension()
                    .is_some_and(|kind| kind == "log" || kind == "jsonl" || kind == "json");
                let bytes = wanted.then(|| fs::read(&path).ok()).flatten()?;
                Some((name, String::from_utf8_lossy(&bytes).into_owned()))
            })
            .collect()
    }

    pub(super) fn make_boot_folder(&self, group: &Group) -> Result<PathBuf, String> {
        let path = self.path.join("boots").join(group.folder());
        fs::create_dir_all(&path).map_err(on(&path))?;
        Ok(path)
    }

    pub(super) fn make_cell_folder(&self, cell: &Cell) -> Result<CellRecord, String> {
        let path = self.cell_path(cell);
        // Left by a run that was interrupted.
        removed(&path, fs::remove_dir_all(&path))?;
        fs::create_dir_all(&path).map_err(on(&path))?;
        Ok(CellRecord { path })
    }

    /// Write down what became of a cell: a line of `cells.jsonl`, and its
    /// `outcome.json` when it was to run.
    pub(super) fn record(&self, result: &CellResult) -> Result<(), String> {
        let line = Line {
            cell: CellReport::of(result, self.repro_command(&result.cell)),
            at: self.elapsed().as_secs_f64(),
        };
        let pretty = serde_json::to_string_pretty(&line).map_err(|error| error.to_string())?;
        let line = serde_json::to_string(&line).map_err(|error| error.to_string())?;
        let folder = self.cell_path(&result.cell);
        if folder.is_dir() {
            let path = folder.join("outcome.json");
            atomic::write(&path, format!("{pretty}\n").as_bytes()).map_err(on(&path))?;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // One write, so that an interrupted run holds whole lines.
        lines
            .write_all(format!("{line}\n").as_bytes())
            .map_err(on(&self.path.join(CELLS)))
    }

    /// Write down what became of a machine.
    pub(super) fn record_boot(&self, boot: &BootResult) -> Result<(), String> {
        let line = serde_json::to_string(&BootReport::of(boot)).map_err(|e| e.to_string())?;
        let path = self.path.join(BOOTS);
        let mut file = OpenOptions::new().create(true).append(true).open(&path);
        file.as_mut()
            .map_err(|error| io::Error::from(error.kind()))
            .and_then(|file| file.write_all(format!("{line}\n").as_bytes()))
            .map_err(on(&path))
    }
}

/// Opened for more lines, and nobody else's.
fn locked(path: &Path) -> Result<File, String> {
    let lines_path = path.join(CELLS);
    let lines = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&lines_path)
        .map_err(on(&lines_path))?;
    match lines.try_lock() {
        Ok(()) => Ok(lines),
        Err(TryLockError::WouldBlock) => Err(format!(
            "another run is writing its results to {}: wait for it, or name another folder with \
             --report",
            path.display()
        )),
        Err(TryLockError::Error(error)) => Err(on(&lines_path)(error)),
    }
}

/// What an earlier run left would pass for this one's: its reports if this one
/// is killed before it writes its own, its logs beside those of a cell. Where
/// there was no run, folders of these names are somebody else's.
fn remove_results(path: &Path, was_a_run: bool) -> Result<(), String> {
    remove_reports(path)?;
    let boots = path.join(BOOTS);
    removed(&boots, fs::remove_file(&boots))?;
    let folders: &[&str] = if was_a_run { &["boots", "cells"] } else { &[] };
    for name in folders {
        let folder = path.join(name);
        removed(&folder, fs::remove_dir_all(&folder))?;
    }
    Ok(())
}

fn remove_reports(path: &Path) -> Result<(), String> {
    for name in crate::report::FILES {
        let file = path.join(name);
        removed(&file, fs::remove_file(&file))?;
    }
    Ok(())
}

fn removed(path: &Path, result: io::Result<()>) -> Result<(), String> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", path.display()))
        }
        _ => Ok(()),
    }
}

impl CellRecord {
    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn program(&self, program: &Program) -> Result<(), String> {
        let text = serde_json::to_string_pretty(program).map_err(|error| error.to_string())?;
        self.write("program.json", &text)
    }

    pub(super) fn observations(&self, records: &[Record]) -> Result<(), String> {
        let mut text = String::new();
        for record in records {
            let line = serde_json::to_string(record).map_err(|error| error.to_string())?;
            let _ = writeln!(text, "{line}");
        }
        self.write("observations.jsonl", &text)
    }

    pub(super) fn logs(&self, logs: &BTreeMap<(String, LogStream), String>) -> Result<(), String> {
        for ((process, stream), text) in logs {
            let stream = match stream {
                LogStream::Stdout => "stdout",
                LogStream::Stderr => "stderr",
            };
            // The guest says the name: it must not lead out of the folder.
            let process = process.replace(['/', '\0'], "_");
            self.write(&format!("{process}.{stream}.log"), text)?;
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.path.join(name);
        fs::write(&path, text).map_err(on(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::RunFolder;
    use crate::cell::Again;
    use std::fs;

    #[test]
    fn a_folder_is_one_runs_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let create = || RunFolder::create(folder.path(), Again::default());
        let first = create().unwrap();
        let error = create().unwrap_err();
        assert!(error.contains("another run is writing"), "{error}");
        assert!(error.contains("--report"), "{error}");
        drop(first);
        create().unwrap();
    }

    #[test]
    fn only_the_results_of_an_earlier_run_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let names = ["report.json", "cells/6.12/agent-2.stdout.log", "mine.txt"];
        let put = || {
            for name in names {
                fs::create_dir_all(path(name).parent().unwrap()).unwrap();
                fs::write(path(name), "x").unwrap();
            }
        };
        let left = || names.map(|name| path(name).exists());
        put();
        drop(RunFolder::create(folder.path(), Again::default()).unwrap());
        assert_eq!(left(), [false, true, true], "there was no run");
        put();
        drop(RunFolder::create(folder.path(), Again::default()).unwrap());
        assert_eq!(left(), [false, false, true]);
    }
}
