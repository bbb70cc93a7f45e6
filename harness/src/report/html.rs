//! `report.html`: scenarios × machines, and behind each cell what was done,
//! expected and seen, and the logs. One file, nothing from elsewhere, no
//! script: a cell's details are what the address's fragment names.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::{
    json::{CellReport, Report},
    summary::{self, headline},
    technique::{self, Answer},
};
use crate::outcome::OutcomeKind;

/// The end of a log that is shown; all of it is in the run's folder.
const LOG_BYTES: usize = 48 << 10;

pub(super) const STYLE: &str = include_str!("report.css");

/// Finds the files of a cell, by name.
pub(super) type Logs<'a> = dyn Fn(&CellReport) -> BTreeMap<String, String> + 'a;

pub(super) fn render(report: &Report, logs: &Logs<'_>) -> String {
    let title = format!("End-to-end run: {}", headline(report));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    (facts(report))
                    (totals(report))
                }
                main {
                    (problems(report))
                    (matrix(report))
                    (legend())
                    (techniques(report))
                    @for cell in &report.cells { (details(cell, logs)) }
                    (boots(report))
                }
            }
        }
    };
    page.into_string()
}

fn facts(report: &Report) -> Markup {
    let run = &report.run;
    html! {
        p.facts {
            "started " (run.started) ", took " (format!("{:.0} s", run.seconds))
            ", tier " (run.tier) ", " (run.accelerator) ", " (run.jobs) " machines at a time"
            @if let Some(commit) = &run.commit { ", commit " code { (commit) } }
            @if let Some(timing) = &report.timings.cells_that_start_the_agent {
                br;
                "a cell that starts the agent: median "
                (format!("{:.2} s", timing.median_seconds)) ", 95 % "
                (format!("{:.2} s", timing.p95_seconds)) " of " (timing.count)
            }
        }
    }
}

fn totals(report: &Report) -> Markup {
    let totals = &report.totals;
    let shown = [
        (OutcomeKind::Passed, totals.passed),
        (OutcomeKind::Failed, totals.failed),
        (OutcomeKind::Skipped, totals.skipped),
        (OutcomeKind::Infra, totals.infra),
        (OutcomeKind::NotRun, totals.not_run),
    ];
    html! {
        ul.totals {
            @for (outcome, count) in shown {
                li class=(class(outcome)) { b { (count) } " " (words(outcome)) }
            }
        }
    }
}

fn matrix(report: &Report) -> Markup {
    let machines = report.machines();
    let mut kernels: Vec<(&str, usize)> = Vec::new();
    for (kernel, _) in &machines {
        match kernels.last_mut() {
            Some((last, modes)) if last == kernel => *modes += 1,
            _ => kernels.push((kernel, 1)),
        }
    }
    html! {
        div.scroll {
            table.matrix {
                thead {
                    tr {
                        th rowspan="2" { "scenario" }
                        @for (kernel, modes) in kernels { th colspan=(modes) { (kernel) } }
                    }
                    tr { @for (_, mode) in &machines { th.mode { span { (mode) } } } }
                }
                tbody {
                    @for scenario in report.scenarios() {
                        tr {
                            th scope="row" { (scenario) }
                            @for (kernel, mode) in &machines {
                                td {
                                    @for cell in report.at(kernel, mode, scenario) { (link(cell)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What went wrong, each cause once, with its cells.
fn problems(report: &Report) -> Markup {
    let cell = |id: &String| report.cells.iter().find(|cell| cell.id() == *id);
    html! {
        @if !report.problems.is_empty() {
            h2 { "Problems" }
            @for problem in &report.problems {
                details.problem {
                    summary {
                        b { (problem.cells.len()) " × " code { (problem.code) } } " " (problem.cause)
                    }
                    ul {
                        @for id in &problem.cells {
                            li { @if let Some(cell) = cell(id) { (link(cell)) } " " (id) }
                        }
                    }
                    p { "run the first again: " code { (problem.rerun) } }
                }
            }
        }
    }
}

fn link(cell: &CellReport) -> Markup {
    let said = [Some(cell.id()), cell.code.clone(), cell.reason.clone()];
    let said: Vec<String> = said.into_iter().flatten().collect();
    html! {
        a class=(class(cell.outcome)) href={ "#" (anchor(cell)) } title=(said.join("\n")) {
            (sign(cell.outcome))
        }
    }
}

fn legend() -> Markup {
    const ALL: [OutcomeKind; 5] = [
        OutcomeKind::Passed,
        OutcomeKind::Failed,
        OutcomeKind::Skipped,
        OutcomeKind::Infra,
        OutcomeKind::NotRun,
    ];
    html! {
        p.legend {
            @for outcome in ALL {
                span class=(class(outcome)) { (sign(outcome)) } " " (words(outcome)) " "
            }
            "— choose a cell for what was done and seen in it."
        }
    }
}

fn details(cell: &CellReport, logs: &Logs<'_>) -> Markup {
    let mut files = logs(cell);
    let steps = steps(
        files.remove("program.json").as_deref(),
        files.remove("observations.jsonl").as_deref(),
    );
    files.remove("outcome.json");
    files.retain(|_, text| !text.trim().is_empty());
    html! {
        section.cell id=(anchor(cell)) {
            h2 {
                span class=(class(cell.outcome)) { (sign(cell.outcome)) } " " (cell.id())
                a.close href="#" title="close" { "×" }
            }
            p {
                b { (words(cell.outcome)) }
                @if let Some(code) = &cell.code { " " code { (code) } }
                @if let Some(seconds) = cell.seconds { (format!(" in {seconds:.2} s")) }
            }
            @if let Some(reason) = &cell.reason { p.reason { (reason) } }
            @for line in &cell.left_out { p.reason { "not looked at: " (line) } }
            @for line in &cell.let_pass { p.reason { "known, and let pass: " (line) } }
            p { "run it again: " code { (cell.rerun) } }
            (steps)
            @for (name, text) in &files {
                details open[name.ends_with("stderr.log") || files.len() == 1] {
                    summary { (name) }
                    pre { (tail(text)) }
                }
            }
        }
    }
}

/// What was done, expected and seen, action by action.
fn steps(program: Option<&str>, observations: Option<&str>) -> Markup {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    let Some(program) = program.and_then(parse) else {
        return html! {};
    };
    let actions = program["actions"].as_array().cloned().unwrap_or_default();
    let seen: Vec<Value> = observations
        .unwrap_or_default()
        .lines()
        .filter_map(parse)
        .collect();
    html! {
        details open {
            summary { "what was done, expected and seen" }
            div.scroll {
                table.steps {
                    thead {
                        tr { th { "" } th { "phase" } th { "action" } th { "expected" } th { "seen" } th { "ms" } }
                    }
                    tbody {
                        @for (index, planned) in actions.iter().enumerate() {
                            @let record = seen.get(index);
                            tr.missing[record.is_none()] {
                                td { (index) }
                                td { (planned["phase"].as_str().unwrap_or_default()) }
                                td { code { (planned["action"].to_string()) } }
                                td { code { (planned["expectation"].to_string()) } }
                                td {
                                    @match record {
                                        Some(record) => code { (record["observation"].to_string()) },
                                        None => "nothing",
                                    }
                                }
                                td {
                                    @if let Some(micros) = record.and_then(|record| record["micros"].as_f64()) {
                                        (format!("{:.1}", micros / 1000.0))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn techniques(report: &Report) -> Markup {
    let all = &report.techniques;
    let columns = technique::columns(all);
    html! {
        @if !all.is_empty() {
            h2 { "Ways round a rule" }
            div.scroll {
                table.techniques {
                    thead {
                        tr {
                            th { "technique" }
                            @for (kernel, agent) in &columns { th { (kernel) br; (agent) } }
                            th { "described in" }
                        }
                    }
                    tbody {
                        @for one in all {
                            tr {
                                th scope="row" title=(one.scenario) { (one.technique) }
                                @for column in &columns {
                                    @let answer = one.at(*column);
                                    td class=[answer.map(answer_class)] title=[answer] {
                                        (answer.map_or("", Answer::sign))
                                    }
                                }
                                td {
                                    (one.reference)
                                    @if let Some(gap) = &one.gap { br; "known gap: " (gap) }
                                }
                            }
                        }
                    }
                    tfoot {
                        tr {
                            th { "blocked" }
                            @for column in &columns { td { (summary::blocked(all, *column)) } }
                            td {}
                        }
                    }
                }
            }
            p.legend {
                @for answer in Answer::ALL {
                    span class=(answer_class(answer)) { (answer.sign()) } " " (answer) " "
                }
            }
        }
    }
}

pub(super) const fn answer_class(answer: Answer) -> &'static str {
    match answer {
        Answer::Blocked => "passed",
        Answer::KnownGap => "infra",
        Answer::Open | Answer::RefusedEarlier | Answer::Failed => "failed",
        Answer::Allowed | Answer::NotExpressible | Answer::Skipped => "skipped",
        Answer::Unknown => "not-run",
    }
}

fn boots(report: &Report) -> Markup {
    html! {
        details.boots {
            summary { (report.boots.len()) " machines" }
            table {
                thead { tr { th { "machine" } th { "release" } th { "booted in" } th { "" } } }
                tbody {
                    @for boot in &report.boots {
                        tr {
                            td { (boot.kernel) "/" (boot.boot_mode) }
                            td { (boot.release.as_deref().unwrap_or("")) }
                            td { @if let Some(seconds) = boot.seconds { (format!("{seconds:.1} s")) } }
                            td {
                                @if let Some(why) = &boot.retried { "booted twice: " (why) " " }
                                @if let Some(why) = &boot.failure { (why) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn tail(text: &str) -> &str {
    let from = text.len().saturating_sub(LOG_BYTES);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at));
    &text[from.unwrap_or(0)..]
}

fn anchor(cell: &CellReport) -> String {
    cell.id().replace('/', "_")
}

const fn class(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Passed => "passed",
        OutcomeKind::Failed => "failed",
        OutcomeKind::Skipped => "skipped",
        OutcomeKind::Infra => "infra",
        OutcomeKind::NotRun => "not-run",
    }
}

const fn sign(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Passed => "✓",
        OutcomeKind::Failed => "✗",
        OutcomeKind::Skipped => "–",
        OutcomeKind::Infra => "!",
        OutcomeKind::NotRun => "?",
    }
}

const fn words(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Passed => "passed",
        OutcomeKind::Failed => "failed",
        OutcomeKind::Skipped => "skipped",
        OutcomeKind::Infra => "infrastructure",
        OutcomeKind::NotRun => "not run",
    }
}
