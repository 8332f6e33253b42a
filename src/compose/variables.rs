//! The variables that interpolation reads, each with its place and its secrecy.

use std::{collections::HashMap, sync::Arc};

use super::conceal;
use crate::value::{Located, Origins, Secrets, Source, Text};

/// Variables by name. The first layer that sets one wins.
#[derive(Clone, Debug)]
pub(super) struct Variables {
    known: HashMap<Box<str>, Located<Text>>,
    /// Names to keep secret whatever they are called.
    marked: Arc<[String]>,
    pub(super) origins: Arc<Origins>,
    pub(super) concealed: Arc<Secrets>,
}

impl Variables {
    pub(super) fn new(marked: &[String], origins: &Arc<Origins>, concealed: &Arc<Secrets>) -> Self {
        Self {
            known: HashMap::new(),
            marked: marked.into(),
            origins: Arc::clone(origins),
            concealed: Arc::clone(concealed),
        }
    }

    /// The same, with what they lead to put into another part of the arena.
    pub(super) fn with_origins(&self, origins: Arc<Origins>) -> Self {
        Self { origins, ..self.clone() }
    }

    /// Sets a variable unless an earlier layer did.
    pub(super) fn add(&mut self, name: &str, value: &Located<Text>) {
        if !self.known.contains_key(name) {
            let value = self.protect(name, value);
            self.known.insert(name.into(), value);
        }
    }

    /// Sets a variable whatever stood there.
    pub(super) fn set(&mut self, name: &str, value: &Located<Text>) {
        let value = self.protect(name, value);
        self.known.insert(name.into(), value);
    }

    fn protect(&self, name: &str, value: &Located<Text>) -> Located<Text> {
        let secret = self.marked.iter().any(|marked| marked == name) || conceal::name_says_so(name);
        let text = if secret {
            value.value.concealed(name, value.spot, &self.concealed)
        } else {
            conceal::credentials_in_url(&value.value, name, value.spot, &self.concealed)
                .unwrap_or_else(|| value.value.clone())
        };
        Located::new(text, value.spot)
    }

    /// Variables of the process.
    pub(super) fn add_process<'a>(&mut self, variables: impl IntoIterator<Item = (&'a String, &'a String)>) {
        for (name, value) in variables {
            if !self.known.contains_key(name.as_str()) {
                let spot = self.origins.add(Source::Variable { name: name.as_str().into(), flag: false });
                self.add(name, &Located::new(Text::new(value.as_str()), spot));
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Located<Text>> {
        self.known.get(name)
    }

    /// The plain string of a variable, for the `COMPOSE_*` ones.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.get(name).map(|located| located.value.raw())
    }
}

impl Variables {
    /// All of them, by name.
    pub(super) fn sorted(&self) -> Vec<(&str, &Located<Text>)> {
        let mut all: Vec<_> = self.known.iter().map(|(name, value)| (&**name, value)).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }
}
