//! Opening and executing files: `file_open` and `bprm_check_security`.

use aegisbpf_abi::{NAME_LENGTH, Operation, PlaceKey, RuleRef, Verdict, verdict};
use aya_ebpf::{Global, macros::lsm, programs::LsmContext};

use crate::{
    ALLOW, DENY, config, emit,
    kernel::{File, Pointer, argument},
    maps::{OBJECTS, PLACES, is_active},
};

/// Decides about opening a file.
#[lsm(hook = "file_open")]
pub fn file_open(context: LsmContext) -> i32 {
    if !is_active() {
        return ALLOW;
    }
    let file = File(argument(&context, &config::ARG_FILE_OPEN_FILE) as Pointer);
    decide(file, Operation::Open, &config::FILE_MODE)
}

/// Decides about executing a file; called for a script and then again for its
/// interpreter.
#[lsm(hook = "bprm_check_security")]
pub fn bprm_check_security(context: LsmContext) -> i32 {
    if !is_active() {
        return ALLOW;
    }
    let binprm = argument(&context, &config::ARG_BPRM_CHECK_BPRM) as Pointer;
    decide(File::of_binprm(binprm), Operation::Exec, &config::EXEC_MODE)
}

#[inline(always)]
fn decide(file: File, operation: Operation, mode: &Global<u64>) -> i32 {
    let rule = rule_against(file, operation);
    let verdict = verdict::verdict(config::mode(mode), rule);
    emit::report(operation, verdict, rule, |event| {
        let object = file.object();
        event.inode = object.inode;
        event.device = object.device;
        file.dentry().read_name(&mut event.text);
    });
    match verdict {
        Verdict::Allow | Verdict::WouldDeny => ALLOW,
        Verdict::Deny => DENY,
    }
}

/// The rule against an operation: first the object's own, wherever it is
/// named, then the place's, whatever object is there. The name is read only
/// in folders that a rule names.
#[inline(always)]
fn rule_against(file: File, operation: Operation) -> RuleRef {
    // SAFETY: the values are never changed while the generation is active.
    let of_object = match unsafe { OBJECTS.get(file.object()) } {
        Some(rules) => verdict::file_rule(rules, operation),
        None => RuleRef::NONE,
    };
    if !of_object.is_none() {
        return of_object;
    }
    let dentry = file.dentry();
    let folder = dentry.folder();
    // SAFETY: as above.
    let in_folder = unsafe { OBJECTS.get(folder) };
    if in_folder.is_none_or(|rules| rules.is_folder_of_place == 0) {
        return RuleRef::NONE;
    }
    let mut place = PlaceKey {
        folder,
        name: [0; NAME_LENGTH + 1],
    };
    dentry.read_name(&mut place.name);
    #[expect(
        clippy::needless_borrows_for_generic_args,
        reason = "by value it is copied, which the stack of 512 bytes has no room for"
    )]
    // SAFETY: as above.
    let at_place = unsafe { PLACES.get(&place) };
    match at_place {
        Some(rules) => verdict::file_rule(rules, operation),
        None => RuleRef::NONE,
    }
}
