//! A kernel series, such as 6.12.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The first two numbers of a kernel's version. Ordered as numbers: 5.10 comes
/// after 5.9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Series {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
}

/// Text that is not a series.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected a kernel series such as 6.12, found {found:?}")]
pub struct ParseSeriesError {
    found: String,
}

impl Series {
    /// The series of a full version, such as `6.12.117+deb13-cloud-amd64`.
    pub fn of_version(version: &str) -> Option<Self> {
        let (major, rest) = version.split_once('.')?;
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        Some(Self {
            major: number(major)?,
            minor: number(&rest[..digits])?,
        })
    }
}

/// Digits only: `u16::from_str` takes a leading plus sign, too.
fn number(text: &str) -> Option<u16> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor } = self;
        f.pad(&format!("{major}.{minor}"))
    }
}

impl FromStr for Series {
    type Err = ParseSeriesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('.')
            .and_then(|(major, minor)| {
                Some(Self {
                    major: number(major)?,
                    minor: number(minor)?,
                })
            })
            .ok_or_else(|| ParseSeriesError { found: text.into() })
    }
}

impl TryFrom<String> for Series {
    type Error = ParseSeriesError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Series> for String {
    fn from(series: Series) -> Self {
        series.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_version_has_a_series() {
        for (version, series) in [
            ("6.12.117+deb13-cloud-amd64", Some("6.12")),
            ("5.10.0-46-cloud-amd64", Some("5.10")),
            ("7.3-rc7", Some("7.3")),
            ("7.3", Some("7.3")),
            ("7", None),
            ("v6.1", None),
            ("6.", None),
        ] {
            let found = Series::of_version(version).map(|series| series.to_string());
            assert_eq!(found.as_deref(), series, "{version}");
        }
    }

    #[test]
    fn text_that_is_no_series_is_refused() {
        for text in ["", "6", "6.", ".12", "+6.12", "6.12.1", "6.99999", "latest"] {
            text.parse::<Series>().expect_err(text);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(major: u16, minor: u16) {
            let series = Series { major, minor };
            prop_assert_eq!(series.to_string().parse(), Ok(series));
        }

        #[test]
        fn the_order_is_that_of_the_numbers(a: (u16, u16), b: (u16, u16)) {
            let series = |(major, minor)| Series { major, minor };
            prop_assert_eq!(series(a).cmp(&series(b)), a.cmp(&b));
        }
    }
}
