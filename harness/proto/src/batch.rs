//! Many attempts in a row in a small world of files, without a process for
//! each.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::probe::{Probe, RunAs, Verdict};

/// What [`crate::Action::Batch`] does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Who there is. Each is a process that is started when it is first needed,
    /// and stays for later batches.
    pub doers: Vec<RunAs>,
    /// In order; each begins when the one before has come to its end.
    pub attempts: Vec<Attempt>,
    /// For all of it, in milliseconds.
    pub deadline_ms: u64,
}

/// One attempt of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Index of the doer.
    pub by: usize,
    /// What it tries.
    pub probe: Probe,
}

/// A world that a batch works in: a file system in memory with this in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Where it is mounted; the folder is made.
    pub root: String,
    /// In the order in which it is made.
    pub items: Vec<Item>,
}

/// Something in a world. Everyone may do everything with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Item {
    /// A folder whose parent is there.
    Folder(String),
    /// A text file.
    File(String),
    /// A copy of the probe, with a number behind it that makes its content
    /// another.
    Program {
        /// Absolute path.
        path: String,
        /// The number.
        salt: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Absolute path.
        path: String,
        /// What it says.
        target: String,
    },
    /// Another name of a file.
    Link {
        /// The name it has.
        from: String,
        /// The other.
        path: String,
    },
    /// An empty file system in memory, mounted.
    Tmpfs(String),
    /// A folder or file that appears at another place too.
    Bind {
        /// What.
        from: String,
        /// Where.
        to: String,
    },
}

/// What came of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batched {
    /// For each attempt: 0 allowed, above it the errno, below it the signal
    /// that ended the doer; [`Batched::BROKEN`] when it is no verdict.
    pub codes: Vec<i16>,
    /// Why some of those were no verdict.
    pub broken: BTreeMap<usize, String>,
}

impl Batched {
    /// The code of what is no verdict.
    pub const BROKEN: i16 = i16::MAX;
    /// So many reasons are kept: they travel over a serial port.
    const REASONS: usize = 8;

    /// Note what came of the next attempt.
    pub fn push(&mut self, verdict: Verdict) {
        let code = |number: i32| i16::try_from(number).unwrap_or(Self::BROKEN);
        let code = match verdict {
            Verdict::Allowed => 0,
            Verdict::Denied { errno } => code(errno),
            Verdict::Killed { signal } => code(-signal),
            Verdict::Broken { message } => {
                if self.broken.len() < Self::REASONS {
                    self.broken.insert(self.codes.len(), message);
                }
                Self::BROKEN
            }
        };
        self.codes.push(code);
    }
}

#[cfg(test)]
mod tests {
    use super::Batched;
    use crate::Verdict;

    #[test]
    fn a_code_tells_allowed_denied_killed_and_no_verdict_apart() {
        let mut all = Batched::default();
        all.push(Verdict::Allowed);
        all.push(Verdict::Denied { errno: 1 });
        all.push(Verdict::Killed { signal: 9 });
        for _ in 0..20 {
            let message = "no".into();
            all.push(Verdict::Broken { message });
        }
        assert_eq!(all.codes[..4], [0, 1, -9, Batched::BROKEN]);
        assert_eq!((all.broken.len(), all.codes.len()), (8, 23));
        assert_eq!(all.broken[&3], "no");
    }
}
