//! What an agent occupies: memory of its processes, programs and maps.

use std::fs;
use std::path::Path;

use harness_proto::count::Footprint;

use crate::attempt::{Attempt, AttemptError};
use crate::bpf::objects;

/// Of the agent with this executable.
pub fn of(executable: &Path) -> Result<Footprint, AttemptError> {
    let maps = objects::map_bytes()?;
    Ok(Footprint {
        programs: objects::programs()?,
        map_bytes: maps.iter().sum(),
        maps: u32::try_from(maps.len()).unwrap_or(u32::MAX),
        resident_bytes: resident_bytes(executable)?,
    })
}

/// Of all processes that execute it.
fn resident_bytes(executable: &Path) -> Result<u64, AttemptError> {
    let mut pages = 0;
    let processes = fs::read_dir("/proc").attempt(|| "list /proc".into())?;
    for process in processes {
        let process = process.attempt(|| "list /proc".into())?.path();
        // Most entries are no processes, and kernel threads execute nothing.
        if fs::read_link(process.join("exe")).is_ok_and(|it| it == executable) {
            let path = process.join("statm");
            let text = fs::read_to_string(&path).attempt(|| format!("read {}", path.display()))?;
            pages += resident_pages(&text).unwrap_or(0);
        }
    }
    Ok(pages * rustix::param::page_size() as u64)
}

fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::resident_pages;

    #[test]
    fn the_second_number_is_what_is_resident() {
        assert_eq!(resident_pages("2500 812 640 1 0 3 0\n"), Some(812));
        assert_eq!(resident_pages(""), None);
    }
}
