//! Files that people write, in TOML: every mistake is told with file, line,
//! column, what was expected and what was perhaps meant.

use std::{fmt, ops::Range};

use serde::de::DeserializeOwned;

/// A mistake in a file that a person wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistake {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub expected: Option<String>,
    /// What was perhaps meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file, line, column, ..
        } = self;
        write!(f, "{file}:{line}:{column}: {}", self.problem)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        Ok(())
    }
}

/// A file with its text, to make mistakes of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// Parse it.
    pub(crate) fn parse<T: DeserializeOwned>(self) -> Result<T, Mistake> {
        toml::from_str(self.text).map_err(|error| {
            let at = error.span().unwrap_or(0..0);
            let message = error.message();
            let (problem, expected) = match message.split_once(", expected ") {
                Some((problem, expected)) => (problem, Some(expected.to_owned())),
                None => (message, None),
            };
            let names = |text: &str| -> Vec<String> {
                let quoted = text.split('`').skip(1).step_by(2);
                quoted.map(str::to_owned).collect()
            };
            let known = expected.as_deref().map(names).unwrap_or_default();
            let meant = names(problem)
                .first()
                .and_then(|name| nearest(name, known.iter().map(String::as_str)));
            Mistake {
                expected,
                suggestion: meant,
                ..self.mistake(at, problem)
            }
        })
    }

    /// The version that all of these files begin with.
    pub(crate) fn check_version(self, version: &toml::Spanned<u32>) -> Result<(), Mistake> {
        if *version.as_ref() == 1 {
            return Ok(());
        }
        Err(Mistake {
            expected: Some("version = 1, the only one that this program knows".into()),
            ..self.mistake(version.span(), format!("version {}", version.as_ref()))
        })
    }

    /// A mistake at this place.
    pub(crate) fn mistake(self, at: Range<usize>, problem: impl Into<String>) -> Mistake {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Mistake {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem: problem.into(),
            expected: None,
            suggestion: None,
        }
    }

    /// A name that is none of those known.
    pub(crate) fn unknown<'n>(
        self,
        at: Range<usize>,
        (kind, name): (&str, &str),
        known: impl Iterator<Item = &'n str> + Clone,
    ) -> Mistake {
        let all: Vec<&str> = known.clone().collect();
        let expected = if all.is_empty() {
            "none, because the file names none".to_owned()
        } else {
            format!("one of {}", all.join(", "))
        };
        Mistake {
            expected: Some(expected),
            suggestion: nearest(name, known),
            ..self.mistake(at, format!("unknown {kind} `{name}`"))
        }
    }
}

/// The known name that looks most like it, if one does.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known.to_owned())
}
