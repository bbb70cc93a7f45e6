//! Back into Markdown, so that importing it again gives the same.

use std::fmt::Write as _;

use super::{Imported, ImportedItem, ItemStatus, slug};

/// A checklist as Markdown, ticked.
pub fn markdown(imported: &Imported) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    };
    for area in &imported.areas {
        line(format!("## {}\n", plain(&area.title)));
        for item in &area.items {
            line(format!("- {}", of(item)));
            for note in &item.notes {
                line(format!("  - {}", plain(note)));
            }
        }
        line(String::new());
    }
    if !imported.sign_offs.is_empty() {
        line("## Sign-off\n".into());
        line("| Role | Name | Date | Signed |\n| --- | --- | --- | --- |".into());
        for one in &imported.sign_offs {
            line(format!(
                "| {} | {} | {} | {} |",
                plain(&one.role),
                plain(one.name.as_deref().unwrap_or_default()),
                plain(one.date.as_deref().unwrap_or_default()),
                if one.signed { "✅" } else { "" }
            ));
        }
        line(String::new());
    }
    text
}

fn of(item: &ImportedItem) -> String {
    let mut text = match item.status {
        ItemStatus::Pass => "[x] ",
        ItemStatus::Partial => "[ ] ⚠️ ",
        ItemStatus::Fail => "[ ] ❌ ",
        ItemStatus::NotApplicable => "[ ] N/A ",
        ItemStatus::Open => "[ ] ",
    }
    .to_owned();
    if let Some(priority) = item.priority {
        text.extend(["\\[", &priority.to_string(), "\\] "]);
    }
    text += &plain(&item.text);
    // Items that are alike get numbers, in the same order again.
    let made = slug(&item.text);
    let numbered = item.id.strip_prefix(&made).is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('-')
                .is_some_and(|n| n.parse::<u32>().is_ok())
    });
    if !numbered {
        text.extend([" {#", &item.id, "}"]);
    }
    text
}

/// Text that Markdown leaves as it is.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            '\n' | '\r' => plain.push(' '),
            // Beginnings of lists, quotes, headings.
            '-' | '+' | '#' | '>' if at == 0 => plain.extend(['\\', c]),
            '.' | ')' if plain.chars().all(|c| c.is_ascii_digit()) && at > 0 => {
                plain.extend(['\\', c]);
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '!' => {
                plain.extend(['\\', c]);
            }
            c => plain.push(c),
        }
    }
    plain
}
