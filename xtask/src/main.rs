//! The `xtask` executable; everything is in the library.

fn main() -> std::process::ExitCode {
    xtask::cli::main()
}
