//! A comparison as one page of HTML, without anything from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Answer, Comparison, Standing, Word};
use crate::report::html::{STYLE, answer_class};

pub(super) fn render(comparison: &Comparison) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Agents side by side" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Agents side by side" }
                    @for run in &comparison.runs {
                        p.facts {
                            (run.name) ", started " (run.started)
                            @if let Some(commit) = &run.commit { ", commit " code { (commit) } }
                            @for (name, digest) in &run.subjects { ", " (name) " " code { (digest) } }
                        }
                    }
                }
                main {
                    @if !comparison.techniques.is_empty() { (techniques(comparison)) }
                    (scenarios(comparison))
                }
            }
        }
    };
    page.into_string()
}

fn head(comparison: &Comparison, what: &str) -> Markup {
    html! {
        thead {
            tr {
                th { (what) }
                @for column in &comparison.columns {
                    th { (column.agent) br; span.mode { (column.kernel) " " (column.boot_mode) } }
                }
            }
        }
    }
}

fn techniques(comparison: &Comparison) -> Markup {
    html! {
        h2 { "Ways round a rule" }
        div.scroll {
            table.techniques {
                (head(comparison, "technique"))
                tbody {
                    @for row in &comparison.techniques {
                        tr {
                            th { (row.technique) }
                            @for answer in &row.answers {
                                @match answer {
                                    Some(answer) => td class=(answer_class(*answer))
                                        title=(answer) { (answer.sign()) },
                                    None => td {},
                                }
                            }
                        }
                    }
                    tr {
                        th { "in all" }
                        @for column in 0..comparison.columns.len() {
                            td {
                                @for (answer, count) in comparison.answers(column) {
                                    (count) " " (answer) br;
                                }
                            }
                        }
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

fn scenarios(comparison: &Comparison) -> Markup {
    html! {
        h2 { "Scenarios" }
        div.scroll {
            table.techniques {
                (head(comparison, "scenario"))
                tbody {
                    @for row in &comparison.scenarios {
                        tr {
                            th title=(row.title) { (row.id) }
                            @for result in &row.results {
                                td class=(class(result.is)) title=(told(result)) {
                                    (result.is.sign())
                                }
                            }
                        }
                    }
                    tr {
                        th { "in all" }
                        @for column in 0..comparison.columns.len() {
                            td {
                                @for (word, count) in comparison.totals(column) {
                                    (count) " " (word) br;
                                }
                            }
                        }
                    }
                }
            }
        }
        p.legend {
            @for word in Word::ALL {
                @if !word.sign().is_empty() {
                    span class=(class(word)) { (word.sign()) } " " (word) " "
                }
            }
        }
    }
}

/// What a person sees who points at it.
fn told(standing: &Standing) -> String {
    let mut told = standing.is.to_string();
    if let Some(reason) = &standing.reason {
        told = format!("{told}: {reason}");
    }
    if !standing.left_out.is_empty() {
        told = format!("{told}; not looked at: {}", standing.left_out.join("; "));
    }
    told
}

const fn class(word: Word) -> &'static str {
    match word {
        Word::Passed | Word::PassedInPart => "passed",
        Word::Failed => "failed",
        Word::Allowed | Word::NotExpressible | Word::Skipped | Word::Absent => "skipped",
        Word::Unknown => "not-run",
    }
}
