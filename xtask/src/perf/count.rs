//! `cargo xtask perf count`.
use anyhow::{Result, anyhow};
use harness::{
    Adapter as _, AegisBpf,
    accel::Accel,
    count::{self, Request},
    initramfs::{self, GuestFiles},
    interrupt::Interrupt,
    vm::{BootSpec, Qemu, command_line::Hardware},
};
use harness_proto::count::{CountPlan, NULL_LSM_PATH, Operation, Planned, WORKLOAD_PATH};
use kernel_matrix::{BootMode, Matrix, Store, cache};

use crate::{build, exit_code::ExitCode, matrix::MirrorArgs, setup, workspace};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long, default_value_t = 10_000)]
    rules: u32,
    #[arg(long = "kernel", default_value = "6.12")]
    kernels: Vec<String>,
    #[arg(long, default_value_t = 8)]
    rounds: u32,
    #[command(flatten)]
    mirror: MirrorArgs,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let artifacts = build::build(&build::Options::new(setup::for_vms()?)?)?;
    let adapter = AegisBpf;
    let times = |o| match o {
        Operation::Getppid => 30_000,
        Operation::OpenClose => 2_000,
        Operation::Stat => 3_000,
        Operation::Pread => 2_000,
        Operation::UdpConnect => 4_000,
        Operation::UdpSend => 2_048,
        Operation::Exec => 60,
        Operation::Fork => 60,
        Operation::CreateUnlink => 1_000,
        Operation::Rename => 1_000,
    };
    let request = Request {
        rules: args.rules,
        plan: CountPlan {
            rounds: args.rounds,
            loop_passes: 100_000,
            operations: Operation::ALL
                .map(|operation| Planned { operation, times: times(operation) })
                .into(),
        },
    };
    let program = count::program::program(&adapter, &request);
    let folder = workspace::target_dir().join("perf");
    std::fs::create_dir_all(&folder)?;
    let initramfs = folder.join("guest.cpio");
    initramfs::write(
        &GuestFiles {
            runner: artifacts.guest_runner.clone(),
            probe: artifacts.probe.clone(),
            executables: vec![
                (adapter.executable().into(), artifacts.agent.clone()),
                (WORKLOAD_PATH.into(), artifacts.workload.clone()),
                (NULL_LSM_PATH.into(), artifacts.null_lsm.clone()),
            ],
            programs: vec![("count".into(), program.program.for_guest())],
        },
        &initramfs,
    )?;
    let matrix = Matrix::load()?;
    let store = Store::open(&cache::folder()?, args.mirror.mirror.clone());
    for name in &args.kernels {
        let kernel = matrix
            .kernels()
            .find(|k| k.series.to_string() == *name)
            .ok_or_else(|| anyhow!("no kernel {name}"))?;
        let image = store.boot_image(kernel, BootMode::BpfLsm, &crate::matrix::KernelProgress::default())?;
        let hypervisor = Qemu {
            program: setup::qemu().to_owned(),
            hardware: Hardware { accel: Accel::TcgCounting, memory_mib: 512, processors: 1 },
            interrupt: Interrupt::default(),
        };
        let spec = BootSpec {
            image,
            initramfs: initramfs.clone(),
            boot_mode: BootMode::BpfLsm,
            folder: folder.clone(),
        };
        let (facts, reading) = count::count(&hypervisor, &spec, "count", &program, &|_| {})?;
        println!("{} {:?}", facts.release, reading.hooks);
        for (subject, counts) in &reading.counts {
            println!("{subject:?} loop {:?}", counts.loop_rounds);
            for c in &counts.operations {
                let per: Vec<String> = c.rounds.iter().map(|r| format!("{:.1}", *r as f64 / f64::from(c.times))).collect();
                println!("  {:14} {}", c.operation.name(), per.join(" "));
            }
        }
    }
    Ok(ExitCode::Ok)
}
