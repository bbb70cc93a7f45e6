//! Signs and words for a status, priorities, ids.

use super::ItemStatus;
use crate::checklist::Priority;

const SIGNS: [(ItemStatus, &[char]); 5] = [
    (ItemStatus::Pass, &['✅', '✔', '✓', '☑', '🟢', '🟩', '🗹']),
    (
        ItemStatus::Partial,
        &['⚠', '🟡', '🟨', '🟠', '🚧', '⏳', '🔄', '◐'],
    ),
    (
        ItemStatus::Fail,
        &['❌', '✗', '✘', '✖', '🔴', '🟥', '⛔', '🚫', '❎', '☒'],
    ),
    (ItemStatus::NotApplicable, &['➖', '⚪']),
    (
        ItemStatus::Open,
        &['☐', '⬜', '◻', '□', '❏', '❑', '🔲', '⏹'],
    ),
];

const WORDS: [(ItemStatus, &[&str]); 5] = [
    (
        ItemStatus::Pass,
        &[
            "pass",
            "passed",
            "done",
            "complete",
            "completed",
            "yes",
            "ok",
            "ready",
            "implemented",
            "met",
            "true",
            "x",
            "[x]",
            "y",
            "verified",
            "approved",
        ],
    ),
    (
        ItemStatus::Partial,
        &[
            "partial",
            "partially",
            "in progress",
            "in-progress",
            "wip",
            "warning",
            "warn",
            "conditional",
            "needs work",
            "partially met",
            "ongoing",
            "[~]",
        ],
    ),
    (
        ItemStatus::Fail,
        &[
            "fail",
            "failed",
            "no",
            "missing",
            "blocked",
            "not ready",
            "not met",
            "not done",
            "false",
            "not implemented",
            "n",
            "rejected",
            "failing",
        ],
    ),
    (
        ItemStatus::NotApplicable,
        &["n/a", "na", "not applicable", "n.a.", "waived", "skipped"],
    ),
    (
        ItemStatus::Open,
        &[
            "open",
            "todo",
            "to do",
            "pending",
            "not started",
            "tbd",
            "[ ]",
            "[]",
            "planned",
            "unknown",
        ],
    ),
];

/// Words that are a status also in front of a text, when written like this.
const LOUD: [(&str, ItemStatus); 7] = [
    ("PASSED", ItemStatus::Pass),
    ("PASS", ItemStatus::Pass),
    ("DONE", ItemStatus::Pass),
    ("FAILED", ItemStatus::Fail),
    ("FAIL", ItemStatus::Fail),
    ("N/A", ItemStatus::NotApplicable),
    ("TODO", ItemStatus::Open),
];

/// What a sign says.
pub(super) fn sign(c: char) -> Option<ItemStatus> {
    let mut all = SIGNS.iter();
    all.find(|(_, signs)| signs.contains(&c))
        .map(|(status, _)| *status)
}

/// How many signs of a status a text has.
pub(super) fn signs(text: &str) -> usize {
    text.chars().filter(|c| sign(*c).is_some()).count()
}

fn trim(text: &str) -> &str {
    // Selectors of how an emoji looks say nothing.
    text.trim_matches(|c: char| {
        c.is_whitespace() || c == '\u{fe0f}' || c == '\u{fe0e}' || c == '\u{200d}'
    })
}

/// A status in front of a text or behind it, and the rest.
pub(super) fn strip_status(text: &str) -> (Option<ItemStatus>, String) {
    let text = trim(text);
    if let Some(status) = text.chars().next().and_then(sign) {
        let rest = trim(&text[text.chars().next().map_or(0, char::len_utf8)..]);
        return (Some(status), after_delimiter(rest).to_owned());
    }
    let bare = trim(text);
    if let Some(last) = bare.chars().next_back()
        && let Some(status) = sign(last)
    {
        let rest = trim(&bare[..bare.len() - last.len_utf8()]);
        return (Some(status), before_delimiter(rest).to_owned());
    }
    if let Some((inner, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let status = match inner.trim() {
            "x" | "X" | "✓" | "✔" | "✅" => Some(ItemStatus::Pass),
            "~" | "/" => Some(ItemStatus::Partial),
            "-" => Some(ItemStatus::NotApplicable),
            "!" => Some(ItemStatus::Fail),
            "" => Some(ItemStatus::Open),
            loud => LOUD
                .iter()
                .find(|(word, _)| *word == loud)
                .map(|(_, status)| *status),
        };
        if status.is_some() {
            return (status, trim(rest).to_owned());
        }
    }
    for (word, status) in LOUD {
        let Some(rest) = text.strip_prefix(word) else {
            continue;
        };
        let stripped = after_delimiter(rest.trim_start());
        let delimited = rest.starts_with(char::is_whitespace) && word == "N/A";
        if (delimited || stripped.len() < rest.trim_start().len()) && !stripped.is_empty() {
            return (Some(status), stripped.to_owned());
        }
    }
    for (word, status) in LOUD {
        if let Some(rest) = text.strip_suffix(word)
            && before_delimiter(rest.trim_end()).len() < rest.trim_end().len()
        {
            return (Some(status), before_delimiter(rest.trim_end()).to_owned());
        }
    }
    (None, text.to_owned())
}

const DELIMITERS: [char; 4] = [':', '-', '–', '—'];

/// A dash counts only when something is apart from it: `-5` is a number.
fn after_delimiter(text: &str) -> &str {
    let Some(rest) = text.strip_prefix(DELIMITERS) else {
        return trim(text);
    };
    let apart = rest.is_empty() || rest.starts_with(char::is_whitespace);
    trim(if apart || text.starts_with(':') {
        rest
    } else {
        text
    })
}

/// A text without what only divides it from something that is not there, so
/// that it stays the same when a mark is put before it. Empty when it says
/// nothing at all.
pub(super) fn plain(text: &str) -> String {
    let mut text = trim(text);
    loop {
        let rest = after_delimiter(text);
        if rest == text {
            break;
        }
        text = rest;
    }
    if text.contains(char::is_alphanumeric) {
        text.to_owned()
    } else {
        String::new()
    }
}

fn before_delimiter(text: &str) -> &str {
    trim(text.strip_suffix(DELIMITERS).unwrap_or(text))
}

/// What a cell of a status column says.
pub(super) fn cell_status(cell: &str) -> Option<ItemStatus> {
    if let Some(status) = cell.chars().find_map(sign) {
        return Some(status);
    }
    let cell = trim(cell).to_lowercase();
    let cell = cell.trim_matches(['*', '(', ')', '.', '`']);
    let of = |text: &str| {
        let mut all = WORDS.iter();
        all.find(|(_, words)| words.contains(&text))
            .map(|(status, _)| *status)
    };
    // A word with an explanation: `Pass (see log)`, `N/A - single tenant`.
    of(cell)
        .or_else(|| {
            of(cell
                .split(['(', ',', ';', ':', '–', '—'])
                .next()?
                .trim()
                .trim_end_matches(" -"))
        })
        .or_else(|| of(cell.split(" - ").next()?.trim()))
}

fn of_number(text: &str) -> Option<Priority> {
    let digits = text.strip_prefix(['P', 'p'])?;
    match digits {
        "0" => Some(Priority::P0),
        "1" => Some(Priority::P1),
        "2" | "3" | "4" => Some(Priority::P2),
        _ => None,
    }
}

/// A priority in front of a text or behind it, and the rest.
pub(super) fn strip_priority(text: &str) -> (Option<Priority>, String) {
    let text = text.trim();
    let word = |part: &str| of_number(part.trim_matches(['[', ']', '(', ')', ':', '*']));
    if let Some((first, rest)) = text.split_once(char::is_whitespace)
        && let Some(priority) = word(first)
    {
        return (Some(priority), after_delimiter(rest).to_owned());
    }
    if let Some((rest, last)) = text.rsplit_once(char::is_whitespace)
        && last.starts_with(['[', '('])
        && let Some(priority) = word(last)
    {
        return (Some(priority), rest.trim().to_owned());
    }
    (None, text.to_owned())
}

/// What a heading or a cell says of how much things matter.
pub(super) fn priority_of(text: &str) -> Option<Priority> {
    let lower = text.to_lowercase();
    let mut tokens = lower.split(|c: char| !c.is_alphanumeric());
    if let Some(priority) = tokens.find_map(of_number) {
        return Some(priority);
    }
    let words: Vec<&str> = lower
        .split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '\''))
        .filter(|word| !word.is_empty())
        .collect();
    if words.len() > 4 {
        return None;
    }
    let starts = |all: &[&str]| all.iter().any(|one| words.first() == Some(one));
    let whole = words.join(" ");
    let named = |all: &[&str]| all.contains(&whole.as_str());
    if starts(&[
        "must",
        "must-have",
        "must-haves",
        "blocker",
        "blockers",
        "blocking",
        "mandatory",
    ]) || named(&[
        "critical",
        "critical items",
        "required",
        "critical priority",
        "launch blockers",
    ]) {
        Some(Priority::P0)
    } else if starts(&["should", "should-have", "should-haves"])
        || named(&["high", "high priority", "important", "recommended"])
    {
        Some(Priority::P1)
    } else if starts(&[
        "could",
        "could-have",
        "nice",
        "nice-to-have",
        "nice-to-haves",
    ]) || named(&[
        "medium",
        "medium priority",
        "low",
        "low priority",
        "optional",
        "maturity",
    ]) {
        Some(Priority::P2)
    } else {
        None
    }
}

/// An id that a text has itself, and the rest: `SEC-01: x`, `1.2 x`, `x {#id}`.
pub(super) fn strip_id(text: &str) -> (Option<String>, String) {
    let text = text.trim();
    if let Some((rest, id)) = text
        .strip_suffix('}')
        .and_then(|text| text.rsplit_once("{#"))
        && !id.is_empty()
        && !id.contains(char::is_whitespace)
    {
        return (Some(id.to_owned()), rest.trim().to_owned());
    }
    let Some((first, rest)) = text.split_once(char::is_whitespace) else {
        return (None, text.to_owned());
    };
    let id = first.trim_matches(['[', ']', '(', ')', ':', '.', '#', '*']);
    let rest = after_delimiter(rest);
    if is_id(id) && !rest.is_empty() {
        (Some(id.to_owned()), rest.to_owned())
    } else {
        (None, text.to_owned())
    }
}

/// `SEC-01`, `A1.2`, `1.2.3`: letters, then numbers; never a plain number, and
/// never a priority.
pub(super) fn is_id(text: &str) -> bool {
    let numbers = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let letters = text.len() - numbers.len();
    let numbers = numbers.strip_prefix('-').unwrap_or(numbers);
    let parts = numbers.split(['.', '-']).count();
    let numeric = numbers.split(['.', '-']).all(|part| {
        !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit())
    });
    let is_date = parts == 3 && letters == 0 && numbers.starts_with("20");
    numeric
        && !is_date
        && letters <= 6
        && (letters >= 2 && text.contains('-') || letters == 0 && parts >= 2 && !text.contains('-'))
}
