//! The result as one HTML page: plots over rules, kernels and history, and every
//! table. Nothing comes from elsewhere, so it opens without a network.

use harness_proto::count::Operation;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Baseline, Case, KernelRun, Rules, RunReport,
    baseline::metric_name,
    plot::{Line, Mark, plot},
    table::{self, Grid},
};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem;max-width:1200px;\
                     color:#1b1b1b;background:#fff}\
                     table{border-collapse:collapse;margin:.5rem 0 1.5rem;font-size:13px;\
                     display:block;overflow-x:auto}\
                     td,th{padding:.15rem .6rem;border-bottom:1px solid #ddd;text-align:right;\
                     font-variant-numeric:tabular-nums;white-space:nowrap}\
                     td:first-child,th:first-child{text-align:left}\
                     figure{display:inline-block;width:560px;max-width:100%;margin:.5rem 1rem 1rem 0;\
                     vertical-align:top}svg{width:100%;height:auto}svg text{font-size:11px}\
                     .grid{stroke:#ddd}.legend{font-size:13px;margin:.2rem 0}\
                     figcaption{font-weight:600}pre{white-space:pre-wrap;background:#f4f4f4;\
                     padding:.6rem}";

/// What plots show: what an agent is most likely to slow down.
const SHOWN: [Operation; 6] = [
    Operation::OpenClose,
    Operation::OpenListed,
    Operation::UdpConnect,
    Operation::UdpSend,
    Operation::CreateUnlink,
    Operation::Exec,
];

/// The page. `baselines` are of any kernels, for the history.
pub fn render(report: &RunReport, baselines: &[Baseline]) -> String {
    let title = format!("What {} costs", report.agent);
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
                h1 { (title) }
                p {
                    "Guest instructions, counted: they repeat on any machine, and say nothing of \
                     latency."
                    @if let Some(commit) = &report.commit { " Commit " code { (commit) } "." }
                }
                pre { (table::summary(report)) }
                h2 { "Over rules" }
                @for kernel in &report.kernels { (over_rules(kernel)) }
                h2 { "Over kernels" }
                (over_kernels(report))
                h2 { "History" }
                @for baseline in baselines { (history(baseline)) }
                @if baselines.is_empty() { p { "No baseline has been accepted." } }
                @for kernel in &report.kernels {
                    h2 { (kernel.kernel) " (" (kernel.release) ")" }
                    @for grid in table::grids(kernel) { (table_of(&grid)) }
                }
            }
        }
    };
    page.into_string()
}

fn added(kernel: &KernelRun, case: Case, operation: Operation) -> Option<f64> {
    Some(kernel.cell(case, operation)?.added?.median)
}

fn lines(of: impl Fn(Operation) -> Vec<(f64, f64)>) -> Vec<Line> {
    let line = |operation: Operation| Line {
        name: operation.to_string(),
        points: of(operation),
    };
    let lines = SHOWN.into_iter().map(line);
    lines.filter(|line| !line.points.is_empty()).collect()
}

fn over_rules(kernel: &KernelRun) -> Markup {
    let mut counts: Vec<u32> = kernel
        .cases()
        .into_iter()
        .filter_map(Case::exact_in_enforce)
        .collect();
    counts.sort_unstable();
    // Each ten times as far as the one before; none at all is left of one.
    let across = |count: u32| f64::from(count.max(1)).log10();
    let lines = lines(|operation| {
        let point = |&count: &u32| {
            let case = Case::enforce(Rules::Exact(count));
            Some((across(count), added(kernel, case, operation)?))
        };
        counts.iter().filter_map(point).collect()
    });
    let marks: Vec<Mark> = counts
        .iter()
        .map(|&count| (across(count), count.to_string()))
        .collect();
    let title = format!(
        "{}: added, by exact rules of each kind, in enforce",
        kernel.kernel
    );
    plot(&title, &lines, &marks)
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn at(index: usize) -> f64 {
    index as f64
}

fn over_kernels(report: &RunReport) -> Markup {
    let most = |kernel: &KernelRun| {
        let exact = kernel.cases().into_iter();
        exact
            .filter_map(Case::exact_in_enforce)
            .filter(|&count| count <= 10_000)
            .max()
    };
    let lines = lines(|operation| {
        let point = |(index, kernel): (usize, &KernelRun)| {
            let case = Case::enforce(Rules::Exact(most(kernel)?));
            Some((at(index), added(kernel, case, operation)?))
        };
        report
            .kernels
            .iter()
            .enumerate()
            .filter_map(point)
            .collect()
    });
    let marks: Vec<Mark> = report
        .kernels
        .iter()
        .enumerate()
        .map(|(index, kernel)| (at(index), kernel.kernel.clone()))
        .collect();
    plot(
        "added in enforce, with up to 10,000 rules of each kind",
        &lines,
        &marks,
    )
}

fn history(baseline: &Baseline) -> Markup {
    let accepted = baseline.accepted.iter().enumerate();
    let case = Case::enforce(Rules::Exact(10_000)).to_string();
    let lines = lines(|operation| {
        let name = metric_name(operation, &case);
        let without = metric_name(operation, &Case::None.to_string());
        let point = |(index, one): (usize, &super::baseline::Accepted)| {
            let added = one.metrics.get(&name)?.value - one.metrics.get(&without)?.value;
            Some((at(index), added))
        };
        accepted.clone().filter_map(point).collect()
    });
    let marks: Vec<Mark> = accepted
        .clone()
        .map(|(index, one)| (at(index), one.commit.chars().take(9).collect()))
        .collect();
    html! {
        (plot(&format!("{}: added, as it was accepted", baseline.kernel), &lines, &marks))
        ol { @for (_, one) in accepted { li { code { (one.commit) } ": " (one.why) } } }
    }
}

fn table_of(grid: &Grid) -> Markup {
    html! {
        h3 { (grid.title) }
        table {
            thead { tr { @for cell in &grid.head { th { (cell) } } } }
            tbody { @for row in &grid.rows { tr { @for cell in row { td { (cell) } } } } }
        }
    }
}
