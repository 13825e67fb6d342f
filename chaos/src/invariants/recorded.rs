//! Everything is recorded (promise 8): a node's journal is whole lines, numbered without a gap.
//!
//! A file may end in a part of a line where its node was killed; the next file begins with that number anew.

use super::Broken;

/// The promise.
pub const PROMISE: &str = "every node's journal is whole and numbered without a gap";

/// Each line of a journal's files, in order: its number, or `None` for one that is not whole; and whether it ends its
/// file.
pub fn check(node: &str, lines: &[(Option<u64>, bool)]) -> Option<Broken> {
    let mut before = None;
    for (at, (number, last_of_file)) in lines.iter().enumerate() {
        let told = |what: String| {
            Some(Broken::new(
                "recorded",
                format!("{node}, line {at} of its journal: {what}"),
            ))
        };
        match (number, before) {
            (None, _) if *last_of_file => {}
            (None, _) => return told("is not whole".to_owned()),
            (Some(number), Some(before)) if *number != before + 1 => {
                return told(format!("has number {number} after {before}"));
            }
            (Some(number), _) => before = Some(*number),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_and_a_torn_line_are_found_and_a_cut_end_is_not() {
        for (good, lines) in [
            (true, vec![(Some(1), false), (Some(2), true), (Some(3), false)]),
            (true, vec![(Some(1), false), (None, true), (Some(2), false)]),
            (false, vec![(Some(1), false), (None, false), (Some(2), false)]),
            (false, vec![(Some(1), false), (Some(3), false)]),
        ] {
            assert_eq!(check("n1", &lines).is_none(), good, "{lines:?}");
        }
    }
}
