//! The oracle is judged itself: by histories made by hand, and by brute force.

use std::time::Duration;

use proptest::prelude::*;

use super::{Action, Call, History, Model, Operation, Outcome, Register, RegisterStep, Seen, Verdict, calls_of, check};

type Step = RegisterStep;

fn call(number: u64, from: u64, to: impl Into<Option<u64>>, step: Step) -> Call<Step> {
    let to = to.into();
    Call { number, step, from, to }
}

fn write(value: u64, expected: Option<u64>) -> Step {
    Step::Write {
        value,
        expected,
        revision: Some(value * 10),
    }
}

fn unseen(value: u64) -> Step {
    Step::Write {
        value,
        expected: None,
        revision: None,
    }
}

fn read(value: u64) -> Step {
    Step::Read((value > 0).then_some(Seen {
        value,
        revision: value * 10,
    }))
}

fn stale(expected: u64, stands: u64) -> Step {
    Step::Stale {
        expected,
        stands: Some(stands),
    }
}

#[track_caller]
fn judge(good: bool, calls: &[Call<Step>]) {
    let verdict = check::<Register>(calls);
    assert_eq!(verdict == Verdict::Linearizable, good, "{verdict:?}");
}

#[test]
fn good_histories_are_accepted() {
    judge(true, &[]);
    judge(
        true,
        &[
            call(1, 0, 1, read(0)),
            call(2, 2, 3, write(1, None)),
            call(3, 4, 5, read(1)),
        ],
    );
    // A read that overlaps a write sees either.
    judge(
        true,
        &[
            call(1, 0, 9, write(1, None)),
            call(2, 1, 2, read(0)),
            call(3, 3, 4, read(1)),
        ],
    );
    // A write of unknown outcome may be seen late, or never.
    judge(
        true,
        &[
            call(1, 0, None, unseen(1)),
            call(2, 5, 6, read(0)),
            call(3, 7, 8, read(1)),
        ],
    );
    judge(
        true,
        &[
            call(1, 0, None, unseen(1)),
            call(2, 5, 6, write(2, Some(0))),
            call(3, 7, 8, read(2)),
        ],
    );
    judge(
        true,
        &[
            call(1, 0, 1, write(1, Some(0))),
            call(2, 2, 3, stale(5, 10)),
            call(3, 4, 5, write(2, Some(10))),
        ],
    );
}

#[test]
fn bad_histories_are_refused() {
    // A stale read.
    judge(false, &[call(1, 0, 1, write(1, None)), call(2, 2, 3, read(0))]);
    // A value comes back after a newer one was read.
    judge(
        false,
        &[
            call(1, 0, 1, write(1, None)),
            call(2, 2, 3, write(2, None)),
            call(3, 4, 5, read(2)),
            call(4, 6, 7, read(1)),
        ],
    );
    // Two conditional writes over one revision.
    judge(
        false,
        &[call(1, 0, 5, write(1, Some(0))), call(2, 0, 5, write(2, Some(0)))],
    );
    // A value that nobody wrote.
    judge(false, &[call(1, 0, 1, read(7))]);
    // A write of unknown outcome is seen before it was asked for.
    judge(false, &[call(1, 0, 1, read(1)), call(2, 2, None, unseen(1))]);
    // It was seen, and then it was not.
    judge(
        false,
        &[
            call(1, 0, None, unseen(1)),
            call(2, 2, 3, read(1)),
            call(3, 4, 5, read(0)),
        ],
    );
    judge(false, &[call(1, 0, 1, write(1, None)), call(2, 2, 3, stale(10, 10))]);
}

#[test]
fn what_failed_must_not_be_seen() {
    let operation = |number, action, outcome| Operation {
        number,
        process: 1,
        node: "node 1".to_owned(),
        key: "register".to_owned(),
        action,
        invoked: Duration::from_secs(number),
        completed: Duration::from_secs(number + 1),
        outcome,
        tries: 1,
    };
    let refused = Outcome::Failed("no quorum".to_owned());
    let seen = Outcome::Read(Some(Seen { value: 1, revision: 4 }));
    let operations = [
        operation(1, Action::Write { expected: None }, refused),
        operation(3, Action::Read, seen),
    ];
    let calls = calls_of(&operations);
    assert!(matches!(
        check::<Register>(&calls["register"]),
        Verdict::Broken { stuck_at: 3, .. }
    ));
}

/// Every order that time allows, one after the other.
fn brute_force(calls: &[Call<Step>], placed: &mut Vec<usize>, state: &<Register as Model>::State) -> bool {
    let left: Vec<usize> = (0..calls.len()).filter(|at| !placed.contains(at)).collect();
    if left.iter().all(|at| calls[*at].to.is_none()) {
        return true;
    }
    left.iter().any(|at| {
        let first = left
            .iter()
            .all(|other| calls[*other].to.is_none_or(|to| to >= calls[*at].from) || other == at);
        let Some(after) = Register::step(state, &calls[*at].step).filter(|_| first) else {
            return false;
        };
        placed.push(*at);
        let found = brute_force(calls, placed, &after);
        placed.pop();
        found
    })
}

fn any_call() -> impl Strategy<Value = (u64, Option<u64>, Step)> {
    let step = prop_oneof![
        (0..4_u64).prop_map(read),
        (
            1..4_u64,
            prop_oneof![Just(None), (0..4_u64).prop_map(|value| Some(value * 10))]
        )
            .prop_map(|(value, expected)| write(value, expected)),
        (1..4_u64).prop_map(unseen),
        (0..4_u64, 0..4_u64).prop_map(|(expected, stands)| stale(expected * 10, stands * 10)),
    ];
    (0..12_u64, 1..8_u64, step).prop_map(|(from, takes, step)| {
        let ends = !matches!(step, Step::Write { revision: None, .. });
        (from, ends.then_some(from + takes), step)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn the_search_finds_what_brute_force_finds(calls in proptest::collection::vec(any_call(), 0..7)) {
        let calls: Vec<_> = calls
            .into_iter()
            .enumerate()
            .map(|(at, (from, to, step))| call(at as u64 + 1, from, to, step))
            .collect();
        let expected = brute_force(&calls, &mut Vec::new(), &Register::begin());
        prop_assert_eq!(check::<Register>(&calls) == Verdict::Linearizable, expected);
    }
}

#[test]
fn a_write_that_is_under_way_when_the_run_ends_may_have_been_seen() {
    let write = Operation {
        number: 1,
        process: 1,
        node: String::new(),
        key: "register 1".to_owned(),
        action: Action::Write { expected: None },
        invoked: Duration::from_millis(1),
        completed: Duration::from_millis(1),
        outcome: Outcome::Unknown("the run ended before the answer".to_owned()),
        tries: 0,
    };
    let read = Operation {
        number: 2,
        process: 2,
        action: Action::Read,
        completed: Duration::from_millis(2),
        outcome: Outcome::Read(Some(Seen { value: 1, revision: 7 })),
        ..write.clone()
    };
    let history = History::default();
    history.begun(write.clone());
    history.ended(read.clone());
    assert_eq!(history.operations(), std::slice::from_ref(&read));
    assert_eq!(history.with_open(), [read.clone(), write.clone()]);
    let calls = calls_of(&history.with_open());
    assert_eq!(check::<Register>(&calls["register 1"]), Verdict::Linearizable);
    history.ended(write.clone());
    assert_eq!(history.with_open(), [read, write]);
}
