//! Text copied from a page: bullets are glyphs, tables have lost their lines,
//! and around it is what belongs to the page. It gets its Markdown back, line
//! by line; Markdown itself passes through.

use super::{
    block::{Line, is_fence},
    mark,
};

/// Bullets, and how deep each is by custom.
const GLYPHS: [(char, usize); 13] = [
    ('•', 0),
    ('●', 0),
    ('▪', 1),
    ('■', 0),
    ('‣', 0),
    ('◦', 1),
    ('○', 1),
    ('▸', 0),
    ('►', 0),
    ('∙', 0),
    ('·', 0),
    ('⁃', 0),
    ('\u{f0b7}', 0),
];

/// What a page says around its text; compared in lower case, as a whole line.
const CHROME: [&str; 26] = [
    "skip to content",
    "skip to main content",
    "edit this page",
    "copy",
    "copy link",
    "copied!",
    "table of contents",
    "on this page",
    "previous",
    "next",
    "share",
    "search",
    "menu",
    "sign in",
    "log in",
    "sign up",
    "home",
    "print",
    "was this page helpful?",
    "was this helpful?",
    "back to top",
    "feedback",
    "toggle navigation",
    "accept cookies",
    "yesno",
    "contents",
];

/// Whether a line belongs to the page rather than to its text.
pub(super) fn is_chrome(line: &str) -> bool {
    let lower = line.trim().to_lowercase();
    CHROME.contains(&lower.as_str())
        || lower.starts_with('©')
        || lower.starts_with("last updated")
        || lower.starts_with("copyright ")
        || lower.ends_with(" min read")
        || (lower.contains(" › ") || lower.contains(" » "))
}

pub(super) fn to_markdown(lines: Vec<Line>) -> Vec<Line> {
    let is_heading = |line: &Line| line.text.starts_with('#');
    let has_headings = lines.iter().any(is_heading);
    let joined = lone_statuses(lines);
    let tabbed = tabbed_tables(&joined);
    let mut result = Vec::new();
    let (mut fenced, mut front) = (false, false);
    for (at, line) in tabbed.iter().enumerate() {
        if is_fence(&line.text) {
            fenced = !fenced;
        }
        if line.text.trim_end() == "---" && (at == 0 || front) {
            front = !front;
        }
        if fenced || front || is_fence(&line.text) {
            result.push(line.clone());
            continue;
        }
        let next = tabbed[at + 1..]
            .iter()
            .find(|next| !next.text.trim().is_empty());
        let titles = !has_headings && next.is_some_and(|next| begins_item(&next.text));
        let apart = |line: &Line| line.text.trim().is_empty() || is_chrome(&line.text);
        let previous_blank = at == 0 || apart(&tabbed[at - 1]);
        if titles && previous_blank && is_title(&line.text) {
            result.push(with(line, format!("## {}", line.text.trim())));
            result.push(with(line, String::new()));
        } else {
            let text = bullet(&line.text);
            // A line right below a table would be taken for a row of it.
            let below_table = at > 0 && tabbed[at - 1].text.trim_start().starts_with('|');
            if below_table && !line.text.contains('|') {
                result.push(with(line, String::new()));
            }
            // A bullet after text begins a list of its own.
            let begins = text.is_some();
            let after_text = result.last().is_some_and(|last: &Line| {
                !last.text.trim().is_empty() && !last.text.trim_start().starts_with('-')
            });
            if begins && after_text {
                result.push(with(line, String::new()));
            }
            result.push(with(line, text.unwrap_or_else(|| line.text.clone())));
        }
    }
    result
}

fn with(line: &Line, text: String) -> Line {
    Line {
        number: line.number,
        text,
    }
}

/// A line as a bullet of Markdown, if it is one by its glyph or sign.
fn bullet(line: &str) -> Option<String> {
    let text = line.trim_start();
    let indent = line[..line.len() - text.len()].replace('\t', "  ");
    let first = text.chars().next()?;
    if let Some((_, depth)) = GLYPHS.iter().find(|(glyph, _)| *glyph == first) {
        let rest = text[first.len_utf8()..].trim();
        let indent = if indent.is_empty() {
            "  ".repeat(*depth)
        } else {
            indent
        };
        return (!rest.is_empty()).then(|| format!("{indent}- {rest}"));
    }
    if text.contains('|') {
        // A row of a table.
        return None;
    }
    if mark::sign(first).is_some() && mark::signs(text) == 1 {
        return Some(format!("{indent}- {text}"));
    }
    let boxed = ["[ ] ", "[x] ", "[X] ", "[] "];
    if let Some(found) = boxed.iter().find(|one| text.starts_with(**one)) {
        let tick = if found.contains(['x', 'X']) {
            "[x]"
        } else {
            "[ ]"
        };
        return Some(format!("{indent}- {tick} {}", &text[found.len()..]));
    }
    // `TLS enabled ✅`: a row that has lost its columns.
    let markdown = ['|', '-', '*', '+', '#', '>', '<'];
    let numbered = text
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .starts_with(['.', ')'])
        && first.is_ascii_digit();
    if !markdown.contains(&first) && !numbered && mark::signs(text) == 1 {
        return Some(format!("{indent}- {text}"));
    }
    None
}

fn begins_item(line: &str) -> bool {
    bullet(line).is_some()
        || line.trim_start().starts_with("- ")
        || line.trim_start().starts_with("* ")
        || line.trim_start().starts_with('|')
}

/// A short line that could be a heading.
fn is_title(line: &str) -> bool {
    let text = line.trim();
    let words = text.split_whitespace().count();
    !text.is_empty()
        && words <= 10
        && text.len() <= 80
        && !text.ends_with(['.', ',', ';', '?', '!'])
        && text.starts_with(|c: char| c.is_alphanumeric())
        && bullet(line).is_none()
        && !text.contains('|')
        && !is_chrome(text)
}

/// A status on a line of its own belongs to the line before: a table whose
/// cells were copied one below the other.
fn lone_statuses(lines: Vec<Line>) -> Vec<Line> {
    let mut result: Vec<Line> = Vec::new();
    for line in lines {
        let text = line.text.trim();
        let only_sign = mark::signs(text) == 1 && mark::strip_status(text).1.is_empty();
        let text = text.to_owned();
        match result.last_mut() {
            Some(last)
                if only_sign && !last.text.trim().is_empty() && mark::signs(&last.text) == 0 =>
            {
                last.text = format!("{} {text}", last.text.trim_end());
            }
            _ => result.push(line),
        }
    }
    result
}

/// Lines with the same number of tabs, at least two of them, are a table.
fn tabbed_tables(lines: &[Line]) -> Vec<Line> {
    let tabs = |line: &Line| line.text.trim_end().matches('\t').count();
    let is_row = |line: &Line| tabs(line) > 0 && !line.text.starts_with(['\t', ' ']);
    let mut result = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let run = lines[at..]
            .iter()
            .take_while(|line| is_row(line) && tabs(line) == tabs(&lines[at]))
            .count();
        if run < 2 {
            result.push(lines[at].clone());
            at += 1;
            continue;
        }
        result.push(with(&lines[at], String::new()));
        for (row, line) in lines[at..at + run].iter().enumerate() {
            let cells: Vec<String> = line
                .text
                .split('\t')
                .map(|cell| cell.trim().replace('|', "\\|"))
                .collect();
            result.push(with(line, format!("| {} |", cells.join(" | "))));
            if row == 0 {
                result.push(with(line, format!("|{}", " --- |".repeat(cells.len()))));
            }
        }
        result.push(with(&lines[at + run - 1], String::new()));
        at += run;
    }
    result
}
