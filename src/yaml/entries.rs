//! The entries of a mapping: most have a handful, so they are searched one by one; long ones have an index.

use std::collections::HashMap;

use smol_str::SmolStr;

use super::Entry;
use crate::value::Spot;

/// From here on an index pays.
const LONG: usize = 16;

/// Entries by key, in the order in which they were put in; keys are unique.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    list: Vec<(SmolStr, Entry)>,
    #[allow(clippy::box_collection, reason = "most mappings have none, and there is one mapping for every few values")]
    index: Option<Box<HashMap<SmolStr, usize>>>,
}

/// The entries, one by one.
pub type Iter<'a> =
    std::iter::Map<std::slice::Iter<'a, (SmolStr, Entry)>, fn(&'a (SmolStr, Entry)) -> (&'a SmolStr, &'a Entry)>;

/// The entries, one by one, to change them.
pub type IterMut<'a> = std::iter::Map<
    std::slice::IterMut<'a, (SmolStr, Entry)>,
    fn(&'a mut (SmolStr, Entry)) -> (&'a SmolStr, &'a mut Entry),
>;

impl Entries {
    /// How many.
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn position(&self, key: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(key).copied(),
            None => self.list.iter().position(|(known, _)| **known == *key),
        }
    }

    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.position(key).and_then(|at| self.list.get(at)).map(|(_, entry)| entry)
    }

    /// The entry of a key, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.position(key).and_then(|at| self.list.get_mut(at)).map(|(_, entry)| entry)
    }

    /// Whether a key is there.
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// Puts an entry in the place of the one with the same key, or at the end. Gives what was there.
    pub fn insert(&mut self, key: SmolStr, entry: Entry) -> Option<Entry> {
        if let Some(known) = self.get_mut(&key) {
            return Some(std::mem::replace(known, entry));
        }
        self.append(key, entry);
        None
    }

    /// Puts an entry at the end. One that has the key already stays: the key comes back, with the place of the other.
    pub(super) fn add(&mut self, key: SmolStr, entry: Entry) -> Result<(), (SmolStr, Spot)> {
        if let Some(known) = self.get(&key) {
            let place = known.key;
            return Err((key, place));
        }
        self.append(key, entry);
        Ok(())
    }

    /// Room for so many.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { list: Vec::with_capacity(capacity), index: None }
    }

    /// Takes all out, into room of just their size; the own room stays, for others.
    pub(super) fn take_fitted(&mut self) -> Self {
        let mut list = Vec::with_capacity(self.list.len());
        list.append(&mut self.list);
        Self { list, index: self.index.take() }
    }

    /// Puts an entry at the end; its key is not there yet.
    pub(crate) fn append(&mut self, key: SmolStr, entry: Entry) {
        if let Some(index) = &mut self.index {
            index.insert(key.clone(), self.list.len());
        }
        self.list.push((key, entry));
        if self.index.is_none() && self.list.len() > LONG {
            self.reindex();
        }
    }

    /// Takes an entry out; the others keep their order.
    pub fn shift_remove(&mut self, key: &str) -> Option<Entry> {
        let (_, entry) = self.position(key).map(|at| self.list.remove(at))?;
        if self.index.is_some() {
            self.reindex();
        }
        Some(entry)
    }

    /// Keeps what the predicate wants.
    pub fn retain(&mut self, mut keep: impl FnMut(&SmolStr, &mut Entry) -> bool) {
        let before = self.list.len();
        self.list.retain_mut(|(key, entry)| keep(key, entry));
        if self.index.is_some() && self.list.len() != before {
            self.reindex();
        }
    }

    fn reindex(&mut self) {
        let numbered = self.list.iter().enumerate().map(|(at, (key, _))| (key.clone(), at));
        self.index = (self.list.len() > LONG).then(|| Box::new(numbered.collect()));
    }

    /// All of them.
    pub fn iter(&self) -> Iter<'_> {
        self.list.iter().map(|(key, entry)| (key, entry))
    }

    /// All of them, to change them.
    pub fn iter_mut(&mut self) -> IterMut<'_> {
        self.list.iter_mut().map(|(key, entry)| (&*key, entry))
    }

    /// All of them, in their order.
    pub fn as_slice(&self) -> &[(SmolStr, Entry)] {
        &self.list
    }

    /// The keys.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &SmolStr> {
        self.list.iter().map(|(key, _)| key)
    }

    /// The values with the places of their keys.
    pub fn values(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter().map(|(_, entry)| entry)
    }

    /// The same, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.list.iter_mut().map(|(_, entry)| entry)
    }
}

impl IntoIterator for Entries {
    type Item = (SmolStr, Entry);
    type IntoIter = std::vec::IntoIter<(SmolStr, Entry)>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = (&'a SmolStr, &'a Entry);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Entries {
    type Item = (&'a SmolStr, &'a mut Entry);
    type IntoIter = IterMut<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl Extend<(SmolStr, Entry)> for Entries {
    fn extend<T: IntoIterator<Item = (SmolStr, Entry)>>(&mut self, entries: T) {
        for (key, entry) in entries {
            self.insert(key, entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_ones_answer_alike() {
        let mut entries = Entries::default();
        for number in 0..40 {
            assert!(entries.insert(format!("k{number}").into(), Entry::default()).is_none());
            assert_eq!(entries.len(), number + 1);
            assert!(entries.contains_key("k0") && entries.contains_key(&format!("k{number}")));
            assert!(!entries.contains_key("k40"));
        }
        assert!(entries.insert("k7".into(), Entry::default()).is_some());
        assert!(entries.shift_remove("k3").is_some() && entries.shift_remove("k3").is_none());
        assert!(entries.get("k39").is_some() && entries.get_mut("k4").is_some());
        entries.retain(|key, _| key.len() == 2);
        let keys: Vec<&str> = entries.keys().map(|key| &**key).collect();
        assert_eq!(keys, ["k0", "k1", "k2", "k4", "k5", "k6", "k7", "k8", "k9"]);
        assert!(entries.contains_key("k9") && !entries.contains_key("k10"));
    }
}
