//! Which strings came before: most lists are short, and searched one by one; long ones have an index.

use std::{borrow::Cow, collections::HashMap};

/// From here on an index pays.
const LONG: usize = 16;

/// Strings in the order in which they first came.
#[derive(Default)]
pub(super) struct Seen<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashMap<Cow<'a, str>, usize>,
}

impl<'a> Seen<'a> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { few: Vec::with_capacity(capacity.min(LONG)), many: HashMap::new() }
    }

    /// How many different ones there were.
    pub(super) fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    /// The number of a string among all that differ, and whether it is new.
    pub(super) fn add(&mut self, text: Cow<'a, str>) -> (usize, bool) {
        let next = self.len();
        if let Some(known) = self.few.iter().position(|known| *known == text) {
            return (known, false);
        }
        if next < LONG {
            self.few.push(text);
            return (next, true);
        }
        let number = *self.many.entry(text).or_insert(next);
        (number, number == next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_numbered_alike() {
        let mut seen = Seen::default();
        for number in 0..40 {
            assert_eq!(seen.add(format!("{number}").into()), (number, true));
        }
        assert_eq!((seen.add("3".into()), seen.add("30".into()), seen.len()), ((3, false), (30, false), 40));
        assert_eq!(seen.add("new".into()), (40, true));
    }
}
