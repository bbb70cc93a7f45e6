//! HTML into Markdown, where there is any: lists, checkboxes, headings, tables
//! with merged cells. Text between tags stays as it is, so a Markdown document
//! with some HTML in it keeps both.

use super::block::{Line, is_fence};

/// Tags that make it worth the trouble.
const BLOCKS: [&str; 12] = [
    "<table", "<ul", "<ol", "<li", "<h1", "<h2", "<h3", "<h4", "<details", "<p>", "<br", "<input",
];
/// What is inside is for machines.
const HIDDEN: [&str; 4] = ["script", "style", "head", "template"];

pub(super) fn to_markdown(lines: Vec<Line>) -> Vec<Line> {
    let has = |line: &Line| {
        let lower = line.text.to_lowercase();
        BLOCKS.iter().any(|tag| lower.contains(tag)) || lower.contains("<!--")
    };
    if !lines.iter().any(has) {
        return lines;
    }
    let mut writer = Writer::default();
    let mut fenced = false;
    for (at, line) in lines.iter().enumerate() {
        writer.number = line.number;
        writer.goes_on = lines.get(at + 1).is_some_and(|next| goes_on(&next.text));
        writer.closed = HIDDEN
            .into_iter()
            .filter(|name| {
                let end = format!("</{name}");
                let mut rest = lines[at..].iter();
                rest.any(|line| line.text.to_lowercase().contains(&end))
            })
            .collect();
        if is_fence(&line.text) && !writer.is_inside() {
            fenced = !fenced;
            writer.raw(&line.text);
        } else if fenced {
            writer.raw(&line.text);
        } else {
            writer.line(&line.text);
        }
    }
    writer.finish();
    writer.lines
}

/// Whether a tag can go on in a line: it closes there, and the line begins
/// nothing of its own.
fn goes_on(line: &str) -> bool {
    let line = line.trim_start();
    line.contains('>') && !line.starts_with(['-', '*', '+', '#', '|', '[', '>', '<'])
}

/// A comment so far, and the line where it began.
struct Comment {
    number: usize,
    said: String,
}

#[derive(Default)]
struct Writer {
    lines: Vec<Line>,
    number: usize,
    /// The line that is being written, and where it began.
    current: String,
    began: usize,
    /// How deep in lists.
    depth: usize,
    table: Option<Table>,
    /// The tag whose content is dropped.
    hidden: Option<String>,
    comment: Option<Comment>,
    /// An opening tag that goes on in the next line.
    pending: String,
    /// Whether one can.
    goes_on: bool,
    /// What is hidden and closed here or below; what is never closed is text.
    closed: Vec<&'static str>,
}

#[derive(Default)]
struct Table {
    rows: Vec<(usize, Vec<String>)>,
    cell: Option<String>,
    /// Columns and rows that the cell takes.
    span: (usize, usize),
    /// What of earlier rows reaches into this one: column, rows left, text.
    above: Vec<(usize, usize, String)>,
}

impl Writer {
    fn is_inside(&self) -> bool {
        self.table.is_some() || self.depth > 0 || self.hidden.is_some() || self.comment.is_some()
    }

    fn raw(&mut self, text: &str) {
        self.end_line();
        self.lines.push(Line {
            number: self.number,
            text: text.to_owned(),
        });
    }

    fn line(&mut self, text: &str) {
        let plain = !self.is_inside() && self.pending.is_empty() && !text.contains('<');
        if plain {
            self.raw(text);
            return;
        }
        let text = if self.is_inside() { text.trim() } else { text };
        let mut rest = std::mem::take(&mut self.pending) + text;
        loop {
            if let Some(comment) = &mut self.comment {
                let Some((inside, after)) = rest.split_once("-->") else {
                    comment.said.push_str(&rest);
                    comment.said.push(' ');
                    return;
                };
                comment.said.push_str(inside);
                let said = comment.said.trim().replace("-->", "");
                self.comment = None;
                if !said.is_empty() {
                    // A comment of Markdown, on one line: never an item.
                    self.end_line();
                    self.lines.push(Line {
                        number: self.number,
                        text: format!("<!-- {said} -->"),
                    });
                    self.raw("");
                }
                rest = after.to_owned();
                continue;
            }
            let Some(at) = rest.find(['<', '`']) else {
                self.text(&rest);
                break;
            };
            let (before, from) = rest.split_at(at);
            self.text(before);
            if before.ends_with('\\') || from.starts_with('`') {
                // Code, or escaped: no tag.
                let code = from.starts_with('`').then(|| from[1..].find('`')).flatten();
                let end = code.map_or(1, |end| end + 2);
                self.text(&from[..end]);
                rest = from[end..].to_owned();
                continue;
            }
            if let Some(after) = from.strip_prefix("<!--") {
                self.comment = Some(Comment {
                    number: self.number,
                    said: String::new(),
                });
                rest = after.to_owned();
                continue;
            }
            let is_tag =
                from[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
            if !is_tag || from.starts_with("<http") {
                self.text("<");
                rest = from[1..].to_owned();
                continue;
            }
            let Some((tag, after)) = from[1..].split_once('>') else {
                if self.goes_on {
                    self.pending = format!("{from} ");
                    break;
                }
                self.text("<");
                rest = from[1..].to_owned();
                continue;
            };
            self.tag(tag);
            rest = after.to_owned();
        }
        if self.is_inside() {
            self.text(" ");
        } else {
            self.end_line();
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden.is_some() || text.is_empty() {
            return;
        }
        if let Some(table) = &mut self.table {
            if let Some(cell) = &mut table.cell {
                cell.push_str(&text.replace('|', "\\|"));
            }
            return;
        }
        if self.current.trim().is_empty() {
            self.began = self.number;
            if self.depth > 0 && text.trim().is_empty() {
                return;
            }
        }
        self.current.push_str(text);
    }

    fn end_line(&mut self) {
        let text = std::mem::take(&mut self.current);
        if !text.trim().is_empty() {
            self.lines.push(Line {
                number: self.began.max(1),
                text: text.trim_end().to_owned(),
            });
        }
    }

    /// Whatever was never closed is told as far as it goes.
    fn finish(&mut self) {
        if let Some(comment) = self.comment.take() {
            self.end_line();
            self.number = comment.number;
            self.raw(&format!("<!-- {} -->", comment.said.trim()));
        }
        self.end_table();
        self.end_line();
    }

    fn blank(&mut self) {
        self.end_line();
        self.lines.push(Line {
            number: self.number,
            text: String::new(),
        });
    }

    fn tag(&mut self, tag: &str) {
        let closes = tag.starts_with('/');
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase();
        if let Some(hidden) = &self.hidden {
            if closes && name == *hidden {
                self.hidden = None;
            }
            return;
        }
        if self.closed.contains(&name.as_str()) && !closes && !tag.ends_with('/') {
            self.hidden = Some(name);
            return;
        }
        match (name.as_str(), closes) {
            ("table", false) => {
                self.blank();
                self.table = Some(Table::default());
            }
            ("table", true) => self.end_table(),
            ("tr", false) => {
                if let Some(table) = &mut self.table {
                    table.end_cell();
                    table.rows.push((self.number, Vec::new()));
                    table.fill();
                }
            }
            ("td" | "th", false) => {
                if let Some(table) = &mut self.table {
                    table.end_cell();
                    table.cell = Some(String::new());
                    table.span = (attribute(tag, "colspan"), attribute(tag, "rowspan"));
                }
            }
            ("td" | "th", true) => {
                if let Some(table) = &mut self.table {
                    table.end_cell();
                }
            }
            ("input", _) if tag.to_lowercase().contains("checkbox") => {
                let checked = tag.to_lowercase().contains("checked");
                self.text(if checked { "[x] " } else { "[ ] " });
            }
            _ if self.table.is_some() => self.text(" "),
            ("ul" | "ol", false) => {
                self.end_line();
                if self.depth == 0 {
                    self.blank();
                }
                self.depth += 1;
            }
            ("ul" | "ol", true) => {
                self.end_line();
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.blank();
                }
            }
            ("li", false) => {
                self.end_line();
                self.began = self.number;
                self.current = format!("{}- ", "  ".repeat(self.depth.saturating_sub(1)));
            }
            ("li" | "br", _) => self.end_line(),
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6", false) => {
                self.blank();
                let level = name[1..].parse().unwrap_or(1);
                self.began = self.number;
                self.current = format!("{} ", "#".repeat(level));
            }
            ("summary", false) => {
                self.blank();
                self.current = "###### ".into();
            }
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "summary", true) => self.blank(),
            (
                "p" | "div" | "section" | "article" | "details" | "body" | "main" | "header"
                | "footer" | "nav",
                _,
            ) if self.depth == 0 => {
                self.blank();
            }
            ("del" | "s", _) => self.text("~~"),
            ("strong" | "b", _) => self.text("**"),
            ("a" | "em" | "i" | "span" | "code" | "label" | "small" | "u" | "sup" | "sub", _) => {}
            _ => self.text(" "),
        }
    }

    fn end_table(&mut self) {
        let Some(mut table) = self.table.take() else {
            return;
        };
        table.end_cell();
        let columns = table
            .rows
            .iter()
            .map(|(_, cells)| cells.len())
            .max()
            .unwrap_or(0);
        for (at, (number, mut cells)) in table.rows.into_iter().enumerate() {
            if cells.is_empty() {
                continue;
            }
            cells.resize(columns, String::new());
            let cells: Vec<String> = cells
                .iter()
                .map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            self.lines.push(Line {
                number,
                text: format!("| {} |", cells.join(" | ")),
            });
            if at == 0 {
                self.lines.push(Line {
                    number,
                    text: format!("|{}", " --- |".repeat(columns)),
                });
            }
        }
        self.blank();
    }
}

impl Table {
    fn end_cell(&mut self) {
        let Some(text) = self.cell.take() else {
            return;
        };
        if self.rows.is_empty() {
            self.rows.push((1, Vec::new()));
        }
        let (columns, rows) = self.span;
        if let Some((_, cells)) = self.rows.last_mut() {
            for column in 0..columns {
                if rows > 1 {
                    self.above.push((cells.len(), rows - 1, text.clone()));
                }
                cells.push(if column == 0 {
                    text.clone()
                } else {
                    String::new()
                });
            }
        }
        self.fill();
    }

    /// Cells from above that come next.
    fn fill(&mut self) {
        let Some((_, cells)) = self.rows.last_mut() else {
            return;
        };
        // Those that this very row has begun are not above it.
        while let Some(found) = self
            .above
            .iter_mut()
            .find(|(column, left, _)| *column == cells.len() && *left > 0)
        {
            found.1 -= 1;
            cells.push(found.2.clone());
        }
        self.above.retain(|(_, left, _)| *left > 0);
    }
}

fn attribute(tag: &str, name: &str) -> usize {
    let lower = tag.to_lowercase();
    let value = lower
        .split_once(&format!("{name}="))
        .map(|(_, value)| value);
    let digits: String = value
        .unwrap_or_default()
        .chars()
        .skip_while(|c| *c == '"' || *c == '\'')
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap_or(1).clamp(1, 100)
}
