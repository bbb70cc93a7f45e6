//! Blocks into areas and items.

use super::{
    Area, Imported, ImportedItem, ItemStatus, Unplaced,
    block::{Block, Kind},
    mark, sign_off,
    table::Columns,
};
use crate::checklist::Priority;

/// Sections that hold no items, whatever their bullets look like.
const NO_ITEMS: [&str; 13] = [
    "legend",
    "status key",
    "status legend",
    "table of contents",
    "contents",
    "on this page",
    "changelog",
    "revision history",
    "version history",
    "evidence log",
    "rollback log",
    "references",
    "related documents",
];
/// Sections whose plain bullets are to be done or met.
const ITEMS: [&str; 9] = [
    "task",
    "criteria",
    "checklist",
    "requirement",
    "checks",
    "acceptance",
    "exit",
    "to do",
    "within",
];
/// Headings that say nothing without the one above.
const GENERIC: [&str; 12] = [
    "tasks",
    "task",
    "success criteria",
    "criteria",
    "checklist",
    "checks",
    "items",
    "requirements",
    "exit criteria",
    "pass/fail criteria",
    "acceptance criteria",
    "rollback criteria",
];
/// What a line says about the item before it.
const FIELDS: [&str; 18] = [
    "pass",
    "fail",
    "pass criteria",
    "fail criteria",
    "evidence",
    "owner",
    "action",
    "date",
    "due",
    "notes",
    "note",
    "status",
    "result",
    "remediation",
    "waiver",
    "criteria",
    "priority",
    "duration",
];

/// A heading that is in force.
#[derive(Debug, Clone)]
struct Heading {
    level: usize,
    title: String,
    priority: Option<Priority>,
    /// Says only how much things matter.
    only_priority: bool,
}

/// Put every block somewhere.
pub(super) fn place(blocks: Vec<Block>) -> Imported {
    let marked = blocks.iter().any(is_marked);
    let mut placer = Placer {
        blocks,
        marked,
        ..Placer::default()
    };
    let mut at = 0;
    while at < placer.blocks.len() {
        at = placer.block(at);
    }
    placer.finish()
}

/// Whether a block shows that the document ticks its items.
fn is_marked(block: &Block) -> bool {
    match &block.kind {
        Kind::Bullet { text, tick, .. } => tick.is_some() || mark::strip_status(text).0.is_some(),
        Kind::Row { .. } => true,
        _ => false,
    }
}

#[derive(Default)]
struct Placer {
    blocks: Vec<Block>,
    marked: bool,
    stack: Vec<Heading>,
    /// Areas by their whole path.
    areas: Vec<(Vec<String>, Vec<ImportedItem>)>,
    /// Where the last item is, while lines may still be about it, and its depth.
    last: Option<(usize, usize, usize)>,
    found: Imported,
}

impl Placer {
    fn block(&mut self, at: usize) -> usize {
        let Block { line, kind } = self.blocks[at].clone();
        match kind {
            Kind::Heading { level, text } => return self.heading(at, level, &text),
            Kind::Bullet {
                depth,
                text,
                tick,
                struck,
                anchor,
            } => {
                if anchor && tick.is_none() {
                    self.unplaced(line, text);
                } else {
                    self.bullet(at, depth, &text, (tick, struck));
                }
            }
            Kind::Row { ref head, .. } => return self.table(at, &head.clone()),
            Kind::Prose(text) => self.prose(line, text),
            Kind::Raw(text) => self.unplaced(line, text),
        }
        at + 1
    }

    fn unplaced(&mut self, line: usize, text: String) {
        self.found.unplaced.push(Unplaced { line, text });
    }

    // Headings.

    fn heading(&mut self, at: usize, level: usize, text: &str) -> usize {
        self.last = None;
        self.stack.retain(|heading| heading.level < level);
        let (status, text) = mark::strip_status(text);
        if let Some(next) = self.item_of_heading(at, level, status, &text) {
            return next;
        }
        if sign_off::is_line(&text) {
            self.found.sign_offs.push(sign_off::of_line(&text, None));
            return at + 1;
        }
        let (named, rest) = mark::strip_priority(&text);
        let priority = mark::priority_of(&text);
        self.stack.push(Heading {
            level,
            only_priority: priority.is_some() && is_about_priority(&rest, named.is_some()),
            title: text,
            priority,
        });
        at + 1
    }

    /// A heading that is itself an item: all that follows are its fields, and
    /// they say what PASS is or which it is.
    fn item_of_heading(
        &mut self,
        at: usize,
        level: usize,
        own: Option<ItemStatus>,
        title: &str,
    ) -> Option<usize> {
        let rest = &self.blocks[at + 1..];
        let until = rest.iter().position(|block| {
            matches!(&block.kind, Kind::Heading { level: next, text } if field(text).is_none() || *next < level)
        });
        let body = &rest[..until.unwrap_or(rest.len())];
        let mut fields = Vec::new();
        for block in body {
            match &block.kind {
                Kind::Bullet {
                    text, tick: None, ..
                }
                | Kind::Prose(text)
                | Kind::Heading { text, .. } => {
                    fields.push((field(text)?, text.clone()));
                }
                _ => return None,
            }
        }
        let has = |name: &str| fields.iter().any(|((known, _), _)| known == name);
        let says = has("status") || has("result") || (has("pass") || has("pass criteria"));
        if !says || level == 1 {
            return None;
        }
        let stated = fields
            .iter()
            .filter(|((name, _), _)| name == "status" || name == "result")
            .find_map(|((_, value), _)| mark::cell_status(value));
        let matters = fields
            .iter()
            .filter(|((name, _), _)| name == "priority")
            .find_map(|((_, value), _)| mark::priority_of(value));
        let (priority, text) = mark::strip_priority(title);
        let (id, text) = mark::strip_id(&numbered(&text));
        let notes = fields
            .into_iter()
            .filter(|((name, value), _)| {
                let is_status =
                    (name == "status" || name == "result") && mark::cell_status(value).is_some();
                let is_priority = name == "priority" && mark::priority_of(value).is_some();
                !is_status && !is_priority
            })
            .map(|(_, text)| text)
            .collect();
        let next = at + 1 + body.len();
        self.item(
            0,
            ImportedItem {
                id: id.unwrap_or_default(),
                text,
                status: stated.or(own).unwrap_or(ItemStatus::Open),
                priority: matters.or(priority).or(self.priority()),
                notes,
            },
        );
        Some(next)
    }

    /// What the nearest heading says of how much things matter.
    fn priority(&self) -> Option<Priority> {
        self.stack.iter().rev().find_map(|heading| heading.priority)
    }

    fn is_in(&self, titles: &[&str]) -> bool {
        self.stack.last().is_some_and(|heading| {
            let lower = heading.title.to_lowercase();
            titles.contains(&lower.trim_matches(|c: char| !c.is_alphanumeric()))
        })
    }

    fn path(&self) -> Vec<String> {
        let mut path: Vec<&Heading> = self.stack.iter().collect();
        // The document's own title is no area when there are others.
        if path.iter().filter(|heading| !heading.only_priority).count() > 1 {
            path.retain(|heading| heading.level > 1);
        }
        let named: Vec<String> = path
            .iter()
            .filter(|heading| !heading.only_priority)
            .map(|heading| heading.title.clone())
            .collect();
        let is_title = |heading: &&Heading| heading.level == 1;
        let only_title = named.len() == 1 && self.stack.first().as_ref().is_some_and(is_title);
        if named.is_empty() || only_title {
            let priorities = self.stack.iter().filter(|heading| heading.only_priority);
            let titles: Vec<String> = priorities.map(|heading| heading.title.clone()).collect();
            if !titles.is_empty() {
                return titles;
            }
        }
        named
    }

    // Items.

    fn item(&mut self, depth: usize, item: ImportedItem) {
        let path = self.path();
        let known = self.areas.iter().position(|(known, _)| *known == path);
        let area = known.unwrap_or_else(|| {
            self.areas.push((path, Vec::new()));
            self.areas.len() - 1
        });
        self.areas[area].1.push(item);
        self.last = Some((area, self.areas[area].1.len() - 1, depth));
    }

    fn note(&mut self, text: &str) -> bool {
        let Some((area, at, _)) = self.last else {
            return false;
        };
        let item = &mut self.areas[area].1[at];
        if let Some((name, value)) = field(text)
            && (name == "status" || name == "result")
            && item.status == ItemStatus::Open
            && let Some(status) = mark::cell_status(&value)
        {
            item.status = status;
        } else {
            item.notes.push(text.to_owned());
        }
        true
    }

    fn bullet(
        &mut self,
        at: usize,
        depth: usize,
        text: &str,
        (tick, struck): (Option<bool>, bool),
    ) {
        let line = self.blocks[at].line;
        let in_sign_off = self
            .stack
            .iter()
            .any(|heading| sign_off::is_title(&heading.title));
        if in_sign_off || sign_off::is_line(text) {
            self.found.sign_offs.push(sign_off::of_line(text, tick));
            return;
        }
        // Groups are in force for what is deeper than they are.
        self.stack
            .retain(|heading| heading.level <= 100 + depth || heading.level < 100);
        self.stack.retain(|heading| heading.level != 100 + depth);
        if self.last.is_some_and(|(_, _, last)| depth <= last) {
            self.last = None;
        }
        let (status, rest) = mark::strip_status(text);
        let is_ticked = tick.is_some() || status.is_some();
        let has_deeper = |marked: bool| {
            let deeper = self.blocks[at + 1..].iter().take_while(
                |block| matches!(&block.kind, Kind::Bullet { depth: next, .. } if *next > depth),
            );
            deeper.into_iter().any(|block| !marked || is_marked(block))
        };
        if !is_ticked && has_deeper(true) {
            self.stack.push(Heading {
                level: 100 + depth,
                title: text.trim_end_matches(':').to_owned(),
                priority: mark::priority_of(text),
                only_priority: mark::priority_of(text).is_some(),
            });
            return;
        }
        let legend = rest.starts_with('=') || self.is_in(&NO_ITEMS);
        if legend && tick.is_none() {
            self.unplaced(line, text.to_owned());
            return;
        }
        if !is_ticked && self.last.is_some() {
            self.note(text);
            return;
        }
        if !is_ticked && !self.plain_is_item(at) {
            self.unplaced(line, text.to_owned());
            return;
        }
        let (priority, rest) = mark::strip_priority(&rest);
        // A status may be behind the priority.
        let (inner, rest) = if status.is_none() {
            mark::strip_status(&rest)
        } else {
            (None, rest)
        };
        let (id, rest) = mark::strip_id(&rest);
        let (late, rest) = if priority.is_none() {
            mark::strip_priority(&rest)
        } else {
            (None, rest)
        };
        let rest = mark::plain(&rest);
        if rest.is_empty() {
            self.unplaced(line, text.to_owned());
            return;
        }
        let status = match (status.or(inner), tick) {
            _ if struck => ItemStatus::NotApplicable,
            // A box that is ticked beside a warning is still a warning.
            (Some(status), _) => status,
            (None, Some(true)) => ItemStatus::Pass,
            (None, _) => ItemStatus::Open,
        };
        self.item(
            depth,
            ImportedItem {
                id: id.unwrap_or_default(),
                text: rest,
                status,
                priority: priority.or(late).or(self.priority()),
                notes: Vec::new(),
            },
        );
    }

    /// Whether a bullet without any mark is an item here.
    fn plain_is_item(&self, at: usize) -> bool {
        if self.priority().is_some() || !self.marked {
            return true;
        }
        let titled = self.stack.last().is_some_and(|heading| {
            let lower = heading.title.to_lowercase();
            ITEMS.iter().any(|word| lower.contains(word))
        });
        let is_heading = |block: &Block| matches!(block.kind, Kind::Heading { .. });
        let before = self.blocks[..at]
            .iter()
            .rev()
            .take_while(|block| !is_heading(block));
        let after = self.blocks[at..]
            .iter()
            .take_while(|block| !is_heading(block));
        titled && !before.chain(after).any(is_marked)
    }

    // Tables.

    fn table(&mut self, at: usize, head: &[String]) -> usize {
        self.last = None;
        let rows: Vec<(usize, Vec<String>)> = self.blocks[at..]
            .iter()
            .map_while(|block| match &block.kind {
                Kind::Row { head: own, cells } if own == head => Some((block.line, cells.clone())),
                _ => None,
            })
            .collect();
        let next = at + rows.len();
        let in_sign_off = self
            .stack
            .iter()
            .any(|heading| sign_off::is_title(&heading.title));
        if in_sign_off || sign_off::is_head(head) {
            let signed = rows.iter().map(|(_, cells)| sign_off::of_row(head, cells));
            self.found.sign_offs.extend(signed);
            return next;
        }
        let cells: Vec<&Vec<String>> = rows.iter().map(|(_, cells)| cells).collect();
        let columns = Columns::of(head, &cells).filter(|_| !self.is_in(&NO_ITEMS));
        let Some(columns) = columns else {
            for (line, cells) in rows {
                self.unplaced(line, cells.join(" | "));
            }
            return next;
        };
        let depth = self.stack.len();
        for (line, cells) in rows {
            if let Some(area) = columns.area(&cells) {
                self.stack.truncate(depth);
                self.stack.push(Heading {
                    level: 90,
                    title: area.to_owned(),
                    priority: None,
                    only_priority: false,
                });
            }
            match columns.item(&cells) {
                Some(mut item) => {
                    item.priority = item.priority.or(self.priority());
                    self.item(0, item);
                }
                // An id or a status without a text belongs to nothing.
                None if columns.says_more(&cells) => self.unplaced(line, cells.join(" | ")),
                // Merged cells: it goes on with the row before.
                None => {
                    for note in columns.notes(&cells) {
                        if !self.note(&note) {
                            self.unplaced(line, note);
                        }
                    }
                }
            }
        }
        if columns.names_areas() {
            self.stack.truncate(depth);
        }
        self.last = None;
        next
    }

    // The rest.

    fn prose(&mut self, line: usize, text: String) {
        let in_sign_off = self
            .stack
            .iter()
            .any(|heading| sign_off::is_title(&heading.title));
        let signs = in_sign_off && (text.contains(':') || text.contains("__"));
        if signs || sign_off::is_line(&text) {
            self.found.sign_offs.push(sign_off::of_line(&text, None));
        } else if field(&text).is_none() || !self.note(&text) {
            self.unplaced(line, text);
        }
    }

    fn finish(mut self) -> Imported {
        let areas = std::mem::take(&mut self.areas);
        let title = |path: &Vec<String>| {
            let last = path.last().cloned().unwrap_or_else(|| "General".into());
            let generic = GENERIC.contains(&last.to_lowercase().as_str());
            let twice = areas
                .iter()
                .filter(|(other, _)| other.last() == path.last())
                .count()
                > 1;
            match path.len().checked_sub(2).map(|at| &path[at]) {
                Some(above) if generic || twice => format!("{above} / {last}"),
                _ => last,
            }
        };
        self.found.areas = areas
            .iter()
            .map(|(path, items)| Area {
                title: title(path),
                items: items.clone(),
            })
            .collect();
        self.found.name_items();
        self.found
    }
}

/// `P0`, `P0 – must have`, `Should have`: nothing but how much things matter.
fn is_about_priority(rest: &str, numbered: bool) -> bool {
    !numbered || mark::priority_of(rest).is_some() || rest.split_whitespace().count() <= 3
}

/// A heading without the number in front of it.
fn numbered(title: &str) -> String {
    let rest = title.trim_start_matches(|c: char| c.is_ascii_digit());
    match rest.strip_prefix(['.', ')']) {
        Some(rest) if title.len() > rest.len() + 1 && rest.starts_with(' ') => {
            rest.trim().to_owned()
        }
        _ => title.to_owned(),
    }
}

/// `Owner: ops` as its name and its value.
fn field(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once(':')?;
    let name = name
        .trim_matches(|c: char| c == '*' || c.is_whitespace())
        .to_lowercase();
    FIELDS
        .contains(&name.as_str())
        .then(|| (name, value.trim().to_owned()))
}
