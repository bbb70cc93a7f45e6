use std::{collections::BTreeSet, path::Path};

use harness_proto::Exit;
use kernel_matrix::{BootMode, Capability, Tier};
use scenarios::{Mode, Scenario, schema::Degraded};
use serde_json::{Value, json};

use super::{Decision, Filter, Plan, PlanKernel, select};
use crate::{
    ability::Ability,
    adapter::{Adapter, AegisBpf, PolicyFile, Reload, Rules, Vocabulary},
    outcome::SkipReason,
};

/// An agent that can do nothing.
struct Mute;

impl Adapter for Mute {
    fn name(&self) -> &'static str {
        "mute"
    }
    fn executable(&self) -> Option<&'static str> {
        Some("/bin/mute")
    }
    fn can(&self, _: Ability) -> bool {
        false
    }
    fn policy_path(&self) -> &'static str {
        "/mute"
    }
    fn policy(&self, _: &Rules<'_>) -> PolicyFile {
        PolicyFile::default()
    }
    fn start(&self, _: Mode, _: &[Degraded]) -> Vec<String> {
        Vec::new()
    }
    fn ready(&self) -> Value {
        json!({})
    }
    fn reload(&self) -> Reload {
        AegisBpf.reload()
    }
    fn terminated(&self) -> Exit {
        Exit::Status(0)
    }
    fn health(&self) -> Vec<String> {
        Vec::new()
    }
    fn detach(&self) -> Vec<String> {
        Vec::new()
    }
    fn ledger(&self, _: scenarios::schema::Ring) -> Option<crate::adapter::Ledger> {
        None
    }
    fn vocabulary(&self) -> Vocabulary {
        AegisBpf.vocabulary()
    }
    fn verifier_exit(&self) -> Option<i32> {
        None
    }
}

pub(crate) fn kernel(name: &str, tier: Tier, capabilities: &[Capability]) -> PlanKernel {
    let all: BTreeSet<_> = capabilities.iter().copied().collect();
    PlanKernel {
        name: name.into(),
        tier,
        capabilities: BootMode::ALL
            .into_iter()
            .filter(|mode| mode.suits(&all))
            .map(|mode| (mode, mode.limit(&all)))
            .collect(),
    }
}

fn scenario(id: &str, text: &str) -> Scenario {
    let text = format!("id = \"{id}\"\ntitle = \"t\"\n{text}\n[[step]]\ndo = \"detach\"\n");
    scenarios::catalogue::parse(Path::new(&format!("{id}.toml")), &text).unwrap()
}

const FULL: [Capability; 3] = [Capability::Bpf, Capability::Btf, Capability::BpfLsm];

fn kernels() -> Vec<PlanKernel> {
    vec![
        kernel("5.10", Tier::Smoke, &FULL),
        kernel("6.12", Tier::Pr, &FULL),
        kernel("7.2", Tier::Nightly, &FULL),
    ]
}

fn catalogue() -> Vec<Scenario> {
    vec![
        scenario("exec-denied", "tier = \"nightly\""),
        scenario("open-audit", "tier = \"smoke\""),
        scenario("open-denied", "tier = \"smoke\""),
    ]
}

fn filter(tier: Tier) -> Filter {
    Filter {
        tier,
        kernels: Vec::new(),
        scenarios: Vec::new(),
        boot_modes: Vec::new(),
        suites: Vec::new(),
    }
}

#[test]
fn cells_are_skipped_for_what_is_missing_and_only_for_that() {
    let rule = "[[rule]]\nid = \"a\"\nexec = { path = \"/a\" }";
    let check = |text: &str, has: &[Capability], mode, adapter: &dyn Adapter, expected| {
        let kernels = [kernel("6.12", Tier::Smoke, has)];
        let scenarios = [scenario("x", text)];
        let mut filter = filter(Tier::Nightly);
        filter.boot_modes = vec![mode];
        let selection = select(&filter, &kernels, &scenarios).unwrap();
        let plan = Plan::new(&selection, &[adapter]);
        assert_eq!(plan.cells[0].decision, expected, "{text} {mode}");
    };
    let lacks = SkipReason::MissingCapability(Capability::BpfLsm);
    let skip = |reason| Decision::Skip { reason };
    let unexpected = |reason| Decision::UnexpectedSkip { reason };
    let needs = "needs = [\"bpf-lsm\"]";
    let must = "needs = [\"bpf-lsm\"]\nmust_run = true";
    check("", &[], BootMode::NoBtf, &AegisBpf, Decision::Run);
    check(needs, &FULL, BootMode::BpfLsm, &AegisBpf, Decision::Run);
    check(needs, &FULL, BootMode::NoBpfLsm, &AegisBpf, skip(lacks));
    check(must, &FULL, BootMode::NoBtf, &AegisBpf, skip(lacks));
    check(must, &[], BootMode::BpfLsm, &AegisBpf, unexpected(lacks));
    let bpf = "needs = [\"bpf\"]";
    let no_bpf = "needs_absent = [\"bpf\"]";
    let lacks_bpf = SkipReason::MissingCapability(Capability::Bpf);
    let has_bpf = SkipReason::CapabilityPresent(Capability::Bpf);
    check(bpf, &FULL, BootMode::NoBtf, &AegisBpf, Decision::Run);
    check(bpf, &FULL, BootMode::BrokenBtf, &AegisBpf, skip(lacks_bpf));
    check(no_bpf, &FULL, BootMode::NoBtf, &AegisBpf, skip(has_bpf));
    check(no_bpf, &FULL, BootMode::BrokenBtf, &AegisBpf, Decision::Run);
    // There is nothing to break.
    let lacks_btf = SkipReason::MissingCapability(Capability::Btf);
    check("", &[], BootMode::BrokenBtf, &AegisBpf, skip(lacks_btf));
    check(
        "needs_absent = [\"btf\"]",
        &FULL,
        BootMode::NoBpfLsm,
        &AegisBpf,
        skip(SkipReason::CapabilityPresent(Capability::Btf)),
    );
    check(
        rule,
        &FULL,
        BootMode::BpfLsm,
        &Mute,
        skip(SkipReason::AgentCannot(Ability::Exec)),
    );
}

#[test]
fn a_tier_holds_the_ones_before_it_and_a_named_kernel_is_of_any_tier() {
    let check = |filter: &Filter, expected: &[&str]| {
        let (kernels, catalogue) = (kernels(), catalogue());
        let selection = select(filter, &kernels, &catalogue).unwrap();
        let found: Vec<&str> = selection
            .kernels
            .iter()
            .map(|kernel| kernel.name.as_str())
            .chain(selection.scenarios.iter().map(|one| one.id.as_str()))
            .collect();
        assert_eq!(found, expected);
    };
    check(&filter(Tier::Smoke), &["5.10", "open-audit", "open-denied"]);
    check(
        &filter(Tier::Pr),
        &["5.10", "6.12", "open-audit", "open-denied"],
    );
    let mut named = filter(Tier::Smoke);
    named.kernels = vec!["7.2".into()];
    named.scenarios = vec!["*-denied".into()];
    check(&named, &["7.2", "open-denied"]);
}

#[test]
fn a_filter_that_matches_nothing_says_what_there_is() {
    let check = |change: &dyn Fn(&mut Filter), expected: &str| {
        let mut filter = filter(Tier::Pr);
        change(&mut filter);
        let (kernels, catalogue) = (kernels(), catalogue());
        let error = select(&filter, &kernels, &catalogue).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(
        &|filter| filter.kernels = vec!["6.21".into()],
        r#"unknown kernel "6.21"; did you mean 6.12? (known: 5.10, 6.12, 7.2)"#,
    );
    check(
        &|filter| filter.scenarios = vec!["open-denid".into()],
        r#"unknown scenario "open-denid"; did you mean open-denied? (known: exec-denied, open-audit, open-denied)"#,
    );
    check(
        &|filter| filter.scenarios = vec!["exec-*".into()],
        r#"no scenario that matches "exec-*" is in tier pr; exec-denied is in tier nightly: add `--tier nightly`"#,
    );
}

#[test]
fn groups_hold_only_cells_that_run() {
    let kernels = kernels();
    let scenarios = [scenario("a", ""), scenario("b", "needs = [\"bpf-lsm\"]")];
    let mut filter = filter(Tier::Smoke);
    filter.tier = Tier::Pr;
    let selection = select(&filter, &kernels, &scenarios).unwrap();
    let groups: Vec<(String, usize)> = Plan::new(&selection, &[&AegisBpf])
        .groups()
        .into_iter()
        .map(|(group, cells)| (group.to_string(), cells.len()))
        .collect();
    let expected = [
        ("5.10/bpf-lsm", 2),
        ("5.10/no-bpf-lsm", 1),
        ("5.10/no-btf", 1),
        ("5.10/broken-btf", 1),
        ("6.12/bpf-lsm", 2),
        ("6.12/no-bpf-lsm", 1),
        ("6.12/no-btf", 1),
        ("6.12/broken-btf", 1),
    ];
    assert_eq!(groups, expected.map(|(name, cells)| (name.into(), cells)));
}
