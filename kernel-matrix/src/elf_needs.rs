//! Which shared libraries an executable or a library asks for.

use object::{
    Endianness,
    elf::{DT_NEEDED, FileHeader64},
    read::elf::{Dyn as _, FileHeader as _},
};

/// The names of the libraries that an ELF file of 64 bits needs, and its
/// interpreter; nothing for anything else.
pub fn needs(bytes: &[u8]) -> Vec<String> {
    read(bytes).unwrap_or_default()
}

fn read(bytes: &[u8]) -> object::Result<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let mut all = Vec::new();
    for segment in header.program_headers(endian, bytes)? {
        use object::read::elf::ProgramHeader as _;
        if let Some(path) = segment.interpreter(endian, bytes)? {
            all.push(String::from_utf8_lossy(path).into_owned());
        }
    }
    if let Some((entries, link)) = sections.dynamic(endian, bytes)? {
        let strings = sections.strings(endian, bytes, link)?;
        for entry in entries {
            if entry.tag(endian) == DT_NEEDED {
                let name = entry.string(endian, strings)?;
                all.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::needs;

    #[test]
    fn this_test_needs_libc_and_a_text_needs_nothing() {
        let own = std::env::current_exe().and_then(std::fs::read);
        let all = needs(&own.expect("its own file"));
        assert!(
            all.iter().any(|name| name.starts_with("libc.so")),
            "{all:?}"
        );
        assert!(all.iter().any(|name| name.contains("/ld-linux")), "{all:?}");
        assert_eq!(needs(b"#!/bin/sh"), Vec::<String>::new());
    }
}
