//! Moments and ages, as people and machines both read them.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A second, in UTC: `2026-11-25T13:00:00Z`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Moment(i64);

/// A time that something may take or have passed: `90s`, `36h`, `7days`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Age(pub Duration);

/// Text that is no moment or no age.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected {expected}, found {found:?}")]
pub struct ParseTimeError {
    expected: &'static str,
    found: String,
}

impl Moment {
    /// The second that a clock shows.
    pub fn at(time: SystemTime) -> Self {
        Self(DateTime::<Utc>::from(time).timestamp())
    }

    /// How much later this is; none when it is earlier.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        u64::try_from(self.0 - earlier.0)
            .ok()
            .map(Duration::from_secs)
    }

    /// Since 1970.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// So much later.
    pub fn after(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_secs()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp(self.0, 0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => f.write_str("beyond all calendars"),
        }
    }
}

impl FromStr for Moment {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        DateTime::parse_from_rfc3339(text)
            .map(|time| Self(time.timestamp()))
            .map_err(|_| ParseTimeError {
                expected: "a time such as 2026-11-25T13:00:00Z",
                found: text.to_owned(),
            })
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = Duration::from_secs(self.0.as_secs());
        humantime::format_duration(whole).fmt(f)
    }
}

impl FromStr for Age {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| ParseTimeError {
                expected: "a time span such as 90s, 36h or 7days",
                found: text.to_owned(),
            })
    }
}

/// Read and written as text.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl TryFrom<String> for $name {
            type Error = ParseTimeError;

            fn try_from(text: String) -> Result<Self, ParseTimeError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}
as_text!(Moment, Age);

#[cfg(test)]
mod tests {
    use super::{Age, Moment};
    use std::time::Duration;

    #[test]
    fn moments_are_compared_across_zones_and_told_in_utc() {
        let noon: Moment = "2026-11-25T13:00:00+01:00".parse().unwrap();
        assert_eq!(noon.to_string(), "2026-11-25T12:00:00Z");
        let later = noon.after(Duration::from_secs(90));
        assert_eq!(later.since(noon), Some(Duration::from_secs(90)));
        assert_eq!(noon.since(later), None);
        assert!("yesterday".parse::<Moment>().is_err());
    }

    #[test]
    fn an_age_is_told_as_it_is_written() {
        let age: Age = "7days".parse().unwrap();
        assert_eq!(age.to_string(), "7days");
        assert!("soon".parse::<Age>().is_err());
    }
}
