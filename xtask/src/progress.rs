//! Progress of a task in stages: a live line on a terminal, plain lines
//! elsewhere. Everything goes to standard error; standard output is for
//! results.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a live line moves on by itself.
const TICK: Duration = Duration::from_millis(120);

/// The stages of one task.
#[derive(Debug, Clone, Copy)]
pub struct Stages {
    task: &'static str,
}

impl Stages {
    /// Stages of the task of this name.
    pub const fn new(task: &'static str) -> Self {
        Self { task }
    }

    /// Starts a stage; drop it unfinished and it leaves no line behind.
    pub fn start(&self, name: &str) -> Stage {
        let label = format!("{:>8}  {name}", self.task);
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{prefix} {elapsed} {wide_msg:.dim}") {
            bar.set_style(style);
        }
        bar.set_prefix(label.clone());
        bar.enable_steady_tick(TICK);
        Stage {
            label,
            bar,
            started: Instant::now(),
        }
    }

    /// Prints a line of its own.
    pub fn note(&self, text: &str) {
        eprintln!("{:>8}  {text}", self.task);
    }
}

/// A stage under way.
#[derive(Debug)]
pub struct Stage {
    label: String,
    bar: ProgressBar,
    started: Instant,
}

impl Stage {
    /// What it does just now, for instance a line of a subprocess: seen on a
    /// terminal only.
    pub fn line(&self, text: &str) {
        self.bar.set_message(text.trim().to_owned());
    }

    /// Something that takes long begins: printed where there is no live line.
    pub fn announce(&self, text: &str) {
        if self.bar.is_hidden() {
            eprintln!("{}: {text}", self.label);
        } else {
            self.line(text);
        }
    }

    /// Prints a whole line above the live one, everywhere.
    pub fn print(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Ends the stage with a lasting line: what came out and how long it took.
    pub fn done(self, result: &str) -> Duration {
        let took = self.started.elapsed();
        self.bar.finish_and_clear();
        eprintln!("{}: {result} ({:.1} s)", self.label, took.as_secs_f64());
        took
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
