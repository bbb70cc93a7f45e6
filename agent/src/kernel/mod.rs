//! Everything that asks or changes the kernel.
//!
//! | module | holds |
//! | --- | --- |
//! | [`facts`] | what this kernel, as booted, can do |
//! | [`btf`] | finding a few types in its BTF |
//! | [`layout`] | offsets and argument positions from its BTF |
//! | [`pins`] | the pinned files and what they are called |
//! | [`generation`] | loading, adopting and removing one generation |
//! | [`contents`] | writing rule maps and reading them back |
//! | [`counters`] | the kernel's counters |
//! | [`chain`] | an error with everything behind it |
//! | [`ring`] | the rings and the sequence numbers of their records |

pub mod btf;
pub mod chain;
pub mod contents;
pub mod counters;
pub mod facts;
pub mod generation;
pub mod layout;
pub mod pins;
pub mod ring;
