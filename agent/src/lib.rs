//! AegisBPF: a compact Linux runtime-security agent on eBPF LSM.
//!
//! `policy text → model → map image (pure) → maps → hook → verdict → ring →
//! decode → JSON lines`
//!
//! | module | holds |
//! | --- | --- |
//! | [`policy`] | the policy: text to a model that cannot be wrong |
//! | [`history`] | every policy that was applied, in a record that cannot be torn |
//! | [`signature`] | who said that a policy may be applied |
//! | [`control`] | the one writer, and the socket it is asked on |
//! | [`cli`] | `aegisbpf policy …` |
//! | [`replay`] | what a policy would decide, without the kernel |
//! | [`resolve`] | paths of rules to objects and places of the file system |
//! | [`image`] | model and objects to what the maps hold; pure |
//! | [`kernel`] | everything that asks or changes the kernel |
//! | [`canary`] | proof that the hooks really decide |
//! | [`startup`] | the one order in which a policy comes into force |
//! | [`daemon`] | the running agent: rings, signals, reloads |
//! | [`trouble`] | what is wrong with a policy that was in force |
//! | [`names`] | what the rules that events name are called |
//! | [`record`] | what is said on standard output, as JSON lines |
//! | [`degrade`] | what an operator gives up where it cannot be denied |
//! | [`fallback`] | finding the rule behind a path without BPF LSM |
//! | [`detach`] | ending enforcement |
//! | [`health`] | what is true of the pinned state and the prerequisites |
//! | [`lock`] | one daemon at a time |
//! | [`held`] | which descriptors were open before a rule |
//! | [`hex`] | bytes as text |
//! | [`paths`] | where things are |
//! | [`exit_code`] | what the exit status says |

pub mod canary;
pub mod cli;
pub mod control;
pub mod daemon;
pub mod degrade;
pub mod detach;
pub mod exit_code;
pub mod fallback;
pub mod health;
pub mod held;
pub mod hex;
pub mod history;
pub mod image;
pub mod kernel;
pub mod lock;
pub mod names;
pub mod paths;
pub mod policy;
pub mod record;
pub mod replay;
pub mod resolve;
pub mod signature;
pub mod startup;
pub mod trouble;
