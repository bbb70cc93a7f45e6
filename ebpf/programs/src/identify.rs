//! What the agent asks about the files that it has opened.

use aya_ebpf::{
    helpers::generated::bpf_get_current_task, macros::raw_tracepoint,
    programs::RawTracePointContext,
};

use crate::{
    config,
    kernel::{Pointer, glance, peek_at},
    maps::IDENTITY,
    subject::object_of,
};

/// Tells the agent which object one of its descriptors stands for. Attached
/// to nothing: the agent has the kernel run it, in its own context.
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
        unsafe { *answer = object_of(file) };
    }
    0
}
