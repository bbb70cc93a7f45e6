//! The crate from outside: packages and images made here, served by a server
//! of its own on this machine.

mod disk_full;
mod fetching;
mod made;
mod server;
mod storing;
mod unpacking;
