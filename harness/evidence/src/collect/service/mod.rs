//! Asking running services. Facts are written down; nothing is judged here.
//!
//! | module | holds |
//! | --- | --- |
//! | `secrets` | reading secrets, and keeping them out of what is written |
//! | `client` | HTTP, by ureq |
//! | `http` | requests of a checklist |
//! | `prometheus` | the interface of Prometheus and Alertmanager |
//! | `tls` | handshakes, by rustls |
//! | `hello` | versions of TLS that rustls does not speak |
//! | `plaintext` | what listens without TLS |

mod client;
mod hello;
mod http;
mod plaintext;
mod prometheus;
mod secrets;
mod tls;

use std::{path::Path, time::SystemTime};

use serde::Serialize;

use self::secrets::Secrets;
use crate::{
    canonical,
    moment::{Age, Moment},
    service::{Asked, Record, SCHEMA_VERSION},
};

/// The record of what was asked, and when.
pub(super) fn ask(asked: &Asked, folder: &Path, timeout: Age) -> Result<(Vec<u8>, Moment), String> {
    let started = Moment::at(SystemTime::now());
    let mut secrets = Secrets::new(folder);
    let bytes = match asked {
        Asked::Http(asked) => record(
            asked,
            started,
            http::ask(asked, &mut secrets, (folder, timeout))?,
        ),
        Asked::Tls(asked) => record(asked, started, tls::ask(asked, folder, timeout)?),
        Asked::Prometheus(asked) => record(
            asked,
            started,
            prometheus::query(asked, &mut secrets, (folder, timeout), started)?,
        ),
        Asked::Alerting(asked) => record(
            asked,
            started,
            prometheus::alerting(asked, &mut secrets, (folder, timeout))?,
        ),
    }?;
    // Whatever a server may have sent back, and in whichever field.
    if secrets.are_in(&bytes) {
        return Err("an answer repeats a secret where it cannot be struck out".into());
    }
    Ok((bytes, started))
}

fn record<A: Serialize, F: Serialize>(
    asked: &A,
    started: Moment,
    facts: F,
) -> Result<Vec<u8>, String> {
    let record = Record {
        schema_version: SCHEMA_VERSION,
        asked,
        started,
        facts,
    };
    canonical::write(&record).map_err(|error| error.to_string())
}
