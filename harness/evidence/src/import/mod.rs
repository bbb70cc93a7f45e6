//! Checklists as people write them, in Markdown, HTML or text copied from a
//! page, into areas and items, and back into Markdown.
//!
//! Nothing is dropped: what is neither heading, item, note of an item nor
//! sign-off is told as unplaced, with its line.
//!
//! | module | holds |
//! | --- | --- |
//! | `block` | a document as headings, bullets, table rows, fields, prose |
//! | `markdown` | Markdown into blocks |
//! | `html` | HTML into blocks |
//! | `plain` | text copied from a page into blocks |
//! | `mark` | signs and words for a status, priorities, ids |
//! | `table` | rows into items, by what the columns are |
//! | `sign_off` | lines and rows that are signed |
//! | `place` | blocks into areas and items |
//! | [`export`] | back into Markdown |

mod block;
pub mod export;
mod html;
mod mark;
mod markdown;
mod place;
mod plain;
mod sign_off;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::checklist::{Checklist, Priority};

/// A checklist without evidence, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// In order; every item is in one.
    pub areas: Vec<Area>,
    /// Who signs, and whether they did.
    pub sign_offs: Vec<SignOff>,
    /// What is none of this.
    pub unplaced: Vec<Unplaced>,
}

/// A part of a checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// Its heading.
    pub title: String,
    /// In order.
    pub items: Vec<ImportedItem>,
}

/// One thing to be ticked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedItem {
    /// The one that it has, else one made of its text; unique.
    pub id: String,
    /// What it says.
    pub text: String,
    /// Whether it is ticked.
    pub status: ItemStatus,
    /// How much it matters, if that is said.
    pub priority: Option<Priority>,
    /// What is said below or beside it: criteria, owners, links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Whether an item is ticked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemStatus {
    /// ✅, `[x]`, PASS …
    Pass,
    /// ⚠️, in progress …
    Partial,
    /// ❌, FAIL …
    Fail,
    /// N/A.
    NotApplicable,
    /// Nothing yet.
    Open,
}

/// Someone who signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignOff {
    /// As what.
    pub role: String,
    /// Who, if it is said.
    pub name: Option<String>,
    /// When, if it is said.
    pub date: Option<String>,
    /// Whether they did.
    pub signed: bool,
}

/// What is neither item nor sign-off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unplaced {
    /// Where it begins.
    pub line: usize,
    /// What it says.
    pub text: String,
}

impl Imported {
    /// Read a document.
    pub fn read(text: &str) -> Self {
        place::place(block::read(text))
    }

    /// The items of a checklist in our own format; none is ticked by that.
    pub fn of_checklist(
        checklist: &Checklist,
        status: &dyn Fn(&str) -> Option<ItemStatus>,
    ) -> Self {
        let area = |title: &&str| {
            let items = checklist.items.iter().filter(|item| item.area == *title);
            Area {
                title: (*title).to_owned(),
                items: items
                    .map(|item| ImportedItem {
                        id: item.id.clone(),
                        text: item.text.clone(),
                        status: status(&item.id).unwrap_or(ItemStatus::Open),
                        priority: item.priority,
                        notes: vec![
                            format!("PASS: {}", item.pass),
                            format!("FAIL: {}", item.fail),
                            format!("Owner: {}", item.owner),
                        ],
                    })
                    .collect(),
            }
        };
        Self {
            areas: checklist.areas().iter().map(area).collect(),
            ..Self::default()
        }
    }

    /// Every item.
    pub fn items(&self) -> impl Iterator<Item = &ImportedItem> {
        self.areas.iter().flat_map(|area| &area.items)
    }

    /// Give every item an id of its own, where it has none.
    fn name_items(&mut self) {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        for item in self.areas.iter_mut().flat_map(|area| &mut area.items) {
            let wanted = if item.id.is_empty() {
                slug(&item.text)
            } else {
                item.id.clone()
            };
            let mut id = wanted.clone();
            let mut number = 2;
            while !taken.insert(id.clone()) {
                id = format!("{wanted}-{number}");
                number += 1;
            }
            item.id = id;
        }
    }
}

/// A name made of the first words of a text.
fn slug(text: &str) -> String {
    const WORDS: usize = 6;
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .take(WORDS)
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() {
        "item".into()
    } else {
        words.join("-")
    }
}
