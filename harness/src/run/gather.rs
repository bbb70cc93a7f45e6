//! The files of several runs' cells in one folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{RunFolder, earlier::BOOTS, earlier::CELLS};

/// Why files could not be brought together.
#[derive(Debug, Error)]
#[error("cannot copy {from} to {to}: {cause}")]
pub struct GatherError {
    from: PathBuf,
    to: PathBuf,
    cause: io::Error,
}

/// Copy what the runs in `folders` have kept into that of another. Of a
/// machine that several have booted, the first one's console keeps its name;
/// the others' are in folders named by their place among the folders, from 1.
pub fn gather(folders: &[PathBuf], into: &RunFolder) -> Result<(), GatherError> {
    for (index, folder) in folders.iter().enumerate() {
        copy(&folder.join("cells"), &into.path().join("cells"), None)?;
        let shard = (index > 0).then(|| format!("shard-{}", index + 1));
        copy(
            &folder.join("boots"),
            &into.path().join("boots"),
            shard.as_deref(),
        )?;
        for name in [CELLS, BOOTS] {
            append(&folder.join(name), &into.path().join(name))?;
        }
    }
    Ok(())
}

/// Copy a tree of files; one that is there already goes into `aside` beside it.
fn copy(from: &Path, to: &Path, aside: Option<&str>) -> Result<(), GatherError> {
    let failed = |cause| GatherError {
        from: from.into(),
        to: to.into(),
        cause,
    };
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        // A shard of skipped cells only has booted nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    fs::create_dir_all(to).map_err(failed)?;
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let (source, mut target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(failed)?.is_dir() {
            copy(&source, &target, aside)?;
            continue;
        }
        if let Some(aside) = aside.filter(|_| target.exists()) {
            let folder = to.join(aside);
            fs::create_dir_all(&folder).map_err(failed)?;
            target = folder.join(entry.file_name());
        }
        fs::copy(&source, &target).map_err(failed)?;
    }
    Ok(())
}

fn append(from: &Path, to: &Path) -> Result<(), GatherError> {
    let failed = |cause| GatherError {
        from: from.into(),
        to: to.into(),
        cause,
    };
    let mut source = match fs::File::open(from) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let mut target = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(to)
        .map_err(failed)?;
    io::copy(&mut source, &mut target).map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::gather;
    use crate::{cell::Again, run::RunFolder};
    use std::{fs, path::Path};

    #[test]
    fn nothing_of_any_run_is_lost_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("1/cells/6.12/bpf-lsm/a/x/outcome.json", "a");
        put("1/boots/6.12/bpf-lsm/console.log", "first");
        put("1/cells.jsonl", "1\n");
        put("2/cells/6.12/bpf-lsm/b/x/outcome.json", "b");
        put("2/boots/6.12/bpf-lsm/console.log", "second");
        put("2/cells.jsonl", "2\n");
        let runs: Vec<_> = ["1", "2"].map(|name| folder.path().join(name)).into();
        let into = RunFolder::create(&folder.path().join("all"), Again::default()).unwrap();
        gather(&runs, &into).unwrap();
        let read = |name: &str| fs::read_to_string(into.path().join(Path::new(name))).unwrap();
        assert_eq!(read("cells/6.12/bpf-lsm/a/x/outcome.json"), "a");
        assert_eq!(read("cells/6.12/bpf-lsm/b/x/outcome.json"), "b");
        assert_eq!(read("boots/6.12/bpf-lsm/console.log"), "first");
        assert_eq!(read("boots/6.12/bpf-lsm/shard-2/console.log"), "second");
        assert_eq!(read("cells.jsonl"), "1\n2\n");
    }
}
