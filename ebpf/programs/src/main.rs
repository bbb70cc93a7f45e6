//! AegisBPF's eBPF programs, one object for every kernel.
//!
//! | module | holds |
//! | --- | --- |
//! | [`config`] | what the loader tells the programs: offsets, positions |
//! | [`maps`] | the maps |
//! | [`kernel`] | reading the kernel's structures |
//! | [`subject`] | who tries |
//! | [`decide`] | one decision: the lists that speak of it, the strongest rule |
//! | [`weigh`] | holding the rules of one list against an attempt |
//! | [`emit`] | counting and reporting a decision |
//! | [`file`] | hooks about files and folders |
//! | [`held`] | hooks about what was open before a rule |
//! | [`identify`] | what the agent asks about the files that it has opened |
//! | [`exec`] | hooks about programs |
//! | [`network`] | hooks about sockets |
//! | [`privileged`] | hooks about the kernel itself |
//! | [`fallback`] | tracepoints for kernels without BPF LSM; they only report |
//!
//! The decisions themselves are in `aegisbpf_abi::verdict`.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod cgroup;
mod config;
mod content;
mod decide;
mod emit;
mod exec;
mod fallback;
mod file;
mod held;
mod identify;
mod kernel;
mod maps;
mod network;
mod privileged;
mod subject;
mod weigh;

/// `-EPERM`. Programs return this constant or 0 and nothing computed: older
/// verifiers refuse a return value whose range they cannot see.
const DENY: i32 = -1;
const ALLOW: i32 = 0;

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses an object in which this could be reached.
    loop {}
}
