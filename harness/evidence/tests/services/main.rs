//! Evidence about running services, against real servers of the distribution on
//! loopback: each example service is GO when it is good, and NO-GO for each
//! fault that is put into it, naming the item.
//!
//! ```text
//! cargo xtask test --services
//! ```
//!
//! fetches the servers and runs these tests. A plain `cargo test` says that it
//! ignores them; asked for without the servers, they fail.

#![expect(clippy::format_push_string, reason = "no test has much of it")]

mod app;
mod daemon;
mod gate;
mod monitoring;
mod nginx;
mod pki;
mod postgres;
mod replicated;
mod rollout;
mod server;
mod webhook_api;
