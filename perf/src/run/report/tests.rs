//! A run that is as it should be, and what comes of each figure that is taken
//! away, altered, or made noisy.

use std::{collections::BTreeMap, path::Path};

use harness_proto::count::{
    BpfProgram, CountPlan, Counted, Counts, Footprint, LOOP_INSTRUCTIONS, Metered, Operation,
    Planned, Round, Verified,
};

use super::{KernelRun, RunReport, SCHEMA_VERSION, SurveyError, Surveyed};
use crate::{
    count::{Bounds, Verdict, plan},
    run::{Case, Compared, Rules, page, table},
};

const OPERATIONS: [Operation; 4] = [
    Operation::OpenClose,
    Operation::OpenDeep8,
    Operation::OpenDeep32,
    Operation::OpenListed,
];
const ROUNDS: u32 = 3;
pub(in crate::run) const BUILD: &str = "linux-image 6.12.117-1 sha256:00";

pub(in crate::run) fn bounds() -> Bounds {
    Bounds::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("bounds.toml")).unwrap()
}

fn the_plan() -> CountPlan {
    plan(&OPERATIONS, ROUNDS)
}

/// Every operation takes 5,000 instructions, and what a case adds.
fn counts(case: Case, added: u64) -> (Case, CountPlan, Counts) {
    let plan = the_plan();
    let rounds = |itself: u64| {
        let round = Round {
            itself,
            total: itself * 41,
        };
        vec![round; ROUNDS as usize]
    };
    let operation = |planned: &Planned| {
        let all = u64::from(planned.times) * u64::from(planned.windows) * u64::from(ROUNDS);
        let refuses = case.refuses() && planned.operation.is_listed();
        Counted {
            operation: planned.operation,
            rounds: rounds((5_000 + added) * u64::from(planned.times)),
            refused: if refuses { all } else { 0 },
            slowed_by: 0,
        }
    };
    let counts = Counts {
        loop_rounds: rounds(plan.calibration.passes * LOOP_INSTRUCTIONS + 5),
        operations: plan.operations.iter().map(operation).collect(),
    };
    (case, plan, counts)
}

fn footprint(resident_bytes: u64) -> Footprint {
    Footprint {
        programs: vec![BpfProgram {
            name: "file_open".into(),
            translated_bytes: 3_000,
            jited_bytes: 2_000,
            verified: Verified::NotKnown,
        }],
        map_bytes: 4 << 20,
        maps: 12,
        resident_bytes,
    }
}

pub(in crate::run) fn surveyed() -> Surveyed {
    let exact = |count| Case::enforce(Rules::Exact(count));
    Surveyed {
        hooks: vec!["file_open".into()],
        programs: footprint(0).programs,
        counts: vec![
            counts(Case::None, 0),
            counts(exact(10), 400),
            counts(exact(10_000), 402),
            counts(exact(50_000), 402),
            counts(Case::enforce(Rules::Siblings(10)), 410),
            counts(Case::enforce(Rules::Siblings(1_000)), 608),
            counts(Case::enforce(Rules::Subtree), 500),
            counts(Case::NullLsm, 180),
            counts(Case::None, 0),
        ],
        footprints: vec![(exact(10_000), footprint(9 << 20))],
        applied: vec![
            (
                5_000,
                Metered {
                    instructions: 300_000_000,
                },
            ),
            (
                10_000,
                Metered {
                    instructions: 450_000_000,
                },
            ),
            (
                50_000,
                Metered {
                    instructions: 3_000_000_000,
                },
            ),
        ],
    }
}

pub(in crate::run) fn kernel_run(surveyed: &Surveyed) -> Result<KernelRun, SurveyError> {
    KernelRun::new(("6.12", "6.12.117", BUILD), surveyed, &bounds())
}

pub(in crate::run) fn report(kernel: KernelRun) -> RunReport {
    RunReport {
        schema_version: SCHEMA_VERSION,
        commit: Some("0123456789ab".into()),
        subjects: BTreeMap::new(),
        agent: "aegisbpf".into(),
        whole: true,
        kernels: vec![kernel],
        not_counted: Vec::new(),
    }
}

fn verdict_of(run: &KernelRun, rules: u32) -> Verdict {
    let case = Case::enforce(Rules::Exact(rules));
    run.cell(case, Operation::OpenClose).unwrap().verdict
}

#[test]
fn what_is_as_it_should_be_is_within_its_bounds() {
    let run = kernel_run(&surveyed()).unwrap();
    let passes = |verdict| matches!(verdict, Verdict::Within | Verdict::Unbounded);
    assert!(run.verdicts().all(passes));
    assert_eq!(verdict_of(&run, 10_000), Verdict::Within);
    // The bounds speak of at most 10,000 rules.
    assert_eq!(verdict_of(&run, 50_000), Verdict::Unbounded);
    insta::assert_snapshot!(table::render(&report(run)));
}

#[test]
fn each_figure_that_is_beyond_its_bound_is_found() {
    let exceeded = |change: &dyn Fn(&mut Surveyed), named: &str| {
        let mut surveyed = surveyed();
        change(&mut surveyed);
        let run = kernel_run(&surveyed).unwrap();
        assert!(run.verdicts().any(|it| it == Verdict::Exceeded), "{named}");
        let summary = table::summary(&report(run));
        assert!(
            summary.contains("beyond its bound") && summary.contains(named),
            "{summary}"
        );
    };
    exceeded(
        &|it| it.counts[2] = counts(Case::enforce(Rules::Exact(10_000)), 451),
        "open-close with enforce-10000",
    );
    exceeded(
        &|it| it.counts[3] = counts(Case::enforce(Rules::Exact(50_000)), 421),
        "flat-open-close-10-50000",
    );
    exceeded(
        &|it| it.applied[1].1.instructions = 500_000_001,
        "apply-10000",
    );
    exceeded(
        &|it| it.applied[2].1.instructions = 3_600_000_001,
        "apply-50000-over-5000",
    );
    exceeded(
        &|it| it.footprints[0].1.resident_bytes = (15 << 20) + 1,
        "resident-enforce-10000",
    );
}

#[test]
fn a_figure_that_is_missing_makes_no_report() {
    for index in 0..surveyed().counts.len() {
        for operation in 0..OPERATIONS.len() {
            let mut surveyed = surveyed();
            surveyed.counts[index].2.operations.remove(operation);
            let result = kernel_run(&surveyed);
            // Without an agent it was counted twice: once is enough.
            let twice = surveyed.counts[index].0 == Case::None;
            assert_eq!(result.is_ok(), twice, "{index} {operation}: {result:?}");
            let rounds = &mut surveyed.counts[index].2.loop_rounds;
            rounds.clear();
            assert!(kernel_run(&surveyed).is_err(), "{index}");
        }
    }
}

#[test]
fn a_figure_with_too_few_rounds_makes_no_report() {
    for index in 0..surveyed().counts.len() {
        let mut surveyed = surveyed();
        surveyed.counts[index].2.operations[0].rounds.pop();
        assert!(kernel_run(&surveyed).is_err(), "{index}");
    }
}

#[test]
fn a_noisy_figure_is_inconclusive() {
    for (index, (case, ..)) in surveyed().counts.iter().enumerate() {
        let mut surveyed = surveyed();
        surveyed.counts[index].2.operations[0].rounds[2].itself += 300;
        let run = kernel_run(&surveyed).unwrap();
        let cell = run.cell(*case, Operation::OpenClose).unwrap();
        assert_eq!(cell.verdict, Verdict::Inconclusive, "{case}");
        if *case == Case::None {
            let all = run
                .cells
                .iter()
                .filter(|it| it.operation == Operation::OpenClose);
            assert!(
                all.map(|it| it.verdict)
                    .all(|it| it == Verdict::Inconclusive)
            );
        }
    }
}

#[test]
fn a_counter_that_is_not_proven_makes_everything_inconclusive() {
    for index in 0..surveyed().counts.len() {
        let mut surveyed = surveyed();
        surveyed.counts[index].2.loop_rounds[1].itself += 201;
        let run = kernel_run(&surveyed).unwrap();
        assert!(
            run.verdicts().all(|it| it == Verdict::Inconclusive),
            "{index}"
        );
    }
}

#[test]
fn what_was_refused_otherwise_than_it_is_called_makes_no_report() {
    for index in 0..surveyed().counts.len() {
        for by in [-1_i64, 1] {
            let mut surveyed = surveyed();
            let counted = &mut surveyed.counts[index].2.operations[3];
            let Some(refused) = counted.refused.checked_add_signed(by) else {
                continue;
            };
            counted.refused = refused;
            let error = kernel_run(&surveyed).unwrap_err();
            assert!(matches!(error, SurveyError::Refused { .. }), "{error}");
        }
    }
}

#[test]
fn slopes_are_what_one_more_costs() {
    let run = kernel_run(&surveyed()).unwrap();
    let value = |name: &str| {
        let found = run.quantities.iter().find(|one| one.name == name);
        found.map(|one| one.value)
    };
    assert_eq!(value("sibling-rule"), Some(198.0 / 990.0));
    assert_eq!(value("subtree-folder"), Some(0.0));
    assert_eq!(value("network-length"), None);
    assert_eq!(value("apply-50000-over-5000"), Some(10.0));
}

#[test]
fn the_json_is_what_its_schema_says_and_comes_back() {
    let report = report(kernel_run(&surveyed()).unwrap());
    let value = serde_json::to_value(&report).unwrap();
    let schema = serde_json::to_value(super::schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|it| it.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(serde_json::from_value::<RunReport>(value).unwrap(), report);
}

#[test]
fn the_schema_in_the_documentation_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/perf-run.schema.json");
    let mut text = serde_json::to_string_pretty(&super::schema()).unwrap();
    text.push('\n');
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "run with UPDATE_SCHEMA=1: {} is another",
        path.display()
    );
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_shows_every_figure() {
    let mut run = kernel_run(&surveyed()).unwrap();
    run.baseline = Compared::NoBaseline;
    let page = page::render(&report(run.clone()), &[]);
    for foreign in ["<script", "<link", "<img", "url(", "@import", "src="] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // The name of SVG's elements is no address that anybody asks.
    assert_eq!(
        page.matches("http").count(),
        page.matches("http://www.w3.org/2000/svg").count()
    );
    assert!(page.matches("<svg").count() >= 2);
    for quantity in &run.quantities {
        assert!(page.contains(&quantity.name), "{}", quantity.name);
    }
    assert!(page.contains("not known") && page.contains("no baseline"));
}

#[test]
fn results_are_put_together_only_when_they_belong_together() {
    let one = report(kernel_run(&surveyed()).unwrap());
    let on = |kernel: &str| {
        let mut other = one.clone();
        other.kernels[0].kernel = kernel.into();
        other
    };
    let both = super::merged(vec![one.clone(), on("7.3")]).unwrap();
    assert_eq!(both.kernels.len(), 2);
    assert_eq!(super::merged(vec![]), Err(super::MergeError::None));
    let twice = super::merged(vec![one.clone(), on("6.12")]);
    assert_eq!(twice, Err(super::MergeError::Twice("6.12".into())));
    let mut other = on("7.3");
    other.commit = Some("ba9876543210".into());
    let error = super::merged(vec![one, other]).unwrap_err().to_string();
    assert!(error.contains("0123456789ab") && error.contains("ba9876543210"));
}
