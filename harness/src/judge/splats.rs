//! Splats that are known and let pass for a while: `kernel-matrix/splats.toml`.
//!
//! A kernel's own bug is not the agent's failure, but neither may it be
//! forgotten: an entry holds for the kernels that it names, says why, and ends
//! on a day. What it lets pass is told with the cell.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use chrono::{DateTime, NaiveDate, Utc};
use kernel_matrix::series::Series;
use serde::{Deserialize, Deserializer, de::Error as _};
use thiserror::Error;

use super::console::{is_splat, splats};

/// The file's name in the folder of the matrix.
pub const FILE: &str = "splats.toml";
/// How far ahead an entry may end. Who wants it longer says so again.
const MOST_DAYS: i64 = 90;
/// A shorter text would let too much pass.
const LEAST_TEXT: usize = 16;

/// The entries that count today, and those that did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownSplats {
    entries: Vec<Entry>,
    today: NaiveDate,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, rename = "splat")]
    splats: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// On which kernels.
    kernels: Vec<Series>,
    /// Part of the line that starts the splat.
    line: String,
    /// Why it is no failure.
    reason: String,
    /// The last day.
    #[serde(deserialize_with = "day")]
    until: NaiveDate,
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| {
        D::Error::custom(format!(
            "\"{text}\" is no day, expected one such as \"2026-12-31\": {error}"
        ))
    })
}

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum SplatsError {
    /// It is there and cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Not TOML, an unknown field, or a value of another type.
    #[error("{path}: {cause}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// With line, column and what was expected.
        cause: toml::de::Error,
    },
    /// An entry that would let too much pass, or nothing.
    #[error("{path}: the entry for \"{line}\": {what}")]
    Entry {
        /// The file.
        path: PathBuf,
        /// What it is about.
        line: String,
        /// What is wrong, and what to do.
        what: String,
    },
}

impl KnownSplats {
    /// Those of a file; none when there is no file.
    pub fn read(path: &Path, now: SystemTime) -> Result<Self, SplatsError> {
        let today = DateTime::<Utc>::from(now).date_naive();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path, today),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(cause) => Err(SplatsError::Read {
                path: path.into(),
                cause,
            }),
        }
    }

    fn parse(text: &str, path: &Path, today: NaiveDate) -> Result<Self, SplatsError> {
        let written: Written = toml::from_str(text).map_err(|cause| SplatsError::Syntax {
            path: path.into(),
            cause,
        })?;
        for entry in &written.splats {
            entry.check(today).map_err(|what| SplatsError::Entry {
                path: path.into(),
                line: entry.line.clone(),
                what,
            })?;
        }
        Ok(Self {
            entries: written.splats,
            today,
        })
    }

    /// Why a line of a kernel's console is let pass.
    pub fn allowed<'a>(&'a self, kernel: &str, line: &str) -> Option<&'a str> {
        let mut about = self.about(kernel, line);
        about
            .find(|entry| entry.until >= self.today)
            .map(|entry| entry.reason.as_str())
    }

    /// What of a console is let pass, each line with why.
    pub fn let_pass(&self, kernel: &str, console: &str) -> Vec<String> {
        let said = |line| Some(format!("\"{line}\": {}", self.allowed(kernel, line)?));
        splats(console).filter_map(said).collect()
    }

    /// Until when it was, if it no longer is.
    pub(super) fn expired(&self, kernel: &str, line: &str) -> Option<NaiveDate> {
        self.about(kernel, line).map(|entry| entry.until).max()
    }

    fn about<'a, 'b>(
        &'a self,
        kernel: &'b str,
        line: &'b str,
    ) -> impl Iterator<Item = &'a Entry> + use<'a, 'b> {
        self.entries.iter().filter(move |entry| {
            let named = |series: &Series| series.to_string() == kernel;
            entry.kernels.iter().any(named) && line.contains(&entry.line)
        })
    }
}

impl Entry {
    fn check(&self, today: NaiveDate) -> Result<(), String> {
        if self.kernels.is_empty() {
            return Err("it names no kernel: name each in `kernels`".into());
        }
        if self.line.len() < LEAST_TEXT {
            return Err(format!(
                "`line` must be at least {LEAST_TEXT} characters long, else it fits too much"
            ));
        }
        if !is_splat(&self.line) {
            return Err("`line` begins no splat: quote it from \"WARNING: \", \"BUG: \" or what else it starts with; a panic is never let pass".into());
        }
        if self.reason.trim().is_empty() {
            return Err("it has no `reason`".into());
        }
        if (self.until - today).num_days() > MOST_DAYS {
            return Err(format!(
                "`until` may be at most {MOST_DAYS} days ahead; {today} is today"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "WARNING: CPU: 0 PID: 7 at net/core/dev.c:9";

    fn today() -> NaiveDate {
        "2026-11-25".parse().unwrap()
    }

    fn parse(fields: &str) -> Result<KnownSplats, String> {
        KnownSplats::parse(
            &format!("[[splat]]\n{fields}"),
            Path::new("splats.toml"),
            today(),
        )
        .map_err(|error| error.to_string())
    }

    fn entry(until: &str) -> String {
        format!(
            "kernels = [\"6.1\"]\nline = \"at net/core/dev.c:9\"\nreason = \"r\"\nuntil = \"{until}\"\n"
        )
        .replace("at net", "WARNING: CPU: 0 PID: 7 at net")
    }

    #[test]
    fn an_entry_holds_for_its_kernels_and_its_line_until_its_day() {
        let known = parse(&entry("2026-11-25")).unwrap();
        assert_eq!(known.allowed("6.1", LINE), Some("r"));
        assert_eq!(known.allowed("6.12", LINE), None);
        assert_eq!(known.allowed("6.1", "BUG: KASAN: at net/core/dev.c"), None);
        let late = parse(&entry("2026-11-24")).unwrap();
        assert_eq!(late.allowed("6.1", LINE), None);
        assert_eq!(late.expired("6.1", LINE), "2026-11-24".parse().ok());
    }

    #[test]
    fn entries_that_let_too_much_pass_are_refused_with_what_to_do() {
        let check = |text: &str, expected: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("splats.toml"), "{error}");
        };
        let good = entry("2026-12-31");
        check(&entry("2027-03-01"), "at most 90 days ahead");
        check(&entry("soon"), "\"soon\" is no day");
        check(&good.replace("[\"6.1\"]", "[]"), "names no kernel");
        check(&good.replace("\"r\"", "\" \""), "no `reason`");
        check(
            &good.replace("WARNING: CPU: 0 PID: 7 at", "something at"),
            "begins no splat",
        );
        check(
            &good.replace("WARNING: CPU: 0 PID: 7 at net/core/dev.c:9", "BUG: "),
            "at least 16",
        );
        check(
            &good.replace(
                "WARNING: CPU: 0 PID: 7 at net/core/dev.c:9",
                "Kernel panic - not syncing",
            ),
            "never let pass",
        );
        check(&format!("{good}owner = \"me\"\n"), "unknown field `owner`");
    }

    #[test]
    fn without_a_file_nothing_is_let_pass() {
        let known =
            KnownSplats::read(Path::new("/nowhere/splats.toml"), SystemTime::now()).unwrap();
        assert_eq!(known.allowed("6.1", LINE), None);
    }
}
