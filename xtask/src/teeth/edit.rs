//! Applying a fault's edits to texts. Pure: nothing is written here.

use std::{collections::BTreeMap, path::PathBuf};

use thiserror::Error;

use super::fault::Edit;

/// The text that an edit looks for is not there exactly once, so the sources
/// have moved on and the fault must follow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the text to replace occurs {found} times in {}, expected once; adapt the fault to the sources:\n{find}",
    file.display()
)]
pub struct EditError {
    /// The file.
    pub file: PathBuf,
    /// What was looked for.
    pub find: String,
    /// How often it is there.
    pub found: usize,
}

/// Apply edits in order to the files that `original` reads; the new texts by
/// file.
pub fn apply<E: From<EditError>>(
    edits: &[Edit],
    mut original: impl FnMut(&std::path::Path) -> Result<String, E>,
) -> Result<BTreeMap<PathBuf, String>, E> {
    let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
    for edit in edits {
        let before = match texts.remove(&edit.file) {
            Some(text) => text,
            None => original(&edit.file)?,
        };
        let found = before.matches(&edit.find).count();
        if found != 1 || edit.find.is_empty() {
            return Err(EditError {
                file: edit.file.clone(),
                find: edit.find.clone(),
                found,
            }
            .into());
        }
        let after = before.replacen(&edit.find, &edit.replace, 1);
        texts.insert(edit.file.clone(), after);
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::{Edit, EditError, apply};

    #[test]
    fn an_edit_fits_exactly_once_and_later_ones_see_earlier_ones() {
        let check = |pairs: &[(&str, &str)], expected: Result<&str, usize>| {
            let edits: Vec<Edit> = pairs
                .iter()
                .map(|(find, replace)| Edit {
                    file: "f".into(),
                    find: (*find).into(),
                    replace: (*replace).into(),
                })
                .collect();
            let applied = apply::<EditError>(&edits, |_| Ok("one two two".into()));
            let shown = applied
                .as_ref()
                .map(|texts| texts.values().next().unwrap().as_str())
                .map_err(|error| error.found);
            assert_eq!(shown, expected, "{pairs:?}");
        };
        check(&[("one", "1")], Ok("1 two two"));
        check(&[("one", "two"), ("two two two", "x")], Ok("x"));
        check(&[("two", "2")], Err(2));
        check(&[("three", "3")], Err(0));
    }
}
