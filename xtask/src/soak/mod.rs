//! `cargo xtask soak`: a mixed load for a long time.
//!
//! | module | holds |
//! | --- | --- |
//! | `text` | the report for people |

mod text;

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use harness::{
    AegisBpf, FailCode, Outcome,
    boot::{Greeted, greet},
    judge::{Evidence, judge},
    session::{Start, Transcript, drive},
    soak::{self, Trend, plot},
    vm::BootSpec,
};
use harness_proto::{
    Observation, Probe,
    soak::{Sample, Soaked, Tried},
};
use kernel_matrix::{BootMode, Matrix};
use perf::slope::Growth;
use serde::Serialize;

use crate::{
    exit_code::{ExitCode, OrExit as _},
    matrix::MirrorArgs,
    output,
    progress::Stages,
    single,
};

/// What the guest calls the program.
const PROGRAM: &str = "soak";
const MEMORY_MIB: u32 = 512;
/// Leaks that are put into a copy of the agent.
const FAULTS: &str = "xtask/src/soak/faults";
const KERNEL: &str = "6.12";
/// As long as the default says.
const DURATION: Duration = Duration::from_mins(10);
const SCHEMA_VERSION: u32 = 1;

/// Puts the agent under a mixed load for a long time; fails when something of it
/// grows, when something was not denied, or when its events do not add up.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long the load lasts: 90s, 10m, 4h.
    #[arg(long = "for", value_name = "TIME", default_value = "10m",
          value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Put a leak into a copy of the agent; then it must fail. `memory`,
    /// `descriptors` or `maps`.
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// The kernel.
    #[arg(long, value_name = "SERIES", default_value = KERNEL)]
    kernel: String,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    mirror: MirrorArgs,
}

impl Args {
    /// For `cargo xtask e2e --suite soak`.
    pub(crate) fn of(
        duration: Option<Duration>,
        kernel: Option<String>,
        json: bool,
        mirror: &MirrorArgs,
    ) -> Self {
        Self {
            duration: duration.unwrap_or(DURATION),
            fault: None,
            kernel: kernel.unwrap_or_else(|| KERNEL.into()),
            json,
            mirror: mirror.clone(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Report {
    schema_version: u32,
    kernel: String,
    /// Of the load.
    seconds: u64,
    fault: Option<String>,
    outcome: Outcome,
    /// What was done all the time, and what came of it.
    load: Vec<Loaded>,
    /// Policies that came into force meanwhile.
    swaps: u64,
    /// Tests of the agent's own.
    canaries: u64,
    /// Lines of the agent with a number.
    lines: u64,
    trends: Vec<Trend>,
    samples: Vec<Sample>,
}

#[derive(Debug, Serialize)]
struct Loaded {
    probe: Probe,
    denied: bool,
    tried: Tried,
}

/// The task.
pub fn run(args: &Args) -> Result<ExitCode> {
    let matrix = Matrix::load().or_exit(ExitCode::Usage)?;
    let kernel = single::kernel(&matrix, &args.kernel).or_exit(ExitCode::Usage)?;
    let planned = soak::program(&AegisBpf, args.duration);
    let planned = planned.ok_or_else(|| anyhow!("this agent does not account for its events"))?;
    let artifacts = single::build(FAULTS, args.fault.as_deref())?;
    let folder = single::folder(PROGRAM)?;
    let hypervisor = single::qemu(MEMORY_MIB)?;
    let image = single::image(&kernel, &args.mirror)?;
    let spec = BootSpec {
        lsms: Vec::new(),
        initramfs: single::initramfs(&folder, &artifacts, &image, (PROGRAM, &planned.program))?,
        image: image.kernel,
        boot_mode: BootMode::BpfLsm,
        folder: folder.clone(),
        disk: None,
    };
    Stages::new(PROGRAM).note(&format!(
        "{} of mixed load on {}",
        humantime::format_duration(args.duration),
        args.kernel
    ));
    let Greeted { mut machine, .. } = greet(&hypervisor, &spec)
        .map_err(|failure| anyhow!("the machine did not boot: {}", failure.reason))
        .or_exit(ExitCode::Infrastructure)?;
    let start = Start::fresh(PROGRAM.into()).or_exit(ExitCode::Infrastructure)?;
    let transcript = drive(&mut *machine, &start, &planned.program);
    let console = machine.end().or_exit(ExitCode::Infrastructure)?;
    let outcome = judge(Evidence {
        program: &planned.program,
        nonce: &start.nonce,
        transcript: &transcript,
        console: &console,
    });
    let report = report(args, outcome, &planned, seen(&transcript, planned.soak));
    single::write_report(&folder.join("soak.json"), &report)?;
    let page = folder.join("soak.html");
    let text = text::render(&report);
    let facts: Vec<String> = text::facts(&report);
    let times: Vec<u64> = report.samples.iter().map(|sample| sample.at_ms).collect();
    let html = plot::page("Soak", &facts, &times, &report.trends);
    harness::atomic::write(&page, html.as_bytes())
        .with_context(|| format!("cannot write {}", page.display()))
        .or_exit(ExitCode::Infrastructure)?;
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&text)?;
    }
    eprintln!("{}", page.display());
    Ok(exit_code(&report))
}

fn seen(transcript: &Transcript, soak: usize) -> Soaked {
    let record = transcript.records.get(soak);
    match record.map(|record| &record.observation) {
        Some(Observation::Soaked(seen)) => (**seen).clone(),
        _ => Soaked::default(),
    }
}

fn report(args: &Args, judged: Outcome, planned: &soak::SoakProgram, seen: Soaked) -> Report {
    let trends = soak::trends(&seen.samples);
    let load = planned.load.iter().zip(seen.tried);
    Report {
        schema_version: SCHEMA_VERSION,
        kernel: args.kernel.clone(),
        seconds: args.duration.as_secs(),
        fault: args.fault.clone(),
        outcome: with_trends(judged, &trends),
        load: load
            .map(|((probe, denied), tried)| Loaded {
                probe: probe.clone(),
                denied: *denied,
                tried,
            })
            .collect(),
        swaps: seen.swaps,
        canaries: seen.canaries,
        lines: seen.lines,
        trends,
        samples: seen.samples,
    }
}

/// What grows fails what is otherwise right.
fn with_trends(judged: Outcome, trends: &[Trend]) -> Outcome {
    let grows = |trend: &&Trend| trend.growth == Growth::Grows;
    match (judged, trends.iter().find(grows)) {
        (Outcome::Passed, Some(trend)) => Outcome::failed(
            FailCode::Growth,
            format!("{}: {}", trend.what, plot::sentence(trend)),
        ),
        (judged, _) => judged,
    }
}

fn exit_code(report: &Report) -> ExitCode {
    let uncertain = |trend: &Trend| trend.growth == Growth::Uncertain;
    match report.outcome {
        Outcome::Passed if report.trends.iter().any(uncertain) => ExitCode::Inconclusive,
        Outcome::Passed => ExitCode::Ok,
        Outcome::Failed { .. } => ExitCode::Failed,
        _ => ExitCode::Infrastructure,
    }
}

#[cfg(test)]
mod tests;
