//! Getting kernels, as seen by the one who waits: bars on a terminal, a plain
//! line for each step elsewhere.

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    sync::{Mutex, PoisonError},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kernel_matrix::{Progress, Step};

/// Shows each kernel on standard error.
pub struct KernelProgress {
    live: bool,
    bars: MultiProgress,
    subjects: Mutex<BTreeMap<String, Subject>>,
}

struct Subject {
    bar: ProgressBar,
    /// The last step printed as a plain line.
    said: String,
}

impl Default for KernelProgress {
    fn default() -> Self {
        Self {
            live: std::io::stderr().is_terminal(),
            bars: MultiProgress::new(),
            subjects: Mutex::default(),
        }
    }
}

impl KernelProgress {
    /// Take the bars away.
    pub fn clear(&self) {
        // A terminal that is gone needs no clearing.
        let _ = self.bars.clear();
    }

    fn new_subject(&self, name: &str) -> Subject {
        let bar = if self.live {
            self.bars.add(ProgressBar::new(0))
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix:>5}  {msg:<12} {bar:30} {bytes:>10}/{total_bytes:<10} {bytes_per_sec}",
        ) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        Subject {
            bar,
            said: String::new(),
        }
    }
}

impl Progress for KernelProgress {
    fn update(&self, name: &str, step: &Step<'_>) {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        let subject = subjects
            .entry(name.to_owned())
            .or_insert_with(|| self.new_subject(name));
        let message = match step {
            Step::Waiting => "waiting for another run".into(),
            Step::Downloading { done, total } => {
                subject.bar.set_length(*total);
                subject.bar.set_position(*done);
                "downloading".into()
            }
            Step::Retrying { reason } => format!("retrying: {reason}"),
            Step::Verifying => "verifying".into(),
            Step::Unpacking => "unpacking".into(),
            Step::Ready => {
                subject.bar.finish_and_clear();
                return;
            }
        };
        if !self.live && subject.said != message {
            eprintln!("{name:>5}  {message}");
        }
        if subject.said != message {
            subject.bar.set_message(message.clone());
            subject.said = message;
        }
    }
}
