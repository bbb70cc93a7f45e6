use proptest::prelude::*;

use super::{Area, Imported, ImportedItem, ItemStatus, SignOff, export::markdown};
use crate::checklist::Priority;

/// Areas and items of a document, a line each.
fn shown(text: &str) -> String {
    let imported = Imported::read(text);
    let mut lines = Vec::new();
    for area in &imported.areas {
        lines.push(format!("# {}", area.title));
        for item in &area.items {
            let priority = item
                .priority
                .map(|one| format!(" {one}"))
                .unwrap_or_default();
            lines.push(format!("{:?}{priority} {}", item.status, item.text));
        }
    }
    for one in &imported.sign_offs {
        let signed = if one.signed { "signed" } else { "unsigned" };
        lines.push(format!(
            "{signed} {} / {:?} / {:?}",
            one.role, one.name, one.date
        ));
    }
    for one in &imported.unplaced {
        lines.push(format!("unplaced {}: {}", one.line, one.text));
    }
    lines.join("\n")
}

fn check(text: &str, expected: &str) {
    let expected: Vec<&str> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(shown(text), expected.join("\n"), "{text}");
}

#[test]
fn task_lists_with_nested_ones() {
    check(
        "# Launch\nWhat we need.\n## Security\n- [x] TLS is on\n  - [ ] also inside\n- [ ] Keys rotate\n  - Owner: ops\n\n## Data\n* [X] Backups\n",
        "# Security\nPass TLS is on\nOpen also inside\nOpen Keys rotate\n# Data\nPass Backups\nunplaced 2: What we need.",
    );
    check(
        "## Security\n- Network\n  - [x] Closed ports\n  - [ ] Firewall\n- [ ] Other\n",
        "# Network\nPass Closed ports\nOpen Firewall\n# Security\nOpen Other",
    );
}

#[test]
fn tables_with_a_status_column_merged_cells_and_boxes() {
    check(
        "## Security\n| # | Item | Status | Notes |\n|---|---|---|---|\n| 1.1 | TLS | ✅ | ok |\n| 1.2 | MFA | ⚠️ | soon |\n| 1.3 | WAF | ❌ | |\n| 1.4 | HSM | N/A | no hardware |\n| | | | more |\n",
        "# Security\nPass TLS\nPartial MFA\nFail WAF\nNotApplicable HSM",
    );
    check(
        "| Area | Check | Done |\n|---|---|---|\n| Ops | Alerts | ☑ |\n| | Runbook | ☐ |\n| Data | Backup | [x] |\n",
        "# Ops\nPass Alerts\nOpen Runbook\n# Data\nPass Backup",
    );
}

#[test]
fn what_stands_right_below_a_table_is_no_row_and_no_row_is_lost() {
    check(
        "## S\n| # | Item | Status |\n|---|---|---|\n| 1.1 | TLS | ✅ |\n| 1.2 | | ❌ |\nSign-off: Lead ____ Date: ____\n",
        "# S\nPass TLS\nunsigned Lead / None / None\nunplaced 5: 1.2 |  | ❌",
    );
    check(
        "Item | Status\n--- | ---\nTLS | ✅\n",
        "# General\nPass TLS",
    );
}

#[test]
fn bullets_under_priorities() {
    check(
        "# Release\n## P0 – must have\n- Signed policies\n- Rollback\n## P1\n- Metrics\n## Nice to have\n- Dark mode\n",
        "# P0 – must have\nOpen P0 Signed policies\nOpen P0 Rollback\n# P1\nOpen P1 Metrics\n# Nice to have\nOpen P2 Dark mode",
    );
    check(
        "## Security\n### P0\n- [ ] A thing\n- [x] [P1] Another\n",
        "# Security\nOpen P0 A thing\nPass P1 Another",
    );
}

#[test]
fn pass_and_fail_criteria_below_a_heading_each() {
    check(
        "## Production\n### 1. TLS is valid\n- **PASS:** 30 days left\n- **FAIL:** fewer\n- **Status:** ✅ PASS\n- Owner: ops\n\n### 2. Backups\n- PASS: restored\n- FAIL: not\n- Result: FAIL\n",
        "# Production\nPass TLS is valid\nFail Backups",
    );
}

#[test]
fn sign_offs_in_lines_lists_and_tables() {
    check(
        "## Security\n- [x] TLS\n\nSign-off (security lead): Jane Doe  Date: 2026-01-02\nSign-off: SRE: ____\nSign-off: QA: Eve\nApproved by: Bob\n\n## Final approval\n- [ ] CTO: ________ Date: ____\n- [x] CISO: Max\n\n| Role | Name | Date | Signature |\n|---|---|---|---|\n| Ops | Ann | 2026-01-03 | ✅ |\n| QA | | | |\n",
        "# Security\nPass TLS\nsigned Sign-off (security lead) / Some(\"Jane Doe\") / Some(\"2026-01-02\")\nunsigned SRE / None / None\nsigned QA / Some(\"Eve\") / None\nsigned Approved by / Some(\"Bob\") / None\nunsigned CTO / None / None\nsigned CISO / Some(\"Max\") / None\nsigned Ops / Some(\"Ann\") / Some(\"2026-01-03\")\nunsigned QA / None / None",
    );
}

#[test]
fn front_matter_code_comments_and_contents_hold_no_items() {
    check(
        "---\ntitle: x\n- [ ] no item\n---\n# Doc\n- [Ops](#ops)\n\n## Ops\n<!-- - [ ] hidden -->\n- [ ] Pager\n\n```md\n- [ ] example\n```\n\n## Legend\n- ✅ = done\n",
        "# Ops\nOpen Pager\nunplaced 2: title: x\n- [ ] no item\nunplaced 6: Ops\nunplaced 9: - [ ] hidden\nunplaced 13: - [ ] example\nunplaced 17: ✅ = done",
    );
}

#[test]
fn html_lists_and_tables_with_merged_cells() {
    check(
        "<h2>Ops</h2>\n<ul>\n<li><input type=\"checkbox\" checked> Pager</li>\n<li><input type=\"checkbox\"> Runbook</li>\n</ul>\n",
        "# Ops\nPass Pager\nOpen Runbook",
    );
    check(
        "## Data\n\n<table>\n<tr><th>Category</th><th>Item</th><th>Status</th></tr>\n<tr><td rowspan=\"2\">Backup</td><td>Made</td><td>✅</td></tr>\n<tr><td>Restored</td><td>❌</td></tr>\n<tr><td>Keys</td><td>Rotated</td><td>N/A</td></tr>\n</table>\n",
        "# Backup\nPass Made\nFail Restored\n# Keys\nNotApplicable Rotated",
    );
}

#[test]
fn tags_in_code_escaped_or_never_closed_swallow_nothing() {
    check(
        "<p>x</p>\n\n## A\n- [ ] no `<script>` runs\n- [ ] \\<table is text\n- [ ] a <b\n- [x] last\n",
        "# A\nOpen no <script> runs\nOpen <table is text\nOpen a <b\nPass last\nunplaced 1: x",
    );
    check(
        "## A\n- [x] first\n\n<table><tr><th>Item</th><th>Done</th></tr>\n<tr><td>TLS</td><td>✅</td></tr>\n",
        "# A\nPass first\nPass TLS",
    );
    check(
        "## A\n- [x] first\n\n<!-- never closed\n- [ ] in it\n",
        "# A\nPass first\nunplaced 4: never closed - [ ] in it",
    );
}

#[test]
fn text_copied_from_a_page() {
    check(
        "Skip to content\nDocs › Launch\nSecurity\n☑ TLS is on\n☐ Keys rotate\n\nOperations\n• Alerts are routed ✅\n• Runbook ❌\n\nCopy\n© 2026 Example\n",
        "# Security\nPass TLS is on\nOpen Keys rotate\n# Operations\nPass Alerts are routed\nFail Runbook\nunplaced 1: Skip to content\nunplaced 2: Docs › Launch\nunplaced 11: Copy\nunplaced 12: © 2026 Example",
    );
    check(
        "Item\tStatus\tOwner\nTLS\t✅\tops\nMFA\tFAIL\tsec\n",
        "# General\nPass TLS\nFail MFA",
    );
    check(
        "TLS is on\n✅\nMFA is on\n❌\n",
        "# General\nPass TLS is on\nFail MFA is on",
    );
    check(
        "Security\n\n• TLS\n• MFA\n",
        "# Security\nOpen TLS\nOpen MFA",
    );
}

#[test]
fn tasks_and_criteria_of_phases_stay_with_their_phase() {
    check(
        "# Rollout\n## Phase 0\nDuration: 1 week\n### Tasks\n- [ ] Install\n### Success criteria\n- CPU < 5 %\n## Phase 1\n### Tasks\n- [x] Shadow\n",
        "# Phase 0 / Tasks\nOpen Install\n# Phase 0 / Success criteria\nOpen CPU < 5 %\n# Phase 1 / Tasks\nPass Shadow\nunplaced 3: Duration: 1 week",
    );
}

#[test]
fn ids_are_taken_where_there_are_some_and_made_where_not() {
    let imported = Imported::read(
        "- [ ] SEC-01: TLS\n- [ ] 1.2 Keys\n- [ ] Keys\n- [ ] Keys\n- [ ] x {#own}\n- [ ] 3 replicas\n",
    );
    let ids: Vec<&str> = imported.items().map(|item| item.id.as_str()).collect();
    assert_eq!(
        ids,
        ["SEC-01", "1.2", "keys", "keys-2", "own", "3-replicas"]
    );
}

// The law: whatever the style, what goes in comes out.

fn words() -> impl Strategy<Value = String> {
    let word = "[b-z]{3,9}";
    proptest::collection::vec(word, 2..5).prop_map(|words| {
        let text = words.join(" ");
        format!("W{text}")
    })
}

fn status() -> impl Strategy<Value = ItemStatus> {
    prop_oneof![
        Just(ItemStatus::Pass),
        Just(ItemStatus::Partial),
        Just(ItemStatus::Fail),
        Just(ItemStatus::NotApplicable),
        Just(ItemStatus::Open),
    ]
}

fn item() -> impl Strategy<Value = ImportedItem> {
    (
        words(),
        status(),
        prop_oneof![
            Just(None),
            Just(Some(Priority::P0)),
            Just(Some(Priority::P1)),
            Just(Some(Priority::P2))
        ],
    )
        .prop_map(|(text, status, priority)| ImportedItem {
            id: String::new(),
            text,
            status,
            priority,
            notes: Vec::new(),
        })
}

fn checklist() -> impl Strategy<Value = Imported> {
    let area = (words(), proptest::collection::vec(item(), 1..6));
    let area = area.prop_map(|(title, items)| Area { title, items });
    let sign_off = (words(), any::<bool>()).prop_map(|(role, signed)| SignOff {
        role,
        name: signed.then(|| "Jane Doe".to_owned()),
        date: None,
        signed,
    });
    (
        proptest::collection::vec(area, 1..5),
        proptest::collection::vec(sign_off, 0..3),
    )
        .prop_map(|(mut areas, sign_offs)| {
            // Areas of one name would be one area.
            for (at, area) in areas.iter_mut().enumerate() {
                area.title = format!("{} {at}x", area.title);
            }
            let mut imported = Imported {
                areas,
                sign_offs,
                unplaced: Vec::new(),
            };
            imported.name_items();
            imported
        })
}

fn sign(status: ItemStatus) -> &'static str {
    match status {
        ItemStatus::Pass => "✅",
        ItemStatus::Partial => "⚠️",
        ItemStatus::Fail => "❌",
        ItemStatus::NotApplicable => "N/A",
        ItemStatus::Open => "☐",
    }
}

fn word(status: ItemStatus) -> &'static str {
    match status {
        ItemStatus::Pass => "PASS",
        ItemStatus::Partial => "In progress",
        ItemStatus::Fail => "FAIL",
        ItemStatus::NotApplicable => "N/A",
        ItemStatus::Open => "Not started",
    }
}

type Style = (&'static str, fn(&Area) -> String);

fn rows(area: &Area, row: impl Fn(&ImportedItem) -> String) -> String {
    area.items.iter().map(|item| row(item) + "\n").collect()
}

fn priority(item: &ImportedItem) -> String {
    item.priority.map(|one| one.to_string()).unwrap_or_default()
}

fn front(item: &ImportedItem) -> String {
    item.priority
        .map(|one| format!("[{one}] "))
        .unwrap_or_default()
}

const STYLES: [Style; 8] = [
    ("task list", |area| {
        let row = |item: &ImportedItem| match item.status {
            ItemStatus::Pass => format!("- [x] {}{}", front(item), item.text),
            ItemStatus::Open => format!("* [ ] {}{}", front(item), item.text),
            other => format!("- [ ] {} {}{}", sign(other), front(item), item.text),
        };
        format!("## {}\n\n{}\n", area.title, rows(area, row))
    }),
    ("table with signs", |area| {
        let row = |item: &ImportedItem| {
            format!(
                "| {} | {} | {} | ops |",
                item.text,
                priority(item),
                sign(item.status)
            )
        };
        format!(
            "### {}\n\n| Item | Priority | Status | Owner |\n|---|:-:|---|---|\n{}\n",
            area.title,
            rows(area, row)
        )
    }),
    ("table with words and numbers", |area| {
        let row = |item: &ImportedItem| {
            format!(
                "| {} | {} | {} |",
                priority(item),
                item.text,
                word(item.status)
            )
        };
        format!(
            "{}\n======\n\n| Priority | Requirement | Result |\n| --- | --- | --- |\n{}\n",
            area.title,
            rows(area, row)
        )
    }),
    ("bullets with signs", |area| {
        let row =
            |item: &ImportedItem| format!("+ {} {}{}", sign(item.status), front(item), item.text);
        format!("## {}\n{}\n", area.title, rows(area, row))
    }),
    ("html list", |area| {
        let row = |item: &ImportedItem| {
            let checked = if item.status == ItemStatus::Pass {
                " checked"
            } else {
                ""
            };
            let extra = match item.status {
                ItemStatus::Pass | ItemStatus::Open => String::new(),
                other => format!("{} ", sign(other)),
            };
            format!(
                "<li><input type=\"checkbox\"{checked} disabled> {extra}{}{}</li>",
                front(item),
                item.text
            )
        };
        format!("<h2>{}</h2>\n<ul>\n{}</ul>\n", area.title, rows(area, row))
    }),
    ("html table", |area| {
        let row = |item: &ImportedItem| {
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                item.text,
                priority(item),
                sign(item.status)
            )
        };
        format!(
            "<h3>{}</h3>\n<table><tr><th>Check</th><th>Prio</th><th>Status</th></tr>\n{}</table>\n",
            area.title,
            rows(area, row)
        )
    }),
    ("copied glyphs", |area| {
        let row =
            |item: &ImportedItem| format!("• {}{} {}", front(item), item.text, sign(item.status));
        format!(
            "{}\n\n{}\n",
            area.title,
            rows(area, |item| row(item).replace(" N/A", " – N/A"))
        )
    }),
    ("copied table with tabs", |area| {
        let row = |item: &ImportedItem| {
            format!("{}\t{}\t{}", item.text, priority(item), word(item.status))
        };
        format!(
            "## {}\n\nItem\tPriority\tStatus\n{}\n",
            area.title,
            rows(area, row)
        )
    }),
];

/// Text, status and priority.
type Said = (String, ItemStatus, Option<Priority>);

/// What every style can say, by area.
fn essence(imported: &Imported) -> Vec<(String, Vec<Said>)> {
    let item = |item: &ImportedItem| (item.text.clone(), item.status, item.priority);
    let areas = imported.areas.iter();
    areas
        .map(|area| (area.title.clone(), area.items.iter().map(item).collect()))
        .collect()
}

proptest! {
    #[test]
    fn every_style_is_read_without_losing_or_inventing_an_item(written in checklist()) {
        for (name, style) in STYLES {
            let text: String = written.areas.iter().map(style).collect();
            let read = Imported::read(&text);
            prop_assert_eq!(essence(&read), essence(&written), "{}:\n{}", name, text);
            prop_assert!(read.unplaced.is_empty(), "{}:\n{}\n{:?}", name, text, read.unplaced);
        }
    }

    #[test]
    fn what_is_exported_is_imported_as_it_was(written in checklist()) {
        let text = markdown(&written);
        prop_assert_eq!(Imported::read(&text), written, "{}", text);
    }

    #[test]
    fn whatever_is_exported_comes_back(text in "[ -~]{1,30}", title in "[ -~]{1,20}") {
        let once = Imported::read(&format!("## {title}\n\n- [ ] {text}\n- [x] sure thing\n"));
        let twice = Imported::read(&markdown(&once));
        prop_assert_eq!(&twice.areas, &once.areas, "{}", markdown(&once));
    }

    #[test]
    fn no_document_makes_it_panic_and_no_line_of_letters_is_lost(lines in proptest::collection::vec("[-*+#>|_`~ \\[\\]x0-9a-z<>/✅❌☐•\t]{0,24}", 0..12)) {
        let text = lines.join("\n");
        let _ = Imported::read(&text);
    }
}
