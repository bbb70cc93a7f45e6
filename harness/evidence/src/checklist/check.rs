//! What the format cannot say by itself: exactly one of several fields, names
//! that lead somewhere, tests that can fail and fit their evidence.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use toml::Spanned;

use super::{
    Checklist, Command, Item, Source as EvidenceSource, Subject, SubjectFrom,
    file::{ChecklistFile, EvidenceTable, ItemTable, PredicateTable, SubjectTable},
};
use crate::{
    digest::Digest,
    moment::Age,
    predicate::{Predicate, Test},
    written::{Mistake, Source},
};

const TIMEOUT: Age = Age(Duration::from_mins(10));
const MOST_BYTES_OF_RUN: usize = 64 << 20;
const MOST_BYTES_OF_RECORD: usize = 64 << 10;

pub(super) fn parse(file: &str, text: &str) -> Result<Checklist, Mistake> {
    let source = Source { file, text };
    let written: ChecklistFile = source.parse()?;
    source.check_version(&written.version)?;
    let subjects = each(written.subject, |name, table, at| {
        check_name(source, &at, name)?;
        subject(source, table, at)
    })?;
    let evidence = each(written.evidence, |name, table, at| {
        check_name(source, &at, name)?;
        evidence_source(source, table, at, &subjects)
    })?;
    if written.item.is_empty() {
        return Err(source.mistake(0..0, "no [[item]], so it would always say GO: add one"));
    }
    let mut items: Vec<Item> = Vec::new();
    for table in written.item {
        let at = table.as_ref().id.span();
        let item = item(source, table, (&subjects, &evidence))?;
        if items.iter().any(|known| known.id == item.id) {
            let problem = format!("two items have the id `{}`", item.id);
            return Err(source.mistake(at, problem));
        }
        items.push(item);
    }
    Ok(Checklist {
        id: written.id,
        title: written.title,
        most_waivers: written.most_waivers,
        subjects,
        evidence,
        items,
        digest: Digest::of(text.as_bytes()),
    })
}

fn each<T, U>(
    tables: BTreeMap<String, Spanned<T>>,
    check: impl Fn(&str, T, Range<usize>) -> Result<U, Mistake>,
) -> Result<BTreeMap<String, U>, Mistake> {
    let checked = tables.into_iter().map(|(name, table)| {
        let at = table.span();
        let checked = check(&name, table.into_inner(), at)?;
        Ok((name, checked))
    });
    checked.collect()
}

/// Names go into file names, addresses and commands.
fn check_name(source: Source<'_>, at: &Range<usize>, name: &str) -> Result<(), Mistake> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !name.is_empty() && name.chars().all(plain) {
        return Ok(());
    }
    Err(Mistake {
        expected: Some("lower-case letters, digits, `-` and `.`".into()),
        ..source.mistake(at.clone(), format!("`{name}` is no name"))
    })
}

fn subject(source: Source<'_>, table: SubjectTable, at: Range<usize>) -> Result<Subject, Mistake> {
    let mistake = |problem: &str| Err(source.mistake(at.clone(), problem));
    let from = match (table.file, table.commit_of, table.output_of, table.named_by) {
        (Some(file), None, None, None) => SubjectFrom::File(file),
        (None, Some(folder), None, None) => SubjectFrom::CommitOf(folder),
        (None, None, Some(command), None) if !command.is_empty() => SubjectFrom::OutputOf(command),
        (None, None, None, Some(command)) if !command.is_empty() => match table.name {
            Some(name) => {
                return Ok(Subject {
                    what: table.what,
                    from: SubjectFrom::NamedBy { command, name },
                });
            }
            None => return mistake("`named_by` needs `name`, the last part of the path"),
        },
        _ => return mistake("say one of `file`, `commit_of`, `output_of` and `named_by`"),
    };
    if table.name.is_some() {
        return mistake("`name` is only for `named_by`");
    }
    Ok(Subject {
        what: table.what,
        from,
    })
}

fn evidence_source(
    source: Source<'_>,
    table: EvidenceTable,
    at: Range<usize>,
    subjects: &BTreeMap<String, Subject>,
) -> Result<EvidenceSource, Mistake> {
    let mistake = |problem: &str| Err(source.mistake(at.clone(), problem));
    for name in &table.about {
        if !subjects.contains_key(name) {
            let known = subjects.keys().map(String::as_str);
            return Err(source.unknown(at, ("subject", name), known));
        }
    }
    let timeout = table.timeout.unwrap_or(TIMEOUT);
    let limited = |argv, most_bytes: usize| Command {
        argv,
        timeout,
        most_bytes: table.most_bytes.unwrap_or(most_bytes),
    };
    let is_command = table.run.is_some() || table.command.is_some();
    if is_command && !table.about.is_empty() {
        return mistake("`about` is only for `file`: what is run now is about what is there now");
    }
    if !is_command && (table.timeout.is_some() || table.most_bytes.is_some()) {
        return mistake("`timeout` and `most_bytes` are only for commands");
    }
    if table.run.is_none() && table.output.is_some() {
        return mistake("`output` is only for `run`");
    }
    match (table.file, table.run, table.command) {
        (Some(path), None, None) => Ok(EvidenceSource::File {
            path,
            about: table.about,
        }),
        (None, Some(argv), None) if !argv.is_empty() => Ok(EvidenceSource::Run {
            command: limited(argv, MOST_BYTES_OF_RUN),
            output: table.output,
        }),
        (None, None, Some(argv)) if !argv.is_empty() => {
            Ok(EvidenceSource::Record(limited(argv, MOST_BYTES_OF_RECORD)))
        }
        _ => mistake("say one of `file`, `run` and `command`, and not an empty one"),
    }
}

type Known<'a> = (
    &'a BTreeMap<String, Subject>,
    &'a BTreeMap<String, EvidenceSource>,
);

fn item(source: Source<'_>, table: Spanned<ItemTable>, known: Known<'_>) -> Result<Item, Mistake> {
    let table = table.into_inner();
    check_name(source, &table.id.span(), table.id.as_ref())?;
    if let Some(reason) = &table.not_applicable
        && reason.as_ref().trim().is_empty()
    {
        return Err(source.mistake(reason.span(), "no reason why the item is of no concern"));
    }
    let predicates = table
        .predicate
        .into_iter()
        .map(|table| predicate(source, table, known))
        .collect::<Result<_, _>>()?;
    Ok(Item {
        id: table.id.into_inner(),
        area: table.area,
        text: table.text,
        priority: table.priority,
        owner: table.owner,
        pass: table.pass,
        fail: table.fail,
        not_applicable: table.not_applicable.map(Spanned::into_inner),
        predicates,
    })
}

fn predicate(
    source: Source<'_>,
    table: Spanned<PredicateTable>,
    (subjects, evidence): Known<'_>,
) -> Result<Predicate, Mistake> {
    let at = table.span();
    let table = table.into_inner();
    let name = table.evidence.as_ref();
    let Some(from) = evidence.get(name) else {
        let known = evidence.keys().map(String::as_str);
        return Err(source.unknown(table.evidence.span(), ("evidence", name), known));
    };
    if table.about.is_empty() {
        let problem =
            "`about` is empty: say at least one subject, or any build's evidence would do";
        return Err(source.mistake(at, problem));
    }
    for subject in &table.about {
        if !subjects.contains_key(subject.as_ref()) {
            let known = subjects.keys().map(String::as_str);
            return Err(source.unknown(subject.span(), ("subject", subject.as_ref()), known));
        }
    }
    let tests = [
        table.e2e.map(Test::E2e),
        table.perf_count.map(Test::PerfCount),
        table.junit.map(Test::Junit),
        table.sarif.map(Test::Sarif),
        table.json.map(Test::Json),
        table.is_file.map(Test::File),
        table.command.map(Test::Command),
        table.attestation.map(Test::Attestation),
    ];
    let mut tests = tests.into_iter().flatten();
    let (Some(test), None) = (tests.next(), tests.next()) else {
        return Err(Mistake {
            expected: Some(
                "exactly one of e2e, perf_count, junit, sarif, json, is_file, command, attestation"
                    .into(),
            ),
            ..source.mistake(at, "a predicate without one test")
        });
    };
    if let Some(problem) = test.problem() {
        return Err(source.mistake(at, format!("{}: {problem}", test.kind())));
    }
    if let Test::File(file) = &test
        && let Some(subject) = file.same_as()
        && !subjects.contains_key(subject)
    {
        let known = subjects.keys().map(String::as_str);
        return Err(source.unknown(at, ("subject", subject), known));
    }
    let wants_record = matches!(test, Test::Command(_));
    if wants_record != matches!(from, EvidenceSource::Record(_)) {
        let problem = format!(
            "`{}` does not fit the evidence `{name}`: the test `command`, and only that, is about \
             evidence with `command`",
            test.kind()
        );
        return Err(source.mistake(at, problem));
    }
    Ok(Predicate {
        evidence: table.evidence.into_inner(),
        max_age: table.max_age,
        about: table.about.into_iter().map(Spanned::into_inner).collect(),
        test,
    })
}
