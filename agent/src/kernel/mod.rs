//! Everything that asks or changes the kernel.
//!
//! | module | holds |
//! | --- | --- |
//! | [`facts`] | what this kernel, as booted, can do |
//! | [`btf`] | finding a few types in its BTF |
//! | [`layout`] | offsets, argument positions and numbers from its BTF |
//! | [`hooks`] | which hooks decide about which operations |
//! | [`keep`] | holding what is pinned, and pinning it again |
//! | [`pins`] | the pinned files and what they are called |
//! | [`programs`] | loading, attaching and pinning the programs |
//! | [`outer_maps`] | making the maps that hold a policy's maps |
//! | [`tracepoints`] | the same for the fallback |
//! | [`policy_maps`] | writing a policy into maps, reading it back, switching |
//! | [`memory`] | what the maps of a policy take |
//! | [`identify`] | which object a path is, asked of the kernel |
//! | [`counters`] | the kernel's counters |
//! | [`tenants`] | the same for each tenant |
//! | [`chain`] | an error with everything behind it |
//! | [`ring`] | the rings and the sequence numbers of their records |

pub mod btf;
pub mod chain;
pub mod counters;
pub mod facts;
pub mod hooks;
pub mod identify;
mod keep;
pub mod layout;
pub mod memory;
mod outer_maps;
pub mod pins;
pub mod policy_maps;
pub mod programs;
pub mod ring;
pub mod tenants;
pub mod tracepoints;
