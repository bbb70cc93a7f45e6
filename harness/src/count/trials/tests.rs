//! Which counts are of which comparison.

use harness_proto::count::{Operation, PerThousand};
use perf::{check::Seed, count::Subject};

use super::{TrialsRequest, program, seeds};
use crate::AegisBpf;

fn request(rounds: u32, earlier: u32) -> TrialsRequest {
    TrialsRequest {
        plan: perf::count::plan(&[Operation::OpenClose, Operation::Stat], 3),
        rounds,
        rules: 2,
        earlier,
    }
}

#[test]
fn both_sides_are_started_anew_in_an_order_that_is_the_same_from_behind() {
    let program = program(&AegisBpf, &request(2, 0));
    let subjects: Vec<Subject> = program.counts.iter().map(|(of, _)| of.subject).collect();
    let (base, head) = (Subject::Base, Subject::Agent);
    let round = [base, head, head, head, head, head, head, head, head, base];
    let mut expected = vec![Subject::None];
    expected.extend(round);
    expected.extend(round);
    expected.push(Subject::None);
    assert_eq!(subjects, expected);
}

#[test]
fn each_operation_is_slowed_down_in_turn_across_boots() {
    let plan = request(1, 0).plan;
    let slowed = |round: u32| match seeds(&plan, round)[1] {
        Seed::Slowed { operation, by } => (operation, by),
        Seed::Same => panic!("not slowed"),
    };
    assert_eq!(slowed(0), (Operation::OpenClose, PerThousand(5)));
    assert_eq!(slowed(1), (Operation::Stat, PerThousand(5)));
    assert_eq!(slowed(2).0, Operation::OpenClose);
    let first = |request| program(&AegisBpf, &request).counts[3].0.seed;
    assert_eq!(first(request(1, 1)), seeds(&plan, 1)[1]);
}
