//! The hooks that are attached to, as the function tracer knows them.
//!
//! Before 5.13 a link does not tell its target. But programs are called through
//! the tracer's entry of the hook's function, and the tracer lists every
//! function that something is attached to.

use std::fs;
use std::path::Path;

use super::{HookError, PREFIX};
use crate::attempt::Attempt;

pub(super) const ENABLED_FUNCTIONS: &str = "/sys/kernel/tracing/enabled_functions";

/// Each hook once, however many programs it has.
pub(super) fn hooks(list: &Path) -> Result<Vec<String>, HookError> {
    let text = fs::read_to_string(list).attempt(|| format!("read {}", list.display()))?;
    Ok(parse(&text))
}

/// A line begins with the name of the function.
fn parse(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter_map(|function| function.strip_prefix(PREFIX))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn hooks_are_told_from_other_functions() {
        let text = "bpf_lsm_file_open (1)           \tD  \tdirect-->0xffffffffc0123000\n\
                    do_exit (1)\n\tdirect-->bpf_trampoline_77+0x0/0x1000\n\
                    bpf_lsm_bprm_check_security (1)\tD\n";
        assert_eq!(parse(text), ["file_open", "bprm_check_security"]);
    }
}
