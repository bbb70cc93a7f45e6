//! From a request to a plan, before anything is built or booted.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow};
use harness::{
    Adapter, AegisBpf, Cell, Group, Plan,
    accel::{self, Accel, Detection},
    adapter::{
        declared::{GuestFileSource, lock::LOCK, schema::Built},
        vocabulary,
    },
    expand::{expand, lacking},
    expectation::Program,
    initramfs::{self, GuestFiles, InitramfsError},
    plan::{PlanKernel, select},
    report::{PlanReport, ScenarioReport},
    run::BootFiles,
    shell,
};
use harness_proto::hosted::AGENT_HOST_PATH;
use kernel_matrix::{BootMode, Capability, Digest, Kernel, Matrix, Progress, Roots, Store};
use scenarios::Catalogue;

use super::{Request, agent::Loaded};
use crate::{
    build::Artifacts,
    exit_code::{ExitCode, OrExit as _},
    setup, workspace,
};

/// Everything that is known before anything is built.
pub(super) struct Prepared {
    /// What is run: all that is planned, or a shard of it.
    pub(super) plan: Plan,
    /// All that is planned.
    pub(super) whole: PlanReport,
    /// Every scenario of it.
    pub(super) catalogue: Vec<ScenarioReport>,
    /// By the name the guest knows them by.
    pub(super) programs: BTreeMap<String, Program>,
    pub(super) capabilities: BTreeMap<Group, BTreeSet<Capability>>,
    kernels: BTreeMap<String, Kernel>,
    agent: Loaded,
    /// Whether a shell is in the guest.
    has_shell: bool,
}

impl Prepared {
    pub(super) fn new(request: &Request) -> Result<Self> {
        let kernels = kernels(request.kernel_image.as_deref())?;
        let folder = workspace::root().join("scenarios/catalogue");
        let catalogue = Catalogue::read(&folder).or_exit(ExitCode::Usage)?;
        for scenario in catalogue.iter() {
            vocabulary::check(scenario, &AegisBpf.vocabulary())
                .map_err(|error| catalogue.step_error(scenario, error.step, error.to_string()))
                .or_exit(ExitCode::Usage)?;
        }
        let plan_kernels: Vec<PlanKernel> = kernels.iter().map(plan_kernel).collect();
        let selection =
            select(&request.filter, &plan_kernels, catalogue.iter()).or_exit(ExitCode::Usage)?;
        let agent = request.agent.load()?;
        let adapter = agent.adapter();
        let plan = Plan::new(&selection, &[adapter]);

        let mut programs = BTreeMap::new();
        for scenario in &selection.scenarios {
            if lacking(scenario, adapter).is_some() {
                continue;
            }
            if let Some(declared) = agent.declared() {
                let checked = declared.check(scenario);
                checked
                    .map_err(|problem| anyhow!("{problem}\n(for the rules of {})", scenario.id))
                    .or_exit(ExitCode::Usage)?;
            }
            let program = expand(scenario, adapter)
                .map_err(|error| catalogue.step_error(scenario, error.step, error.problem.into()))
                .or_exit(ExitCode::Usage)?;
            programs.insert(
                harness::cell::program_name(&scenario.id, adapter.name()),
                program,
            );
        }
        let mut capabilities = BTreeMap::new();
        for kernel in &selection.kernels {
            for (boot_mode, able) in &kernel.capabilities {
                let group = Group {
                    kernel: kernel.name.clone(),
                    boot_mode: *boot_mode,
                };
                capabilities.insert(group, able.clone());
            }
        }
        let text = serde_json::to_vec(&programs)?;
        let whole = PlanReport {
            cells: plan.cells.len(),
            digest: plan.digest().to_string(),
            programs: Digest::of(&text).to_string(),
        };
        let cost = |cell: &Cell| programs.get(&cell.program_name()).map_or(1, Program::cost);
        let plan = match request.shard {
            Some(shard) => shard.of(&plan, &cost),
            None => plan,
        };
        Ok(Self {
            plan,
            whole,
            catalogue: selection
                .scenarios
                .iter()
                .map(|one| ScenarioReport::of(one))
                .collect(),
            programs,
            capabilities,
            kernels: kernels
                .into_iter()
                .map(|kernel| (kernel.series.to_string(), kernel))
                .collect(),
            agent,
            has_shell: false,
        })
    }

    /// Let each cell wait for a shell of a person's.
    pub(super) fn offer_shell(&mut self) {
        self.programs.values_mut().for_each(shell::offer);
        self.has_shell = true;
    }

    /// What boots a group; `initramfs` is what [`Self::write_initramfs`] wrote.
    pub(super) fn boot_files(
        &self,
        (store, roots): (&Store, &Roots),
        initramfs: &Path,
        group: &Group,
        progress: &dyn Progress,
    ) -> Result<BootFiles, String> {
        let kernel = self
            .kernels
            .get(&group.kernel)
            .ok_or_else(|| format!("there is no kernel {}", group.kernel))?;
        let image = store
            .boot_image(kernel, group.boot_mode, progress)
            .map_err(|error| error.to_string())?;
        let root = match self.agent.declared() {
            Some(declared) if !declared.lock().packages.is_empty() => {
                let packages = &declared.lock().packages;
                let programs = declared.programs();
                let root = roots.archive(packages, &programs, progress);
                Some(root.map_err(|error| error.to_string())?)
            }
            _ => None,
        };
        let own = format!("guest-{}.cpio", group.kernel);
        let to = initramfs.with_file_name(own);
        let modules = image.modules.as_deref().into_iter();
        // What comes later replaces what a package has in the same place.
        let initramfs = match root {
            None => initramfs::with_archives(initramfs.to_owned(), modules, &to),
            Some(root) => {
                initramfs::with_archives(root, [initramfs].into_iter().chain(modules), &to)
            }
        };
        Ok(BootFiles {
            image: image.kernel,
            initramfs: initramfs.map_err(|error| error.to_string())?,
        })
    }

    /// KVM is tried with a kernel of the plan. Where that cannot be had, the
    /// cells that need it will say so; the others run without KVM.
    pub(super) fn accel(
        &self,
        forced: Option<Accel>,
        cache: &Path,
        files: &dyn Fn(&Group) -> Result<BootFiles, String>,
    ) -> Result<Detection> {
        let first = self.plan.groups().into_iter().next();
        let kernel = match (forced, first) {
            (Some(_), _) => PathBuf::new(),
            (None, None) => {
                return Ok(Detection {
                    accel: Accel::Tcg,
                    reason: "nothing is to run".into(),
                });
            }
            (None, Some((group, _))) => match files(&group) {
                Ok(files) => files.image,
                Err(reason) => {
                    return Ok(Detection {
                        accel: Accel::Tcg,
                        reason: format!("there is no kernel to try KVM with: {reason}"),
                    });
                }
            },
        };
        accel::detect(setup::qemu(), &kernel, cache, forced).or_exit(ExitCode::Infrastructure)
    }

    /// LSMs that are active besides those of the boot modes.
    pub(super) fn lsms(&self) -> &[String] {
        self.agent.adapter().lsms()
    }

    /// What is tested, by what it is known by.
    pub(super) fn subjects(&self, artifacts: &Artifacts) -> Result<BTreeMap<String, String>> {
        match &self.agent {
            Loaded::Aegisbpf => artifacts.subjects(),
            Loaded::Null => Ok(BTreeMap::new()),
            Loaded::Declared(declared) => {
                let digest = declared.digest().or_exit(ExitCode::Infrastructure)?;
                Ok([("adapter".to_owned(), format!("sha256:{digest}"))].into())
            }
        }
    }

    pub(super) fn write_initramfs(
        &self,
        artifacts: &Artifacts,
        to: &Path,
        disk: &Path,
    ) -> Result<(), InitramfsError> {
        let own = self.agent.adapter().executable();
        let mut executables: Vec<(String, PathBuf)> = own
            .map(|path| (path.to_owned(), artifacts.agent.clone()))
            .into_iter()
            .collect();
        if self.has_shell {
            executables.push((shell::BUSYBOX.into(), setup::busybox().to_owned()));
        }
        let mut plain = Vec::new();
        if let Some(declared) = self.agent.declared() {
            executables.push((AGENT_HOST_PATH.into(), artifacts.agent_host.clone()));
            for file in declared.files() {
                let from = match file.from {
                    GuestFileSource::Path(path) => path,
                    GuestFileSource::Built(Built::Aegisbpf) => artifacts.agent.clone(),
                    GuestFileSource::Built(Built::NullLsm) => artifacts.null_lsm.clone(),
                };
                let kind = if file.executable {
                    &mut executables
                } else {
                    &mut plain
                };
                kind.push((file.to, from));
            }
            // So that the guest is another one when its packages are.
            if !declared.lock().packages.is_empty() {
                plain.push(("/etc/adapter.lock".into(), declared.folder().join(LOCK)));
            }
        }
        let files = GuestFiles {
            disk: Some(disk.to_owned()),
            runner: artifacts.guest_runner.clone(),
            probe: artifacts.probe.clone(),
            executables,
            plain,
            programs: self
                .programs
                .iter()
                .map(|(name, program)| (name.clone(), program.for_guest()))
                .collect(),
        };
        initramfs::write(&files, to)
    }
}

fn kernels(image: Option<&Path>) -> Result<Vec<Kernel>> {
    if let Some(image) = image {
        let image = std::path::absolute(image)
            .with_context(|| format!("cannot use {}", image.display()))
            .or_exit(ExitCode::Usage)?;
        return Ok(vec![Kernel::from_image(&image).or_exit(ExitCode::Usage)?]);
    }
    let matrix = Matrix::load().or_exit(ExitCode::Usage)?;
    let kernels: Vec<Kernel> = matrix.kernels().cloned().collect();
    if kernels.is_empty() {
        return Err(anyhow!("the kernel matrix is empty")).or_exit(ExitCode::Usage);
    }
    Ok(kernels)
}

fn plan_kernel(kernel: &Kernel) -> PlanKernel {
    PlanKernel {
        name: kernel.series.to_string(),
        tier: kernel.tier,
        capabilities: BootMode::ALL
            .into_iter()
            .filter(|mode| mode.suits(&kernel.capabilities))
            .map(|mode| (mode, kernel.capabilities_in(mode)))
            .collect(),
    }
}
