//! The catalogue of scenarios and its typed schema.
//!
//! A scenario is data: one TOML file in `scenarios/catalogue/`. This crate
//! parses and checks it; what its steps mean in a guest is the harness's.
//!
//! | module | holds |
//! | --- | --- |
//! | [`schema`] | the types of a file |
//! | [`rule`] | rules in no agent's own language |
//! | [`operation`] | what rules are about |
//! | [`catalogue`] | reading and checking a folder of files |
//! | `outline` | where the steps of a file are |

pub mod catalogue;
pub mod operation;
mod outline;
pub mod rule;
pub mod schema;

pub use catalogue::{Catalogue, CatalogueError};
pub use operation::{FileOperation, KernelOperation, NetworkOperation};
pub use rule::{Rule, Target};
pub use schema::{Expect, Mode, Requirement, Scenario, Setup, StartExpect, Step, Tier};
