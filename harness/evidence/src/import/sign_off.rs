//! Lines and rows that are signed.

use super::{ItemStatus, SignOff, mark};

/// Headings of what is signed.
const TITLES: [&str; 9] = [
    "sign-off",
    "sign off",
    "signoff",
    "signatures",
    "approvals",
    "approval",
    "approvers",
    "signed",
    "authorization",
];
/// Beginnings of lines that are signed, wherever they are.
const LINES: [&str; 11] = [
    "sign-off",
    "sign off",
    "signoff",
    "signed off by",
    "signed-off-by",
    "signed by",
    "approved by",
    "approver",
    "signature",
    "reviewed by",
    "final approval",
];

pub(super) fn is_title(title: &str) -> bool {
    let lower = title.to_lowercase();
    TITLES.iter().any(|one| lower.contains(one))
}

/// A line that is signed by its words.
pub(super) fn is_line(text: &str) -> bool {
    let lower = text.to_lowercase();
    let begins = LINES.iter().any(|one| lower.starts_with(one));
    begins && (text.contains(':') || text.contains("__"))
}

fn filled(text: &str) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || "_-–—.…[]()|,;".contains(c));
    let placeholder = ["name", "tbd", "date", "signature", "yyyy-mm-dd", "pending"];
    (!text.is_empty() && !placeholder.contains(&text.to_lowercase().as_str()))
        .then(|| text.to_owned())
}

/// `Sign-off: SRE: ____` is signed by the SRE: the word in front only says
/// what the line is, unless nothing else says who.
fn without_label(text: &str) -> &str {
    let Some((label, rest)) = text.split_once(':') else {
        return text;
    };
    let is_label = LINES.contains(&label.trim().to_lowercase().as_str());
    let says_who = rest.contains(':') || rest.contains("__") && filled(rest).is_some();
    if is_label && says_who { rest } else { text }
}

/// Who signs by a line: `Security lead: Jane Doe, Date: 2026-01-01`.
pub(super) fn of_line(text: &str, tick: Option<bool>) -> SignOff {
    let (status, text) = mark::strip_status(text);
    let lower = text.to_lowercase();
    let (before, date) = match lower.rfind("date:") {
        // The same place in both, unless lower case is longer.
        Some(at) if text.is_char_boundary(at) && text.len() == lower.len() => {
            (&text[..at], filled(&text[at + 5..]))
        }
        _ => (text.as_str(), None),
    };
    let before = without_label(before);
    let (role, name) = match before.split_once(':') {
        Some((role, name)) => (role, filled(name)),
        None => match before.split_once("__") {
            Some((role, name)) => (role, filled(name)),
            None => match before
                .split_once(" – ")
                .or_else(|| before.split_once(" — "))
            {
                Some((role, name)) => (role, filled(name)),
                None => (before, None),
            },
        },
    };
    let role = role.trim_matches(|c: char| c.is_whitespace() || c == '_' || c == ',');
    // A line to write on is not written on: what stands beside it says whose.
    let blank = before.contains("__");
    let role = match (&name, blank) {
        (Some(beside), true) if before.contains(':') => format!("{role}: {beside}"),
        _ => role.to_owned(),
    };
    let name = name.filter(|_| !blank);
    let signed = match (tick, status) {
        (Some(tick), None) => tick,
        (_, Some(status)) => status == ItemStatus::Pass,
        (None, None) => name.is_some(),
    };
    SignOff {
        role: if role.is_empty() { text.clone() } else { role },
        name,
        date,
        signed,
    }
}

/// Whether a table is one of signatures, by its head.
pub(super) fn is_head(head: &[String]) -> bool {
    let has = |words: &[&str]| {
        head.iter().any(|cell| {
            let cell = cell.to_lowercase();
            words.iter().any(|word| cell.contains(word))
        })
    };
    has(&[
        "signature",
        "signed",
        "sign-off",
        "sign off",
        "signoff",
        "approver",
        "approved by",
    ]) && !has(&["item", "requirement", "criteria", "check", "task"])
}

/// Who signs by a row.
pub(super) fn of_row(head: &[String], cells: &[String]) -> SignOff {
    let column = |words: &[&str]| {
        head.iter().position(|cell| {
            let cell = cell.to_lowercase();
            words.iter().any(|word| cell.contains(word))
        })
    };
    let cell = |at: Option<usize>| at.and_then(|at| cells.get(at)).map(String::as_str);
    let date = column(&["date", "when"]);
    let name = column(&["name", "approver", "signatory", "who", "person"]);
    let signed = column(&[
        "signature",
        "signed",
        "sign-off",
        "sign off",
        "signoff",
        "status",
        "approved",
        "decision",
    ])
    .filter(|at| Some(*at) != name);
    let role = column(&["role", "team", "function", "area", "title", "department"])
        .or_else(|| (0..head.len()).find(|at| ![date, name, signed].contains(&Some(*at))))
        .or(name);
    let name_text = cell(name.filter(|at| Some(*at) != role)).and_then(filled);
    let said = cell(signed).unwrap_or_default();
    SignOff {
        role: cell(role).unwrap_or_default().trim().to_owned(),
        date: cell(date).and_then(filled),
        signed: match mark::cell_status(said) {
            Some(status) => status == ItemStatus::Pass,
            None if signed.is_some() => filled(said).is_some(),
            None => name_text.is_some(),
        },
        name: name_text,
    }
}
