//! The built BPF object is what the loader takes it for.
//!
//! LLVM merges equal constants. A literal that shared the storage of a global
//! would change when the loader sets the global, silently: a map key of 0 once
//! became a map key of 1. So the object itself is read.

use std::{collections::BTreeMap, fs};

use aegisbpf_abi::names::{global, policy_map, shared_map};
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionKind, SymbolKind,
    read::elf::ElfFile64,
};

const CONFIG: &str = ".rodata.config";

type Elf<'data> = ElfFile64<'data>;

fn bytes() -> Vec<u8> {
    fs::read(env!("AEGISBPF_BPF_OBJECT")).expect("the object that was built in")
}

/// Address and size of every named symbol in a section.
fn symbols(elf: &Elf<'_>, section: &str) -> BTreeMap<String, (u64, u64)> {
    let index = elf.section_by_name(section).expect(section).index();
    elf.symbols()
        .filter(|symbol| {
            symbol.section_index() == Some(index) && symbol.kind() != SymbolKind::Section
        })
        .map(|symbol| {
            (
                symbol.name().unwrap().to_owned(),
                (symbol.address(), symbol.size()),
            )
        })
        .collect()
}

#[test]
fn the_section_of_globals_holds_the_globals_and_nothing_else() {
    let bytes = bytes();
    let elf = Elf::parse(&*bytes).unwrap();
    let found = symbols(&elf, CONFIG);
    let mut names: Vec<&str> = found.keys().map(String::as_str).collect();
    let mut wanted = global::ALL.to_vec();
    names.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    let mut places: Vec<(u64, u64)> = found.values().copied().collect();
    places.sort_unstable();
    let mut end = 0;
    for (address, size) in places {
        assert_eq!((address, size), (end, 8), "a gap or an overlap");
        end = address + size;
    }
    assert_eq!(elf.section_by_name(CONFIG).unwrap().size(), end);
}

#[test]
fn no_instruction_reaches_a_global_but_by_its_name() {
    let bytes = bytes();
    let elf = Elf::parse(&*bytes).unwrap();
    let config = elf.section_by_name(CONFIG).unwrap().index();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for section in elf
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
    {
        let code = section.data().unwrap();
        for (offset, relocation) in section.relocations() {
            let RelocationTarget::Symbol(target) = relocation.target() else {
                panic!("a relocation against no symbol in {:?}", section.name());
            };
            let symbol = elf.symbol_by_index(target).unwrap();
            if symbol.section_index() != Some(config) {
                continue;
            }
            let name = symbol.name().unwrap();
            assert!(
                global::ALL.contains(&name),
                "{:?}+{offset:#x} reaches {name:?} in {CONFIG}: a constant shares it",
                section.name()
            );
            // The addend of a 64-bit load is in its two immediates.
            let at = usize::try_from(offset).unwrap();
            let immediate = |at: usize| i32::from_le_bytes(code[at..at + 4].try_into().unwrap());
            assert_eq!(
                (immediate(at + 4), immediate(at + 12)),
                (0, 0),
                "{:?}+{offset:#x} reaches beyond {name}",
                section.name()
            );
            *uses.entry(name.to_owned()).or_default() += 1;
        }
    }
    let unused: Vec<&&str> = global::ALL
        .iter()
        .filter(|name| !uses.contains_key(**name))
        .collect();
    assert!(
        unused.is_empty(),
        "set by the loader and read by nobody: {unused:?}"
    );
}

#[test]
fn every_map_the_loader_names_is_there() {
    let bytes = bytes();
    let elf = Elf::parse(&*bytes).unwrap();
    // Maps of maps are described by BTF, and are in a section of their own.
    let mut found = symbols(&elf, "maps");
    found.extend(symbols(&elf, ".maps"));
    for name in shared_map::ALL.iter().chain(&policy_map::ALL) {
        assert!(found.contains_key(*name), "no map {name}");
    }
}

#[test]
fn the_licence_lets_programs_call_gpl_only_helpers() {
    let bytes = bytes();
    let elf = Elf::parse(&*bytes).unwrap();
    assert_eq!(
        elf.section_by_name("license").unwrap().data().unwrap(),
        b"Dual MIT/GPL\0"
    );
}
