//! A name that is not one of those known, and which one was perhaps meant.

use std::fmt;

/// A name that is not one of those known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    known: Vec<String>,
}

impl UnknownName {
    /// `kind` is what the name was to be, `known` what it could have been.
    pub fn new(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = impl fmt::Display>,
    ) -> Self {
        Self {
            kind,
            name: name.into(),
            known: known.into_iter().map(|name| name.to_string()).collect(),
        }
    }

    /// The one of `all` that has this name.
    pub(crate) fn look_up<T: Copy, const N: usize>(
        kind: &'static str,
        name: &str,
        all: [T; N],
        name_of: impl Fn(T) -> &'static str,
    ) -> Result<T, Self> {
        all.into_iter()
            .find(|&one| name_of(one) == name)
            .ok_or_else(|| Self::new(kind, name, all.map(name_of)))
    }

    /// The known name that looks most like it, if one does.
    pub fn suggestion(&self) -> Option<&str> {
        self.known
            .iter()
            .map(|known| (strsim::jaro_winkler(&self.name, known), known))
            .filter(|&(likeness, _)| likeness > 0.7)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, known)| known.as_str())
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, known } = self;
        write!(f, "unknown {kind} {name:?}")?;
        if let Some(meant) = self.suggestion() {
            write!(f, "; did you mean {meant}?")?;
        }
        write!(f, " (known: {})", known.join(", "))
    }
}

impl std::error::Error for UnknownName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_name_is_suggested() {
        for (name, suggestion) in [
            ("6.21", Some("6.12")),
            ("6,1", Some("6.1")),
            ("latest", None),
        ] {
            let unknown = UnknownName::new("kernel", name, ["5.10", "6.1", "6.12"]);
            assert_eq!(unknown.suggestion(), suggestion, "{name}");
        }
    }

    #[test]
    fn the_message_lists_what_is_known() {
        let message = UnknownName::new("kernel", "6.21", ["5.10", "6.12"]).to_string();
        assert_eq!(
            message,
            r#"unknown kernel "6.21"; did you mean 6.12? (known: 5.10, 6.12)"#
        );
    }
}
