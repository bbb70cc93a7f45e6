//! What the loader tells the programs.
//!
//! Each global is alone in what it means and all are in a section of their
//! own: LLVM merges equal constants, and a literal that shared the storage of
//! a global would change with it. A test reads the built object and checks.

use aya_ebpf::Global;

macro_rules! globals {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".rodata.config")]
        pub(crate) static $name: Global<u64> = Global::new(0);
    )*};
}

aegisbpf_abi::for_each_global!(globals);
