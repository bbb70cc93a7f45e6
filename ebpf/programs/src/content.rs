//! Programs by their content.
//!
//! Reading a file may sleep, and a program that sleeps must not look into maps
//! that may be exchanged meanwhile: before 6.7 the kernel would free them
//! under it. So on each hook there are two programs. The one that is called
//! first, which is the one attached last, sleeps and only notes the digest;
//! the other decides.

use aegisbpf_abi::{Active, Key, Operation, active::flag, verdict::Request};
use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, generated::bpf_ima_file_hash},
    macros::lsm,
    programs::LsmContext,
};

use crate::{
    ALLOW, config, decide,
    exec::PROT_EXEC,
    kernel::{File, Pointer, argument, member, pointer},
    maps::{DIGESTS, active},
};

/// `HASH_ALGO_SHA256` of `enum hash_algo`, which is what the helper returns.
const SHA256: i64 = 4;

/// Notes what is executed.
#[lsm(hook = "bprm_check_security", sleepable)]
pub fn bprm_digest(context: LsmContext) -> i32 {
    if contents().is_some() {
        let binprm = pointer(&context, &config::ARG_BPRM_BPRM);
        note(member(binprm, &config::OFFSET_BPRM_FILE));
    }
    ALLOW
}

/// Decides about what is executed.
#[lsm(hook = "bprm_check_security")]
pub fn bprm_content(context: LsmContext) -> i32 {
    let Some(active) = contents() else {
        return ALLOW;
    };
    let binprm = pointer(&context, &config::ARG_BPRM_BPRM);
    let file = File(member(binprm, &config::OFFSET_BPRM_FILE));
    decide_about(active, noted(), file, Operation::Exec)
}

/// Notes what is mapped executable.
#[lsm(hook = "mmap_file", sleepable)]
pub fn mmap_digest(context: LsmContext) -> i32 {
    let file = pointer(&context, &config::ARG_MMAP_FILE);
    if argument(&context, &config::ARG_MMAP_PROT) & PROT_EXEC != 0
        && !file.is_null()
        && contents().is_some()
    {
        note(file);
    }
    ALLOW
}

/// Decides about what is mapped executable.
#[lsm(hook = "mmap_file")]
pub fn mmap_content(context: LsmContext) -> i32 {
    if argument(&context, &config::ARG_MMAP_PROT) & PROT_EXEC == 0 {
        return ALLOW;
    }
    let Some(active) = contents() else {
        return ALLOW;
    };
    let file = File(pointer(&context, &config::ARG_MMAP_FILE));
    if file.is_none() {
        return ALLOW;
    }
    decide_about(active, noted(), file, Operation::MmapExec)
}

/// Decides about making a mapping executable. Its file cannot be read here, so
/// it may be any.
#[lsm(hook = "file_mprotect")]
pub fn mprotect_content(context: LsmContext) -> i32 {
    if argument(&context, &config::ARG_MPROTECT_PROT) & PROT_EXEC == 0 {
        return ALLOW;
    }
    let Some(active) = contents() else {
        return ALLOW;
    };
    let area = pointer(&context, &config::ARG_MPROTECT_VMA);
    match File::of_area(area) {
        Some(file) => decide_about(active, Key::UNKNOWN_CONTENT, file, Operation::MmapExec),
        None => ALLOW,
    }
}

/// The policy in force, if it speaks of content.
#[inline(always)]
fn contents() -> Option<Active> {
    active().filter(|active| active.has(flag::CONTENTS))
}

#[inline(always)]
fn note(file: Pointer) {
    let mut digest = [0_u8; 32];
    // SAFETY: the helper writes the bytes of the buffer; the file is that of
    // the hook.
    let algorithm = unsafe {
        bpf_ima_file_hash(
            file.cast_mut().cast(),
            digest.as_mut_ptr().cast(),
            digest.len() as u32,
        )
    };
    if algorithm == SHA256 {
        let _ = DIGESTS.insert(bpf_get_current_pid_tgid(), digest, 0);
    }
}

#[inline(always)]
fn noted() -> Key {
    let task = bpf_get_current_pid_tgid();
    // SAFETY: copied before the entry is removed; only this task writes it.
    match unsafe { DIGESTS.get(task).copied() } {
        Some(digest) => {
            let _ = DIGESTS.remove(task);
            Key::content(digest)
        }
        None => Key::UNKNOWN_CONTENT,
    }
}

#[inline(always)]
fn decide_about(active: Active, content: Key, file: File, operation: Operation) -> i32 {
    let lists = decide::Lists {
        object: decide::Listed::find(active, content),
        ..decide::Lists::default()
    };
    if !lists.may_decide(operation.alone()) {
        return ALLOW;
    }
    decide::conclude(active, &lists, Request::new(operation.alone()), |event| {
        decide::describe_file(event, Some(file.inode()), file.dentry());
    })
}
