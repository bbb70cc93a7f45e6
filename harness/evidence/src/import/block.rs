//! A document as blocks, whatever it was written in.

use super::{html, markdown, plain};

/// One block, and the line on which it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A heading; 7 is a bold line, which is below all headings.
    Heading { level: usize, text: String },
    /// A bullet or a number of a list.
    Bullet {
        depth: usize,
        text: String,
        tick: Option<bool>,
        /// Struck out as a whole.
        struck: bool,
        /// Nothing but a link within the page, as in a table of contents.
        anchor: bool,
    },
    /// A row of a table, with the table's head.
    Row {
        head: Vec<String>,
        cells: Vec<String>,
    },
    /// A line of text.
    Prose(String),
    /// Code, a comment, metadata, page chrome: never an item.
    Raw(String),
}

/// A line of the text that is read as Markdown, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) text: String,
}

/// Read a document: HTML becomes Markdown where there is any, what was copied
/// from a page gets its bullets and tables back, and then all is Markdown.
pub(super) fn read(text: &str) -> Vec<Block> {
    let text = text.trim_start_matches('\u{feff}').replace('\r', "");
    let lines = text.lines().enumerate().map(|(at, line)| Line {
        number: at + 1,
        text: line.to_owned(),
    });
    let lines = html::to_markdown(lines.collect());
    markdown::blocks(&plain::to_markdown(lines))
}

/// Whether a line opens or closes a block of code.
pub(super) fn is_fence(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("```") || line.starts_with("~~~")
}
