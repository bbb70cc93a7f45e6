//! A run that is prepared, from its first machine to its reports.

use std::{collections::HashMap, path::Path, time::SystemTime};

use anyhow::{Context as _, Result, anyhow};
use harness::{
    Plan,
    interrupt::Interrupt,
    judge::{KNOWN_SPLATS, KnownSplats},
    report::{BootReport, CellReport, Report, RunInfo, one_for_each_machine},
    run::{self, Earlier, Inputs, RunFolder},
    vm::{Qemu, command_line::Hardware},
};
use kernel_matrix::{Roots, Store, cache};

use super::{
    Done, Options, exit_code, manifest::Manifest, prepare::Prepared, processors, table, watch,
};
use crate::{
    exit_code::{ExitCode, OrExit as _},
    setup, workspace,
};

/// Enough for an agent with its maps; more makes snapshots larger.
const MEMORY_MIB: u32 = 256;

/// A run that is prepared.
pub(super) struct Run<'a> {
    pub(super) options: &'a Options,
    pub(super) prepared: &'a Prepared,
    pub(super) manifest: &'a Manifest,
    pub(super) folder: &'a RunFolder,
    pub(super) initramfs: &'a Path,
    /// What is known of it already.
    pub(super) earlier: Option<Earlier>,
}

impl Run<'_> {
    pub(super) fn carry_out(self) -> Result<Done> {
        let Self {
            options, prepared, ..
        } = self;
        let known = self.known();
        let plan = undecided(&prepared.plan, &known);
        let cache = cache::folder().or_exit(ExitCode::Usage)?;
        let store = Store::open(&cache, options.mirror.clone());
        let roots = Roots::open(&cache, options.mirror.clone());
        let watch = watch::Watch::new(&plan, options.shell.is_none());
        let files = |group: &_| {
            prepared.boot_files((&store, &roots), self.initramfs, group, &watch.kernels())
        };
        let accel = prepared.accel(options.accel, &cache, &files)?;
        let jobs = options.jobs.unwrap_or_else(processors);
        watch.say(&format!(
            "{} cells to run on {} machines, {jobs} at a time, accelerator {}: {}",
            plan.to_run(),
            plan.groups().len(),
            accel.accel,
            accel.reason,
        ));
        let interrupt = Interrupt::default();
        interrupt
            .install()
            .context("cannot listen to signals")
            .or_exit(ExitCode::Infrastructure)?;
        let splats = workspace::root().join("kernel-matrix").join(KNOWN_SPLATS);
        let splats = KnownSplats::read(&splats, SystemTime::now()).or_exit(ExitCode::Usage)?;
        let results = run::run(&Inputs {
            plan: &plan,
            programs: &prepared.programs,
            capabilities: &prepared.capabilities,
            lsms: prepared.lsms(),
            images: &files,
            hypervisor: &Qemu {
                program: setup::qemu().to_owned(),
                hardware: Hardware {
                    shell: options.shell.clone(),
                    accel: accel.accel,
                    memory_mib: MEMORY_MIB,
                    processors: options.request.processors,
                },
                interrupt: interrupt.clone(),
            },
            jobs,
            seed: options.request.seed,
            known_splats: &splats,
            folder: self.folder,
            observer: &watch,
            interrupt: &interrupt,
        });
        watch.finish();
        let mut cells = known;
        for result in &results.cells {
            let report = CellReport::of(result, self.folder.repro_command(&result.cell));
            cells.insert(report.id(), report);
        }
        let boots = results.boots.iter().map(BootReport::of);
        let before = self
            .earlier
            .iter()
            .flat_map(|earlier| earlier.boots.clone());
        let report = Report::new(
            RunInfo {
                started: self.manifest.started(),
                seconds: self.folder.elapsed().as_secs_f64(),
                interrupted: interrupt.requested(),
                tier: options.request.filter.tier.to_string(),
                accelerator: accel.accel.to_string(),
                jobs: jobs.get(),
                commit: self.manifest.commit.clone(),
                seed: options.request.seed,
                plan: self.manifest.plan.clone(),
                shard: options.request.shard,
                subjects: self.manifest.subjects.clone(),
            },
            // In the plan's order, whoever has run them.
            prepared
                .plan
                .cells
                .iter()
                .filter_map(|planned| cells.remove(&planned.cell.to_string()))
                .collect(),
            one_for_each_machine(before.chain(boots).collect()),
            prepared.catalogue.clone(),
        );
        harness::report::write(&report, self.folder)
            // What is known is shown, even if it cannot be kept.
            .inspect_err(|_| eprint!("{}", table::of(&report)))
            .map_err(|reason| anyhow!(reason))
            .or_exit(ExitCode::Infrastructure)?;
        let exit_code = exit_code(&report);
        Ok(Done {
            report,
            folder: self.folder.path().to_owned(),
            exit_code,
        })
    }

    /// The cells that have their outcome, by name.
    fn known(&self) -> HashMap<String, CellReport> {
        let earlier = self.earlier.iter();
        let decided = earlier.flat_map(|earlier| earlier.decided().cloned());
        decided.map(|cell| (cell.id(), cell)).collect()
    }
}

fn undecided(plan: &Plan, known: &HashMap<String, CellReport>) -> Plan {
    let open = |planned: &&harness::PlannedCell| !known.contains_key(&planned.cell.to_string());
    Plan {
        cells: plan.cells.iter().filter(open).cloned().collect(),
    }
}
