//! What is wrong with a policy that was in force, and what is said of it.

use aegisbpf_abi::{Active, Operation};

use crate::canary::CanaryError;

/// The policy does not decide as it did when it came into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What the canary tried, when it is that which failed.
    pub operation: Option<Operation>,
    /// What was seen.
    pub reason: String,
    /// Hooks that are needed and not pinned any more.
    pub detached: Vec<&'static str>,
}

impl Trouble {
    /// From what the canary came to, the word that is in force, if it can be
    /// reached, the one that was put there, and the hooks that are not pinned.
    pub fn look(
        tried: Result<(), CanaryError>,
        found: Result<Active, String>,
        wanted: Active,
        detached: Vec<&'static str>,
    ) -> Result<(), Self> {
        let (operation, reason) = match (tried, found) {
            (Err(error), _) => (error.operation(), error.to_string()),
            (_, Err(reason)) => (None, reason),
            (_, Ok(found)) if found != wanted => {
                let (found, wanted) = (found.generation(), wanted.generation());
                let reason = format!(
                    "somebody else wrote the word that says which policy decides: generation \
                     {found} instead of {wanted}, or other flags"
                );
                (None, reason)
            }
            _ if !detached.is_empty() => {
                let pins = detached.join(", ");
                let reason = format!("pins were taken away, which a reload puts back: {pins}");
                (None, reason)
            }
            _ => return Ok(()),
        };
        Err(Self {
            operation,
            reason,
            detached,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_tells_first_then_the_word_and_then_the_hooks() {
        let word = Active::new(3, 10, 0);
        let failed = || CanaryError::NotDenied {
            operation: Operation::Read,
            got: "it was allowed".into(),
        };
        let check = |tried, found, detached: &[&'static str]| {
            let looked = Trouble::look(tried, Ok(found), word, detached.to_vec());
            looked.map_err(|degraded| (degraded.operation, degraded.reason))
        };
        assert_eq!(check(Ok(()), word, &[]), Ok(()));
        let canary = check(Err(failed()), Active::NONE, &["file_open"]).unwrap_err();
        assert_eq!(canary.0, Some(Operation::Read));
        assert_eq!(
            canary.1,
            "read: the canary must be denied with EPERM, but it was allowed"
        );
        assert!(
            check(Ok(()), Active::NONE, &[])
                .unwrap_err()
                .1
                .contains("instead of 3")
        );
        let other_flags = check(Ok(()), Active::new(3, 10, 1), &[]);
        assert!(other_flags.unwrap_err().1.contains("other flags"));
        let hooks = check(Ok(()), word, &["file_open", "mmap_file"]).unwrap_err();
        assert!(hooks.1.ends_with("puts back: file_open, mmap_file"));
        let gone = Trouble::look(Ok(()), Err("unmounted".into()), word, Vec::new());
        assert_eq!(gone.unwrap_err().reason, "unmounted");
    }
}
