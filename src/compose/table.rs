//! Rules by path: patterns are read once into a trie that is walked together with the tree.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// What is looked up by names that are ours: nobody can choose keys that collide, so a simple hash does.
pub(super) type Known<K, V> = HashMap<K, V, BuildHasherDefault<NameHasher>>;

/// A hash of names, by their ends and their length.
#[derive(Default)]
pub(super) struct NameHasher(u64);

impl NameHasher {
    const fn add(&mut self, word: u64) {
        self.0 = mix(self.0, word);
    }
}

/// One more word of what is hashed.
pub(super) const fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        // Both ends of a name, which are all of most.
        let (first, last) = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (bytes.first_chunk(), bytes.last_chunk()) {
                (Some(first), Some(last)) => (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()),
                _ => (bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
            },
        };
        self.add(first ^ bytes.len() as u64);
        self.add(last);
    }

    fn write_u8(&mut self, _: u8) {
        // The end of a string, which the above has seen.
    }

    fn finish(&self) -> u64 {
        // Tables look at the lowest bits, which only the lowest ones of the last word have reached.
        self.0.rotate_left(26)
    }
}

/// Rules of one stage, by dotted patterns in which `*` stands for any name or item.
#[derive(Debug)]
pub(super) struct Table<T> {
    rule: Option<T>,
    named: Known<&'static str, Table<T>>,
    any: Option<Box<Table<T>>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rule: None, named: Known::default(), any: None }
    }
}

impl<T: Clone> Table<T> {
    /// From patterns. `{a,b}` as a first step stands for both.
    pub(super) fn new(rules: impl IntoIterator<Item = (&'static str, T)>) -> Self {
        let mut table = Self::default();
        for (pattern, rule) in rules {
            table.insert(pattern, rule);
        }
        table
    }

    pub(super) fn insert(&mut self, pattern: &'static str, rule: T) {
        if let Some(rest) = pattern.strip_prefix("{services,jobs}") {
            for first in ["services", "jobs"] {
                let table = self.named.entry(first).or_default();
                table.insert(rest.trim_start_matches('.'), rule.clone());
            }
            return;
        }
        if let Some(rest) = pattern.strip_prefix("{containers}") {
            let services = self.named.entry("services").or_default().any.get_or_insert_default();
            services.insert(rest.trim_start_matches('.'), rule.clone());
            let hooks = services.named.entry("pre_start").or_default().any.get_or_insert_default();
            hooks.insert(rest.trim_start_matches('.'), rule.clone());
            let jobs = self.named.entry("jobs").or_default().any.get_or_insert_default();
            jobs.insert(rest.trim_start_matches('.'), rule);
            return;
        }
        let mut table = self;
        for step in pattern.split('.') {
            table = match step {
                "" => table,
                "*" => table.any.get_or_insert_default(),
                name => table.named.entry(name).or_default(),
            };
        }
        table.rule = Some(rule);
    }

    /// What holds below this name.
    pub(super) fn step(&self, name: &str) -> Option<&Self> {
        self.named.get(name).or(self.any.as_deref())
    }

    /// What holds for the items of a list here.
    pub(super) fn item(&self) -> Option<&Self> {
        self.any.as_deref()
    }

    /// The rule for this very place.
    pub(super) const fn rule(&self) -> Option<&T> {
        self.rule.as_ref()
    }
}

/// A path as links on the stack: nothing is allocated until somebody wants to read it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Item(usize),
}

impl<'a> At<'a> {
    pub(super) const ROOT: Self = Self { parent: None, step: Step::Root };

    pub(super) const fn key<'b>(&'b self, key: &'b str) -> At<'b>
    where
        'a: 'b,
    {
        At { parent: Some(self), step: Step::Key(key) }
    }

    pub(super) const fn item<'b>(&'b self, index: usize) -> At<'b>
    where
        'a: 'b,
    {
        At { parent: Some(self), step: Step::Item(index) }
    }
}

impl std::fmt::Display for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        parent.fmt(f)?;
        match self.step {
            Step::Root => Ok(()),
            Step::Key(key) if parent.parent.is_none() => f.write_str(key),
            Step::Key(key) => write!(f, ".{key}"),
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}
