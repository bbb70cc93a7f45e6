//! Markdown into blocks.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, MetadataBlockKind, Options, Parser, Tag, TagEnd};

use super::{
    block::{Block, Kind, Line},
    plain::is_chrome,
};

/// What a bold line is, below all headings.
const BOLD_LINE: usize = 7;

pub(super) fn blocks(lines: &[Line]) -> Vec<Block> {
    let mut text = String::new();
    let mut starts = Vec::new();
    for line in lines {
        starts.push((text.len(), line.number));
        text.push_str(&line.text);
        text.push('\n');
    }
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut reader = Reader {
        starts,
        ..Reader::default()
    };
    for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
        reader.event(event, range);
    }
    reader.flush();
    reader.blocks
}

#[derive(Default)]
struct Reader {
    starts: Vec<(usize, usize)>,
    blocks: Vec<Block>,
    /// Text of the block that is being read, and where it began.
    text: String,
    at: usize,
    items: Vec<Item>,
    heading: Option<usize>,
    /// Code or metadata.
    raw: bool,
    head: Vec<String>,
    cells: Option<Vec<String>>,
    in_head: bool,
    bold: usize,
    /// Whether all text so far was bold, struck out, or a link to an anchor.
    all: Styles,
    struck: usize,
    link: Option<String>,
}

#[derive(Clone, Copy)]
struct Styles {
    bold: bool,
    struck: bool,
    anchor: bool,
}

impl Default for Styles {
    fn default() -> Self {
        Self {
            bold: true,
            struck: true,
            anchor: true,
        }
    }
}

#[derive(Default)]
struct Item {
    tick: Option<bool>,
    /// Whether its bullet is out, so that more text is a note on it.
    told: bool,
}

impl Reader {
    fn line(&self, at: usize) -> usize {
        let after = self.starts.partition_point(|(start, _)| *start <= at);
        self.starts
            .get(after.saturating_sub(1))
            .map_or(1, |(_, number)| *number)
    }

    fn push(&mut self, at: usize, kind: Kind) {
        let line = self.line(at);
        self.blocks.push(Block { line, kind });
    }

    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) => self.add(&text, range.start),
            Event::SoftBreak | Event::HardBreak if self.raw => self.text.push('\n'),
            Event::SoftBreak | Event::HardBreak => {
                // Lines of prose are apart: people sign on lines.
                if self.items.is_empty() && self.cells.is_none() && self.heading.is_none() {
                    self.flush();
                } else {
                    self.text.push(' ');
                }
            }
            Event::TaskListMarker(ticked) => {
                if let Some(item) = self.items.last_mut() {
                    item.tick = Some(ticked);
                }
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                let said = html.trim();
                if said.starts_with("<!--") {
                    let text = said
                        .trim_start_matches("<!--")
                        .trim_end_matches("-->")
                        .trim();
                    self.push(range.start, Kind::Raw(text.to_owned()));
                } else if said.to_lowercase().starts_with("<br") {
                    self.text.push(' ');
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, text: &str, at: usize) {
        if self.text.trim().is_empty() {
            self.at = at;
        }
        self.text.push_str(text);
        if !text.trim().is_empty() {
            self.all.bold &= self.bold > 0;
            self.all.struck &= self.struck > 0;
            self.all.anchor &= self
                .link
                .as_deref()
                .is_some_and(|link| link.starts_with('#'));
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.flush();
                self.heading = Some(depth(level));
                self.at = range.start;
            }
            Tag::Item => {
                self.flush();
                self.items.push(Item::default());
                self.at = range.start;
            }
            Tag::CodeBlock(_)
            | Tag::MetadataBlock(MetadataBlockKind::YamlStyle | MetadataBlockKind::PlusesStyle) => {
                self.flush();
                self.raw = true;
                self.at = range.start;
            }
            Tag::List(_) | Tag::Paragraph | Tag::Table(_) => self.flush(),
            Tag::TableHead => {
                self.in_head = true;
                self.cells = Some(Vec::new());
            }
            Tag::TableRow => {
                self.at = range.start;
                self.cells = Some(Vec::new());
            }
            Tag::Strong => self.bold += 1,
            Tag::Strikethrough => self.struck += 1,
            Tag::Link { dest_url, .. } => self.link = Some(dest_url.into_string()),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                let text = self.take();
                if let Some(level) = self.heading.take() {
                    self.push(self.at, Kind::Heading { level, text });
                }
            }
            TagEnd::Item => {
                self.flush();
                self.items.pop();
            }
            TagEnd::Paragraph => self.flush(),
            TagEnd::CodeBlock | TagEnd::MetadataBlock(_) => {
                self.raw = false;
                let text = self.take();
                if !text.is_empty() {
                    self.push(self.at, Kind::Raw(text));
                }
            }
            TagEnd::TableCell => {
                let text = self.take();
                if let Some(cells) = &mut self.cells {
                    cells.push(text);
                }
            }
            TagEnd::TableHead => {
                self.in_head = false;
                self.head = self.cells.take().unwrap_or_default();
            }
            TagEnd::TableRow => {
                let cells = self.cells.take().unwrap_or_default();
                let head = self.head.clone();
                self.push(self.at, Kind::Row { head, cells });
            }
            TagEnd::Strong => self.bold = self.bold.saturating_sub(1),
            TagEnd::Strikethrough => self.struck = self.struck.saturating_sub(1),
            TagEnd::Link => {
                // Where evidence leads is worth keeping.
                if let Some(link) = self.link.take()
                    && !link.starts_with('#')
                    && !self.text.ends_with(&link)
                    && self.cells.is_none()
                    && self.heading.is_none()
                {
                    self.text.extend([" (", &link, ")"]);
                }
            }
            _ => {}
        }
    }

    fn take(&mut self) -> String {
        self.all = Styles::default();
        std::mem::take(&mut self.text).trim().to_owned()
    }

    /// What was read so far is a block of its own.
    fn flush(&mut self) {
        let styles = self.all;
        let text = self.take();
        let depth = self.items.len();
        if text.is_empty() {
            // A box without a text is told, not dropped.
            if let Some(item) = self.items.last_mut()
                && item.tick.is_some()
                && !item.told
            {
                item.told = true;
                self.push(self.at, Kind::Raw("a box without a text".into()));
            }
            return;
        }
        let kind = match self.items.last_mut() {
            Some(item) if !item.told => {
                item.told = true;
                Kind::Bullet {
                    depth: depth - 1,
                    text,
                    tick: item.tick,
                    struck: styles.struck,
                    anchor: styles.anchor,
                }
            }
            Some(_) => Kind::Bullet {
                depth,
                text,
                tick: None,
                struck: false,
                anchor: false,
            },
            None if is_chrome(&text) => Kind::Raw(text),
            None if styles.bold => Kind::Heading {
                level: BOLD_LINE,
                text: text.trim_end_matches(':').to_owned(),
            },
            None => Kind::Prose(text),
        };
        self.push(self.at, kind);
    }
}

const fn depth(level: HeadingLevel) -> usize {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}
