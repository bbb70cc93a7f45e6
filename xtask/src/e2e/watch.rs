//! What happens, for someone who watches: a live table on a terminal, plain
//! lines elsewhere. Everything goes to standard error.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use harness::{
    Cell, Group, Plan,
    outcome::OutcomeKind,
    run::{BootResult, CellResult, Observer},
};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use kernel_matrix::{Progress, Step};

use super::{table, terminal};

const TICK: Duration = Duration::from_millis(120);

/// Watches a run.
pub(super) struct Watch {
    bars: MultiProgress,
    total: ProgressBar,
    lines: Mutex<BTreeMap<Group, Line>>,
}

/// One machine.
struct Line {
    bar: Option<ProgressBar>,
    cells: u64,
    marks: String,
    left: u64,
}

impl Watch {
    /// A live table only where nothing else is on the terminal.
    pub(super) fn new(plan: &Plan, live: bool) -> Self {
        let target = if live && terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        let total = bars.add(ProgressBar::new(plan.to_run() as u64));
        total.set_style(style(
            "{elapsed_precise} {bar:30} {pos}/{len} cells {wide_msg}",
        ));
        total.enable_steady_tick(TICK);
        let lines = plan
            .groups()
            .into_iter()
            .map(|(group, cells)| {
                let cells = cells.len() as u64;
                let line = Line {
                    bar: None,
                    cells,
                    marks: String::new(),
                    left: cells,
                };
                (group, line)
            })
            .collect();
        Self {
            bars,
            total,
            lines: Mutex::new(lines),
        }
    }

    /// A line of its own.
    pub(super) fn say(&self, text: &str) {
        if terminal() {
            // Nothing can be done about a closed terminal.
            let _ = self.bars.println(text);
        } else {
            eprintln!("{text}");
        }
    }

    /// The live table goes.
    pub(super) fn finish(&self) {
        self.total.finish_and_clear();
        let _ = self.bars.clear();
    }

    /// For the downloads of kernels.
    pub(super) fn kernels(&self) -> Kernels<'_> {
        Kernels(self)
    }

    fn with_line(&self, group: &Group, change: impl FnOnce(&mut Line)) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get_mut(group) {
            change(line);
        }
    }

    fn live(&self, line: &mut Line, group: &Group) -> ProgressBar {
        let make = || {
            let bar = self
                .bars
                .insert_before(&self.total, ProgressBar::no_length());
            bar.set_style(style("  {prefix:18} {wide_msg}"));
            bar.set_prefix(group.to_string());
            bar
        };
        line.bar.get_or_insert_with(make).clone()
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Observer for Watch {
    fn booting(&self, group: &Group) {
        self.with_line(group, |line| {
            self.live(line, group).set_message("booting");
        });
    }

    fn boot_retried(&self, group: &Group, why: &str) {
        self.say(&format!("{group}: {why}; booting once more"));
    }

    fn booted(&self, boot: &BootResult) {
        let group = &boot.group;
        match (&boot.failure, boot.booted_in, &boot.release) {
            (None, Some(took), Some(release)) => {
                if !terminal() {
                    self.say(&format!(
                        "{group}: booted {release} in {:.1} s",
                        took.as_secs_f64()
                    ));
                }
            }
            (failure, ..) => {
                let why = failure.as_deref().unwrap_or("for an unknown reason");
                self.say(&format!("{group}: did not boot: {why}"));
            }
        }
    }

    fn cell_started(&self, cell: &Cell) {
        self.with_line(&cell.group, |line| {
            let message = format!("{} {}", line.marks, cell.scenario);
            self.live(line, &cell.group).set_message(message);
        });
    }

    fn cell_done(&self, result: &CellResult) {
        let kind = result.outcome.kind();
        let undecided_by_plan = kind != OutcomeKind::Skipped;
        let bad = matches!(kind, OutcomeKind::Failed | OutcomeKind::Infra);
        if bad || (undecided_by_plan && !terminal()) {
            let took = result
                .took
                .map(|took| format!(" ({:.2} s)", took.as_secs_f64()))
                .unwrap_or_default();
            let reason = match (result.outcome.code(), result.outcome.reason()) {
                (Some(code), Some(reason)) => format!(" {code}: {reason}"),
                _ => String::new(),
            };
            self.say(&format!("{} {kind}{took}{reason}", result.cell));
        }
        if !undecided_by_plan {
            return;
        }
        self.total.inc(1);
        self.with_line(&result.cell.group, |line| {
            line.marks.push_str(&table::mark(kind, terminal()));
            line.left = line.left.saturating_sub(1);
            let bar = self.live(line, &result.cell.group);
            bar.set_message(line.marks.clone());
            if line.left == 0 {
                bar.finish_with_message(format!("{} of {} cells", line.marks, line.cells));
            }
        });
    }
}

/// Watches kernels being made available.
pub(super) struct Kernels<'a>(&'a Watch);

impl Progress for Kernels<'_> {
    fn update(&self, subject: &str, step: &Step<'_>) {
        let total = &self.0.total;
        match step {
            Step::Waiting => total.set_message(format!("kernel {subject}: waiting")),
            Step::Downloading { done, total: all } => {
                total.set_message(format!(
                    "kernel {subject}: {} of {} MiB",
                    done >> 20,
                    all >> 20
                ));
            }
            Step::Retrying { reason } => {
                self.0
                    .say(&format!("kernel {subject}: once more: {reason}"));
            }
            Step::Verifying => total.set_message(format!("kernel {subject}: verifying")),
            Step::Unpacking => self.0.say(&format!("kernel {subject}: unpacking")),
            Step::Ready => total.set_message(String::new()),
        }
    }
}
