//! Where a piece of evidence comes from, checked: exactly one place, and only
//! what is said of such a place.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use super::{Command, Source as EvidenceSource, Subject, file::EvidenceTable};
use crate::{
    moment::Age,
    service::Asked,
    written::{Mistake, Source},
};

const TIMEOUT_OF_COMMAND: Age = Age(Duration::from_mins(10));
const TIMEOUT_OF_SERVICE: Age = Age(Duration::from_secs(10));
const MOST_BYTES_OF_RUN: usize = 64 << 20;
const MOST_BYTES_OF_RECORD: usize = 64 << 10;

pub(super) fn check(
    source: Source<'_>,
    table: EvidenceTable,
    at: Range<usize>,
    subjects: &BTreeMap<String, Subject>,
) -> Result<EvidenceSource, Mistake> {
    let mistake = |problem: String| Err(source.mistake(at.clone(), problem));
    for name in &table.about {
        if !subjects.contains_key(name) {
            let known = subjects.keys().map(String::as_str);
            return Err(source.unknown(at, ("subject", name), known));
        }
    }
    if let Some(problem) = misplaced(&table) {
        return mistake(problem.into());
    }
    let timeout = table.timeout.unwrap_or(TIMEOUT_OF_COMMAND);
    let limited = |argv, most_bytes: usize| Command {
        argv,
        timeout,
        most_bytes: table.most_bytes.unwrap_or(most_bytes),
    };
    let asked = [
        table.http.map(Asked::Http),
        table.tls.map(Asked::Tls),
        table.prometheus.map(Asked::Prometheus),
        table.alerting.map(Asked::Alerting),
    ];
    let mut asked: Vec<Asked> = asked.into_iter().flatten().collect();
    match (table.file, table.run, table.command, asked.pop()) {
        (Some(path), None, None, None) => Ok(EvidenceSource::File {
            path,
            about: table.about,
        }),
        (None, Some(argv), None, None) if !argv.is_empty() => Ok(EvidenceSource::Run {
            command: limited(argv, MOST_BYTES_OF_RUN),
            output: table.output,
        }),
        (None, None, Some(argv), None) if !argv.is_empty() => {
            Ok(EvidenceSource::Record(limited(argv, MOST_BYTES_OF_RECORD)))
        }
        (None, None, None, Some(only)) if asked.is_empty() => match only.problem() {
            Some(problem) => mistake(format!("{}: {problem}", only.kind())),
            None => Ok(EvidenceSource::Service {
                asked: only,
                timeout: table.timeout.unwrap_or(TIMEOUT_OF_SERVICE),
            }),
        },
        _ => mistake(
            "say one of `file`, `run` and `command`, or of `http`, `tls`, `prometheus` and \
             `alerting`, and not an empty one"
                .into(),
        ),
    }
}

/// A field beside another that it does not belong to.
fn misplaced(table: &EvidenceTable) -> Option<&'static str> {
    let is_command = table.run.is_some() || table.command.is_some();
    let is_service = table.http.is_some()
        || table.tls.is_some()
        || table.prometheus.is_some()
        || table.alerting.is_some();
    if (is_command || is_service) && !table.about.is_empty() {
        return Some(
            "`about` is only for `file`: what is run or asked now is about what is there now",
        );
    }
    if table.file.is_some() && table.timeout.is_some() {
        return Some("`timeout` is only for commands and services");
    }
    if !is_command && table.most_bytes.is_some() {
        return Some("`most_bytes` is only for commands");
    }
    (table.run.is_none() && table.output.is_some()).then_some("`output` is only for `run`")
}
