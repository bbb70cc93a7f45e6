//! Programs: executing them, and mapping them executable, which is how a
//! loader executes what it was told to.

use aegisbpf_abi::{Active, Domain, Key, Operation, active::flag};
use aya_ebpf::{macros::lsm, programs::LsmContext};

use crate::{
    ALLOW, config, decide,
    kernel::{File, argument, member, pointer},
    maps::active,
};

pub(crate) const PROT_EXEC: u64 = 4;

/// Executing a file; called for a script and then again for its interpreter.
#[lsm(hook = "bprm_check_security")]
pub fn bprm_check_security(context: LsmContext) -> i32 {
    let Some(active) = active() else { return ALLOW };
    let binprm = pointer(&context, &config::ARG_BPRM_BPRM);
    let file = File(member(binprm, &config::OFFSET_BPRM_FILE));
    executed(active, file, Operation::Exec)
}

/// Mapping a file executable.
#[lsm(hook = "mmap_file")]
pub fn mmap_file(context: LsmContext) -> i32 {
    if argument(&context, &config::ARG_MMAP_PROT) & PROT_EXEC == 0 {
        return ALLOW;
    }
    let Some(active) = active() else { return ALLOW };
    let file = File(pointer(&context, &config::ARG_MMAP_FILE));
    if file.is_none() {
        return ALLOW;
    }
    executed(active, file, Operation::MmapExec)
}

/// Making a mapping executable.
#[lsm(hook = "file_mprotect")]
pub fn file_mprotect(context: LsmContext) -> i32 {
    if argument(&context, &config::ARG_MPROTECT_PROT) & PROT_EXEC == 0 {
        return ALLOW;
    }
    let Some(active) = active() else { return ALLOW };
    let area = pointer(&context, &config::ARG_MPROTECT_VMA);
    match File::of_area(area) {
        Some(file) => executed(active, file, Operation::MmapExec),
        None => ALLOW,
    }
}

#[inline(always)]
fn executed(active: Active, file: File, operation: Operation) -> i32 {
    let inode = file.inode();
    let dentry = file.dentry();
    let subtree = decide::subtree_around(active, dentry);
    let mut lists = decide::lists_of_file(active, subtree, Some(inode), dentry);
    if active.has(flag::ALL_PROGRAMS) {
        lists.domain = decide::Listed::find(active, Key::domain(Domain::Exec as u8));
    }
    if !lists.may_decide(operation.alone()) {
        return ALLOW;
    }
    decide::conclude_file(active, &lists, Some(inode), dentry, operation.alone())
}
