//! Which strings came before: most lists are short, and searched one by one; long ones have an index.

use std::{borrow::Cow, collections::HashMap, fmt};

use super::table::mix;

/// From here on an index pays.
const LONG: usize = 16;

/// Strings in the order in which they first came.
#[derive(Default)]
pub(super) struct Seen<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashMap<Cow<'a, str>, usize>,
}

impl<'a> Seen<'a> {
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

/// Short numbers of strings: where all differ, so do the strings, and nothing has to be kept of them.
#[derive(Default)]
pub(super) struct Prints {
    all: Vec<u64>,
    open: String,
}

impl Prints {
    /// Adds a whole string.
    pub(super) fn add(&mut self, text: &str) {
        let (words, rest) = text.as_bytes().as_chunks();
        let print = words.iter().fold(text.len() as u64, |print, word| mix(print, u64::from_le_bytes(*word)));
        self.all.push(mix(print, rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))));
    }

    /// Adds the string that was written.
    pub(super) fn add_written(&mut self) {
        let text = std::mem::take(&mut self.open);
        self.add(&text);
        self.open = text;
        self.open.clear();
    }

    /// Whether no two can be the same. The next ones can be added in the same room.
    pub(super) fn all_differ(&mut self) -> bool {
        self.all.sort_unstable();
        let differ = self.all.windows(2).all(|pair| matches!(pair, [one, other] if one != other));
        self.all.clear();
        differ
    }
}

impl fmt::Write for Prints {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.open.push_str(part);
        Ok(())
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
