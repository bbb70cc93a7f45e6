//! Rows into items, by what the columns are.

use super::{ImportedItem, ItemStatus, mark};

/// What the columns of a table are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    text: usize,
    status: Option<usize>,
    id: Option<usize>,
    priority: Option<usize>,
    area: Option<usize>,
    head: Vec<String>,
}

const STATUS: [&str; 14] = [
    "status",
    "state",
    "result",
    "done",
    "pass/fail",
    "pass / fail",
    "complete",
    "completed",
    "ready",
    "verdict",
    "✅",
    "pass?",
    "done?",
    "outcome",
];
const TEXT: [&str; 19] = [
    "item",
    "check",
    "task",
    "requirement",
    "criterion",
    "criteria",
    "control",
    "description",
    "what",
    "question",
    "test",
    "action",
    "metric",
    "checklist item",
    "success criteria",
    "success criterion",
    "requirements",
    "deliverable",
    "gate",
];
const ID: [&str; 6] = ["id", "#", "no", "no.", "nr", "ref"];
const PRIORITY: [&str; 4] = ["priority", "prio", "severity", "p"];
const AREA: [&str; 5] = ["area", "category", "section", "domain", "phase"];

impl Columns {
    /// None when it is no table of items.
    pub(super) fn of(head: &[String], rows: &[&Vec<String>]) -> Option<Self> {
        let named = |words: &[&str]| {
            head.iter()
                .position(|cell| words.contains(&cell.trim().to_lowercase().as_str()))
        };
        let is_status = |column: &usize| {
            let cells = rows.iter().filter_map(|row| row.get(*column));
            let cells: Vec<&String> = cells.filter(|cell| !cell.trim().is_empty()).collect();
            let known = cells
                .iter()
                .filter(|cell| mark::cell_status(cell).is_some())
                .count();
            !cells.is_empty() && known * 2 > cells.len()
        };
        let status = named(&STATUS).or_else(|| (0..head.len()).rev().find(is_status));
        let (id, priority, area) = (named(&ID), named(&PRIORITY), named(&AREA));
        let taken = |at: &usize| [status, id, priority].contains(&Some(*at));
        let text = named(&TEXT).filter(|at| Some(*at) != status);
        if status.is_none() && text.is_none() {
            return None;
        }
        let free = (0..head.len()).find(|at| !taken(at) && Some(*at) != area);
        let text = text.or(free).or(area)?;
        Some(Self {
            text,
            status,
            id,
            priority,
            area: area.filter(|at| *at != text),
            head: head.to_vec(),
        })
    }

    /// The area that a row names; none when it names none.
    pub(super) fn area<'a>(&self, cells: &'a [String]) -> Option<&'a str> {
        let cell = cells.get(self.area?)?.trim();
        (!cell.is_empty()).then_some(cell)
    }

    /// Whether rows can name an area.
    pub(super) const fn names_areas(&self) -> bool {
        self.area.is_some()
    }

    /// The item of a row; none when it has no text, so that it goes on with the
    /// row before.
    pub(super) fn item(&self, cells: &[String]) -> Option<ImportedItem> {
        let cell = |at: Option<usize>| at.and_then(|at| cells.get(at)).map(String::as_str);
        let (own_status, text) = mark::strip_status(cell(Some(self.text))?);
        let (priority, text) = mark::strip_priority(&text);
        let (own_id, text) = mark::strip_id(&text);
        let text = mark::plain(&text);
        if text.is_empty() {
            return None;
        }
        let status = cell(self.status).map(str::trim).unwrap_or_default();
        let found = mark::cell_status(status).or(own_status);
        let mut notes = self.notes(cells);
        if found.is_none() && !status.is_empty() {
            notes.push(format!("{}: {status}", self.head[self.status.unwrap_or(0)]));
        }
        let id = cell(self.id).map(|id| id.trim().to_owned());
        Some(ImportedItem {
            id: id
                .filter(|id| !id.is_empty())
                .or(own_id)
                .unwrap_or_default(),
            text,
            status: found.unwrap_or(ItemStatus::Open),
            priority: cell(self.priority).and_then(mark::priority_of).or(priority),
            notes,
        })
    }

    /// Whether a row without a text has an id, a status or a priority.
    pub(super) fn says_more(&self, cells: &[String]) -> bool {
        let own = [self.id, self.status, self.priority];
        own.into_iter()
            .flatten()
            .filter_map(|at| cells.get(at))
            .any(|cell| !cell.trim().is_empty())
    }

    /// What the other columns say.
    pub(super) fn notes(&self, cells: &[String]) -> Vec<String> {
        let own = [
            Some(self.text),
            self.status,
            self.id,
            self.priority,
            self.area,
        ];
        let others = cells.iter().enumerate();
        others
            .filter(|(at, cell)| !own.contains(&Some(*at)) && !cell.trim().is_empty())
            .map(
                |(at, cell)| match self.head.get(at).map(|head| head.trim()) {
                    Some(head) if !head.is_empty() => format!("{head}: {}", cell.trim()),
                    _ => cell.trim().to_owned(),
                },
            )
            .collect()
    }
}
