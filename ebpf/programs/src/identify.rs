//! What the agent asks about the files that it has opened.

use aegisbpf_abi::{FileFacts, NameHash, file::DEPTH};
use aya_ebpf::{
    helpers::generated::bpf_get_current_task, macros::raw_tracepoint,
    programs::RawTracePointContext,
};

use crate::{
    config,
    kernel::{Pointer, glance, peek_at},
    maps::IDENTITY,
    subject::{object_of, object_of_inode},
    weigh::aegisbpf_name_hash,
};

/// Tells the agent which object one of its descriptors stands for. Attached
/// to nothing: the agent has the kernel run it, in its own context. Its second
/// argument says whether the folders above are asked for.
#[raw_tracepoint]
pub fn identify(context: RawTracePointContext) -> i32 {
    let descriptor: u64 = context.arg(0);
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    let files: u64 = glance(task, &config::OFFSET_TASK_FILES);
    let table: u64 = glance(files, &config::OFFSET_FILES_TABLE);
    let array: u64 = glance(table, &config::OFFSET_TABLE_ARRAY);
    let file: Option<u64> = peek_at((array + 8 * descriptor) as Pointer);
    if let Some(file) = file
        && let Some(answer) = IDENTITY.get_ptr_mut(0)
    {
        // SAFETY: a valid element of the map, which only this task writes.
        let answer = unsafe { &mut *answer };
        answer.object = object_of(file);
        if context.arg::<u64>(1) != 0 {
            note_folders(file, answer);
        }
    }
    0
}

/// The name under which it was opened, and the folders above that, as the
/// hooks walk up.
#[inline(always)]
fn note_folders(file: u64, answer: &mut FileFacts) {
    let mut dentry: u64 = glance(file, &config::OFFSET_FILE_DENTRY);
    let name = glance(dentry, &config::OFFSET_DENTRY_NAME);
    answer.name = NameHash(aegisbpf_name_hash(name));
    let mut level = 0;
    while level < DEPTH {
        let parent: u64 = glance(dentry, &config::OFFSET_DENTRY_PARENT);
        if parent == dentry {
            break;
        }
        answer.folders[level] = object_of_inode(glance(parent, &config::OFFSET_DENTRY_INODE));
        dentry = parent;
        level += 1;
    }
}
