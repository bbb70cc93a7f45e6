//! Programs: executing them, and mapping them executable, which is how a
//! loader executes what it was told to.

use aegisbpf_abi::{Active, Domain, Key, Operation, active::flag};
use aya_ebpf::{macros::lsm, programs::LsmContext};

use crate::{
    ALLOW, config, decide,
    kernel::{File, Pointer, argument, member, peek, pointer},
    maps::active,
};

const PROT_EXEC: u64 = 4;

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
    // Memory without a file has none. Some verifiers want it compared, others
    // do not know it and take the comparison out.
    if file.0.is_null() {
        return ALLOW;
    }
    match peek::<u64>(file.0, &config::OFFSET_FILE_INODE) {
        None | Some(0) => ALLOW,
        Some(_) => executed(active, file, Operation::MmapExec),
    }
}

/// Making a mapping executable.
#[lsm(hook = "file_mprotect")]
pub fn file_mprotect(context: LsmContext) -> i32 {
    if argument(&context, &config::ARG_MPROTECT_PROT) & PROT_EXEC == 0 {
        return ALLOW;
    }
    let Some(active) = active() else { return ALLOW };
    let area = pointer(&context, &config::ARG_MPROTECT_VMA);
    match peek::<u64>(area, &config::OFFSET_VMA_FILE) {
        None | Some(0) => ALLOW,
        Some(_) => {
            let file: Pointer = member(area, &config::OFFSET_VMA_FILE);
            if file.is_null() {
                return ALLOW;
            }
            executed(active, File(file), Operation::MmapExec)
        }
    }
}

#[inline(always)]
fn executed(active: Active, file: File, operation: Operation) -> i32 {
    let inode = file.inode();
    let dentry = file.dentry();
    let mut lists = decide::lists_of_file(active, Some(inode), dentry);
    if active.has(flag::ALL_PROGRAMS) {
        lists.domain = decide::Listed::find(active, Key::domain(Domain::Exec as u8));
    }
    if !lists.may_decide(operation.alone()) {
        return ALLOW;
    }
    decide::conclude_file(active, &lists, Some(inode), dentry, operation.alone())
}
