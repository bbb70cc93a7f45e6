//! From the kernel's hand-over to a machine that is ready for cells.

mod facts;
mod hide_btf;
mod modules;
mod mounts;
mod network;

use harness_proto::Facts;

pub use network::NetworkError;

use crate::attempt::AttemptError;

/// Mount what programs expect to find. To be called first: without `/dev`
/// there is no port to report on.
///
/// Optional file systems that this kernel does not have are named on the
/// console (standard error) and left out.
pub fn mount_file_systems() -> Result<(), AttemptError> {
    mounts::mount_all()
}

/// Show no type information if the kernel's command line says so. To be called
/// before [`read_facts`], which must see what an agent will.
pub fn hide_btf_if_told() -> Result<(), AttemptError> {
    hide_btf::if_told()
}

/// Load the modules that the host gave, and fill the disk in memory. To be
/// called before [`read_facts`].
pub fn load_modules() -> Result<(), AttemptError> {
    modules::load_all()?;
    modules::fill_disk()
}

/// Bring up the loopback device with the addresses that peers use.
pub fn raise_loopback() -> Result<(), NetworkError> {
    network::raise_loopback()
}

/// What this kernel says of itself.
pub fn read_facts() -> Facts {
    facts::read()
}
