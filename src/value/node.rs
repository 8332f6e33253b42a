//! Bodies: trees of values that know their sources.

use super::{Address, Fingerprint, Key, Path, SecretId, Sources, Text};

/// A body, or a part of one.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// What it was made of. Of a map or list: where it as a whole came from; its leaves know better.
    pub from: Sources,
}

/// JSON's kinds, and what a body needs beyond them. Not `Serialize`: it leaves through an encoder
/// (clear, with an [`Exposure`](super::Exposure)), a view (masked) or a record (holes).
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Text),
    /// Bytes that are secret, or no text: `data` of a Secret, `binaryData`.
    Bytes(SecretId),
    /// Items in order.
    List(Vec<Node>),
    /// Entries in order.
    Map(Vec<(Box<str>, Node)>),
    /// Another resource of the same release, by who it is; a name or an id once encoded.
    Reference(Box<Key>, Part),
    /// Not ours to set: what is there stays, and this where nothing is.
    Theirs(Option<Box<Node>>),
    /// A secret that was in a recorded body.
    Hole(Box<Hole>),
}

/// Which part of a referenced resource is meant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Part {
    /// What it is called.
    Name,
    /// The id that the server gave it.
    Identifier,
    /// The host name it answers to.
    Host,
}

/// What a record keeps in the place of a secret.
#[derive(Clone, PartialEq, Debug)]
pub struct Hole {
    /// Of what was there, under the application's key.
    pub fingerprint: Option<Fingerprint>,
    /// Where the bytes still are.
    pub kept: Option<Kept>,
    /// The bytes under `TRANSSHIP_KEY`.
    pub sealed: Option<Box<[u8]>>,
}

/// Where the bytes of a hole still are.
#[derive(Clone, PartialEq, Debug)]
pub enum Kept {
    /// In an object that carries its content in its name.
    Object(Address, Path),
    /// In the server's own history, under this version.
    Server(Box<str>),
}

impl Node {
    /// A value with its sources.
    pub fn new(value: impl Into<Value>, from: impl Into<Sources>) -> Self {
        Self { value: value.into(), from: from.into() }
    }

    /// An empty map.
    pub fn map(from: impl Into<Sources>) -> Self {
        Self::new(Value::Map(Vec::new()), from)
    }

    /// The entry of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(name, _)| &**name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The entry of a map, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Map(entries) => entries.iter_mut().find(|(name, _)| &**name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// What is at a path: keys of maps, numbers of list items.
    pub fn at(&self, path: &Path) -> Option<&Self> {
        path.steps().iter().try_fold(self, |node, step| match &node.value {
            Value::Map(_) => node.get(step),
            Value::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Sets the entry of a map in place, or appends it; anything else becomes a map first.
    pub fn set(&mut self, key: impl Into<Box<str>>, node: Self) {
        let key = key.into();
        if let Some(old) = self.get_mut(&key) {
            *old = node;
            return;
        }
        if let Value::Map(entries) = &mut self.value {
            entries.push((key, node));
        } else {
            self.value = Value::Map(vec![(key, node)]);
        }
    }

    /// Takes an entry out of a map.
    pub fn remove(&mut self, key: &str) -> Option<Self> {
        let Value::Map(entries) = &mut self.value else { return None };
        let index = entries.iter().position(|(name, _)| &**name == key)?;
        Some(entries.remove(index).1)
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[(Box<str>, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The string, unless it is none or has secret parts.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => text.plain(),
            _ => None,
        }
    }

    /// The whole number.
    pub const fn as_integer(&self) -> Option<i64> {
        match &self.value {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// Every node with its path, parents first.
    pub fn walk(&self, visit: &mut impl FnMut(&Path, &Self)) {
        fn step(node: &Node, path: &Path, visit: &mut impl FnMut(&Path, &Node)) {
            visit(path, node);
            match &node.value {
                Value::Map(entries) => {
                    for (key, child) in entries {
                        step(child, &path.join(key.clone()), visit);
                    }
                }
                Value::List(items) => {
                    items.iter().enumerate().for_each(|(i, child)| step(child, &path.join(i.to_string()), visit));
                }
                Value::Theirs(Some(inner)) => step(inner, path, visit),
                _ => {}
            }
        }
        step(self, &Path::root(), visit);
    }

    /// The keys of all resources this body refers to.
    pub fn references(&self) -> Vec<Key> {
        let mut found = Vec::new();
        self.walk(&mut |_, node| {
            if let Value::Reference(key, _) = &node.value
                && !found.contains(&**key)
            {
                found.push((**key).clone());
            }
        });
        found
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Text::new(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Text::new(text))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<Vec<Node>> for Value {
    fn from(items: Vec<Node>) -> Self {
        Self::List(items)
    }
}
