//! The order of names that people and tools both expect: `A2` before `A10`, signs before letters.

use std::cmp::Ordering;

/// Compares as the YAML writer of the reference sorts the keys of mappings: runs of digits by their number,
/// letters after everything else, unless they follow a digit.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len().cmp(&b.len()) };
    let (Some(&x), Some(&y)) = (a.get(at), b.get(at)) else { return Ordering::Equal };
    let after_digit = at > 0 && a.get(at - 1).is_some_and(char::is_ascii_digit);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return if after_digit { Ordering::Less } else { Ordering::Greater },
        (false, true) => return if after_digit { Ordering::Greater } else { Ordering::Less },
        (false, false) => {}
    }
    // A zero counts for nothing unless digits stand before it.
    let significant = (x == '0' || y == '0')
        && a.get(..at).unwrap_or_default().iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let number = |text: &[char]| {
        let digits: Vec<char> =
            text.get(at..).unwrap_or_default().iter().copied().take_while(char::is_ascii_digit).collect();
        let start = u128::from(significant);
        let value = digits
            .iter()
            .filter_map(|c| c.to_digit(10))
            .fold(start, |sum, digit| sum.saturating_mul(10).saturating_add(digit.into()));
        (value, digits.len())
    };
    number(&a).cmp(&number(&b)).then(x.cmp(&y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_and_signs_come_first() {
        let mut names = ["b", "A10", "A2", "A", "_x", "1", "a", "a-b", "ab", "1a", "A02"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["_x", "1", "1a", "A", "A2", "A02", "A10", "a", "a-b", "ab", "b"]);
    }
}
