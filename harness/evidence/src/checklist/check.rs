//! What the format cannot say by itself: exactly one of several fields, names
//! that lead somewhere, tests that can fail and fit their evidence.

use std::{collections::BTreeMap, ops::Range};

use toml::Spanned;

use super::{
    Checklist, Item, Source as EvidenceSource, Subject, SubjectFrom,
    file::{ChecklistFile, ItemTable, PredicateTable, SubjectTable},
    fit, origin,
};
use crate::{
    digest::Digest,
    predicate::{Predicate, Test},
    written::{Mistake, Source},
};

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
        origin::check(source, table, at, &subjects)
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
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(phase) = &table.phase
        && let Some(problem) = fit::problem_of_phase(phase, table.priority, &predicates, known.1)
    {
        return Err(source.mistake(table.id.span(), problem));
    }
    Ok(Item {
        phase: table.phase,
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
    let (evidence_name, max_age, about) =
        (table.evidence.clone(), table.max_age, table.about.clone());
    let Some(test) = only_test(table) else {
        return Err(Mistake {
            expected: Some(format!("exactly one of {}", Test::KINDS.join(", "))),
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
    if let Some(problem) = fit::problem(&test, from) {
        let name = evidence_name.as_ref();
        let problem = format!(
            "`{}` does not fit the evidence `{name}`: {problem}",
            test.kind()
        );
        return Err(source.mistake(at, problem));
    }
    Ok(Predicate {
        evidence: evidence_name.into_inner(),
        max_age,
        about: about.into_iter().map(Spanned::into_inner).collect(),
        test,
    })
}

/// The one test of a predicate.
fn only_test(table: PredicateTable) -> Option<Test> {
    let tests = [
        table.e2e.map(Test::E2e),
        table.perf_count.map(Test::PerfCount),
        table.junit.map(Test::Junit),
        table.sarif.map(Test::Sarif),
        table.json.map(Test::Json),
        table.is_file.map(Test::File),
        table.command.map(Test::Command),
        table.attestation.map(Test::Attestation),
        table.backup.map(Test::Backup),
        table.rollback.map(Test::Rollback),
        table.contract.map(Test::Contract),
        table.sbom.map(Test::Sbom),
        table.advisories.map(Test::Advisories),
        table.http.map(Test::Http),
        table.tls.map(Test::Tls),
        table.prometheus.map(Test::Prometheus),
        table.alerting.map(Test::Alerting),
    ];
    let mut tests = tests.into_iter().flatten();
    tests.next().filter(|_| tests.next().is_none())
}
