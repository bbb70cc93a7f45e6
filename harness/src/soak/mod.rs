//! A mixed load for a long time: nothing may grow, nothing may be missed.
//!
//! ```text
//! control → the agent, load, another policy now and then, a look at it again and again
//! → it stops and sums up → detached: everything is allowed again
//! ```
//!
//! | module | holds | pure |
//! | --- | --- | --- |
//! | [`program`] | what the guest does | yes |
//! | [`account`] | whether what was denied, told and lost adds up | yes |
//! | [`trend`] | whether something grew, and how sure that is | yes |
//! | [`plot`] | the report with a plot over time | yes |

pub mod account;
pub mod plot;
pub mod program;
pub mod trend;

pub use program::{SoakProgram, program};
pub use trend::{Trend, trends};
